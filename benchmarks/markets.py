"""The games that everything is measured on: players made from public data, always seeded, as plain numpy arrays.

A game is ten (or n) players of unequal size whose labels are skewed (Dirichlet), among them one with 40 % of its
labels flipped, one exact copy of another and one that is pure noise. Digits come with scikit-learn; MNIST, Adult and
AG News are read from the data folder (``CHERISH_DATA``, else ``../shared/data``) and skipped with a word where it is
absent. Nothing here trains or values anything, and nothing here imports the engine: the peers' environment uses it
too.
"""

import csv
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

FLIPPED, COPY, NOISE = "flipped", "copy", "noise"  # the three players that are not what they seem
FLIPPED_SHARE = 0.4
LEAST_ROWS = 8
TEXT_DIMENSIONS = 512


class DataMissing(Exception):
    """A file of the data folder is absent; the text says which, and the game is skipped."""


@dataclass(frozen=True)
class PlayerRows:
    """One player: X float32[n, ...], y int64[n]."""

    name: str
    X: Floats
    y: Labels


@dataclass(frozen=True)
class Market:
    """Players and a test set with the learner that is trained on them; ``learner`` is a spec ``NAME:key=value,...``."""

    name: str
    seed: int
    players: list[PlayerRows]
    test_X: Floats  # noqa: N815 - the field keeps the letter of its matrix
    test_y: Labels
    classes: int
    learner: str
    bad: tuple[str, ...] = field(default=(FLIPPED, NOISE))

    @property
    def rows(self) -> int:
        return sum(len(p.y) for p in self.players)


@dataclass(frozen=True)
class Recipe:
    """How a game is made: its data, the rows that players and test set take of it, and the learner."""

    data: Callable[[], tuple[Floats, Labels]]
    classes: int
    train: int
    test: int
    learner: str
    noise: Callable[[np.random.Generator, Floats], Floats]
    balanced: bool = False


def data_folder() -> Path:
    """The folder with MNIST, Adult and AG News."""
    return Path(os.environ.get("CHERISH_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))


def _file(name: str) -> Path:
    path = data_folder() / name
    if not path.is_file():
        raise DataMissing(f"{name} is not in the data folder {data_folder()}; set CHERISH_DATA to where it is")
    return path


@cache
def digits() -> tuple[Floats, Labels]:
    """scikit-learn's digits: X float32[1797, 64] in [0, 1], y of 10 classes."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.data / 16.0).astype(np.float32), bunch.target.astype(np.int64)


@cache
def mnist() -> tuple[Floats, Labels]:
    """MNIST's test images: X float32[10000, 28, 28] in [0, 1], y of 10 classes."""
    with np.load(_file("mnist-10k.npz"), allow_pickle=False) as arrays:
        return (arrays["images"] / 255.0).astype(np.float32), arrays["labels"].astype(np.int64)


@cache
def adult() -> tuple[Floats, Labels]:
    """Adult census rows, categories one-hot, numbers standardised and cut at +-5: X float32[32561, 108], y of 2
    classes."""
    with _file("adult.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    target = "income-per-year"
    columns: list[NDArray[np.float64]] = []
    for name in rows[0]:
        texts = [row[name].strip() for row in rows]
        if name == target:
            continue
        try:
            numbers = np.array([float(text) for text in texts])
        except ValueError:
            columns += [np.array([text == kind for text in texts], dtype=np.float64) for kind in sorted(set(texts))]
        else:
            columns.append(np.clip((numbers - numbers.mean()) / (numbers.std() or 1.0), -5.0, 5.0))
    labels = np.array([row[target].strip().startswith(">50K") for row in rows])
    return np.stack(columns, axis=1).astype(np.float32), labels.astype(np.int64)


@cache
def agnews_texts() -> tuple[list[str], Labels]:
    """AG News (train and dev files): 6,000 texts and which of 4 topics each is of."""
    texts: list[str] = []
    labels: list[int] = []
    for name in ("agnews-train.csv", "agnews-dev.csv"):
        with _file(name).open(newline="", encoding="utf-8") as file:
            for text, label in csv.reader(file):
                texts.append(text)
                labels.append(int(label))
    return texts, np.array(labels)


@cache
def agnews() -> tuple[Floats, Labels]:
    """The same, words hashed with a sign: X float32[6000, 512], each row of length 1; 4 classes."""
    texts, labels = agnews_texts()
    X = np.zeros((len(texts), TEXT_DIMENSIONS), dtype=np.float64)
    for row, text in enumerate(texts):
        for word in set(re.findall(r"[a-z]{3,}", text.lower())):
            code = zlib.crc32(word.encode())
            X[row, code % TEXT_DIMENSIONS] += 1.0 if code >> 31 else -1.0
    return (X / np.linalg.norm(X, axis=1, keepdims=True).clip(min=1e-9)).astype(np.float32), labels


def _uniform_noise(rng: np.random.Generator, X: Floats) -> Floats:
    """Pixels drawn uniformly: a picture of nothing."""
    return rng.random(X.shape, dtype=np.float32)


def _shuffled_columns(rng: np.random.Generator, X: Floats) -> Floats:
    """Each column shuffled on its own: true to every column, true to no row."""
    return np.stack([rng.permutation(column) for column in X.T], axis=1)


RECIPES: dict[str, Recipe] = {
    "digits-mlp": Recipe(digits, 10, 1200, 597, "mlp:hidden=64,steps=150,lr=0.01", _uniform_noise),
    "mnist-cnn": Recipe(mnist, 10, 1200, 1000, "cnn", _uniform_noise),
    "adult-logistic": Recipe(adult, 2, 8000, 4000, "logistic:l2=0.001", _shuffled_columns, balanced=True),
    "adult-mlp": Recipe(adult, 2, 1500, 2000, "mlp:hidden=32,steps=100,lr=0.01", _shuffled_columns, balanced=True),
    "agnews-logistic": Recipe(agnews, 4, 2000, 1500, "logistic:l2=0.001", _shuffled_columns),
    "digits-logistic": Recipe(digits, 10, 1200, 597, "logistic:l2=0.001", _uniform_noise),
}
BAR_GAMES = ("digits-mlp", "mnist-cnn", "adult-logistic", "adult-mlp", "agnews-logistic")


def make_market(name: str, seed: int, n: int = 10, learner: str | None = None) -> Market:
    """The named game for a seed; the same arrays on every machine. Raises DataMissing, KeyError, ValueError (n < 4)."""
    recipe = RECIPES[name]
    if n < 4:
        raise ValueError(f"a game needs at least 4 players (three of them are special); got {n}")
    X, y = recipe.data()
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    order = _balanced(rng, y, recipe.classes) if recipe.balanced else rng.permutation(len(y))
    test, train = order[: recipe.test], order[recipe.test : recipe.test + recipe.train]
    return Market(
        name=name,
        seed=seed,
        players=_players(rng, X[train], y[train], n, recipe),
        test_X=X[test],
        test_y=y[test],
        classes=recipe.classes,
        learner=learner or recipe.learner,
    )


def markets(names: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[str, int, Market]]:
    """(name, seed, market) of each game on each seed; those whose data is not here are named and passed over."""
    for seed in seeds:
        for name in names:
            try:
                market = make_market(name, seed)
            except DataMissing as missing:
                print(f"{name}: skipped, {missing}", flush=True)
                continue
            yield name, seed, market


def _balanced(rng: np.random.Generator, y: Labels, classes: int) -> NDArray[np.int64]:
    """Rows in random order with the classes taking turns, so that every prefix holds them alike."""
    queues = [rng.permutation(np.flatnonzero(y == c)) for c in range(classes)]
    short = min(len(queue) for queue in queues)
    return np.stack([queue[:short] for queue in queues], axis=1).ravel()


def _players(rng: np.random.Generator, X: Floats, y: Labels, n: int, recipe: Recipe) -> list[PlayerRows]:
    """n players: honest ones, then the flipped one, the copy of the first, and the noise."""
    parts = _skewed(rng, y, n - 2, recipe.classes)
    players = [PlayerRows(f"honest-{i}", X[part], y[part]) for i, part in enumerate(parts)]
    victim = players[-1]
    labels = victim.y.copy()
    which = rng.permutation(len(labels))[: round(FLIPPED_SHARE * len(labels))]
    labels[which] = (labels[which] + rng.integers(1, recipe.classes, len(which))) % recipe.classes
    players[-1] = PlayerRows(FLIPPED, victim.X, labels)
    players.append(PlayerRows(COPY, players[0].X, players[0].y))
    mean = max(LEAST_ROWS, round(float(np.mean([len(p.y) for p in players]))))
    rows = rng.permutation(len(X))[:mean]
    players.append(PlayerRows(NOISE, recipe.noise(rng, X[rows]), rng.integers(0, recipe.classes, len(rows))))
    return players


def _skewed(rng: np.random.Generator, y: Labels, n: int, classes: int) -> list[NDArray[np.int64]]:
    """n parts of the rows: each class is dealt by a Dirichlet draw times a size factor between 1/2 and 2.

    The draw is Dirichlet(0.7) for ten classes and tamer for fewer, where one draw decides over many rows.
    """
    factor = 2.0 ** rng.uniform(-1.0, 1.0, n)
    parts: list[list[int]] = [[] for _ in range(n)]
    for c in range(classes):
        rows = rng.permutation(np.flatnonzero(y == c))
        share = rng.gamma(max(0.7, 4.0 / classes), 1.0, n) * factor + 1e-3
        cuts = np.round(np.cumsum(share / share.sum())[:-1] * len(rows)).astype(int)
        for part, chunk in zip(parts, np.split(rows, cuts), strict=True):
            part.extend(chunk.tolist())
    for part in parts:  # whoever got next to nothing takes rows from the largest part
        while len(part) < LEAST_ROWS:
            largest = max(parts, key=len)
            part.append(largest.pop(int(rng.integers(len(largest)))))
    return [np.sort(np.array(part, dtype=np.int64)) for part in parts]
