"""Games for judging estimators: how data is divided among eight players, of kinds that markets have. Seeded; no engine.

``DIVISIONS`` are the kinds. Each takes a generator, X float32[n, d], y int64[n], a segment int64[n] (a grouping that
comes with the data) and returns players' rows. Data is scikit-learn's, or of the data folder.
"""

import csv
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.markets import _file, adult, agnews, digits

Floats, Ints = NDArray[np.float32], NDArray[np.int64]
Part = tuple[Floats, Ints]
PLAYERS = 8


@dataclass(frozen=True)
class Made:
    """A game's players and test set; ``learner`` as the command line writes it."""

    players: list[Part]
    test: Part
    classes: int
    learner: str


@cache
def census_segments(column: str) -> Ints:
    """Adult's rows by the eight most frequent values of a column, -1 for the rest; by eighths of the ages."""
    with _file("adult.csv").open(newline="") as file:
        texts = np.array([row[column].strip() for row in csv.DictReader(file)])
    if column == "age":
        ages = texts.astype(np.float64)
        return np.searchsorted(np.quantile(ages, np.arange(1, PLAYERS) / PLAYERS), ages)
    kinds, counts = np.unique(texts, return_counts=True)
    number = {kind: at for at, kind in enumerate(kinds[np.argsort(-counts, kind="stable")][:PLAYERS])}
    return np.array([number.get(text, -1) for text in texts])


@cache
def tumours() -> tuple[Floats, Ints]:
    """scikit-learn's breast cancer: X float32[569, 30] standardised, y of 2 classes."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    X = (bunch.data - bunch.data.mean(axis=0)) / bunch.data.std(axis=0)
    return X.astype(np.float32), bunch.target.astype(np.int64)


@cache
def wines() -> tuple[Floats, Ints]:
    """scikit-learn's wine: X float32[178, 13] standardised, y of 3 classes."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    X = (bunch.data - bunch.data.mean(axis=0)) / bunch.data.std(axis=0)
    return X.astype(np.float32), bunch.target.astype(np.int64)


def _alike(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    order = rng.permutation(len(y))[: PLAYERS * rows].reshape(PLAYERS, -1)
    return [(X[part], y[part]) for part in order]


def _sizes(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """Alike but in size: from an eighth of the largest to the largest."""
    sizes = np.maximum(4, np.round(2.0 * rows * 2.0 ** -np.linspace(0.0, 3.0, PLAYERS))).astype(int)
    order = rng.permutation(len(y))
    return [(X[p], y[p]) for p in np.split(order[: sizes.sum()], np.cumsum(sizes)[:-1])]


def _dominant(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """One player has ten times the others' rows."""
    small = max(4, rows * PLAYERS // 17)
    sizes = np.array([10 * small] + [small] * (PLAYERS - 1))
    order = rng.permutation(len(y))
    return [(X[p], y[p]) for p in np.split(order[: sizes.sum()], np.cumsum(sizes)[:-1])]


def _pairs(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """Four pairs of near duplicates: each second is its first with noise of a hundredth of a deviation."""
    parts = _alike(rng, X, y, rows)[: PLAYERS // 2]
    spread = X.std(axis=0) * 0.01
    copies = [((A + rng.normal(size=A.shape) * spread).astype(np.float32), b) for A, b in parts]
    return [part for pair in zip(parts, copies, strict=True) for part in pair]


def _labels(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """Each player holds mostly one class: nine rows in ten."""
    classes = int(y.max()) + 1
    parts = []
    for player in range(PLAYERS):
        own, others = np.flatnonzero(y == player % classes), np.flatnonzero(y != player % classes)
        taken = [rng.choice(own, round(0.9 * rows), replace=len(own) < rows), rng.choice(others, rows // 10 + 1)]
        rows_of = np.concatenate(taken)
        parts.append((X[rows_of], y[rows_of]))
    return parts


def _mislabelled(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """Half of the players have three labels in ten wrong."""
    classes = int(y.max()) + 1
    parts = _alike(rng, X, y, rows)
    for at in range(0, PLAYERS, 2):
        A, b = parts[at]
        wrong = rng.random(len(b)) < 0.3
        parts[at] = (A, np.where(wrong, (b + rng.integers(1, classes, len(b))) % classes, b))
    return parts


def _rare(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """Of two classes one is 3 % of each player's rows, at least two of them."""
    parts = []
    for _ in range(PLAYERS):
        few = max(2, round(0.03 * rows))
        rare, usual = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
        taken = np.concatenate([rng.choice(rare, few, replace=False), rng.choice(usual, rows - few, replace=False)])
        parts.append((X[taken], y[taken]))
    return parts


def _skewed(rng: np.random.Generator, X: Floats, y: Ints, rows: int) -> list[Part]:
    """Classes dealt by a Dirichlet draw: unequal in size and in labels."""
    order = rng.permutation(len(y))[: PLAYERS * rows]
    parts: list[list[int]] = [[] for _ in range(PLAYERS)]
    for c in range(int(y.max()) + 1):
        mine = order[y[order] == c]
        cuts = np.round(np.cumsum(rng.dirichlet([0.7] * PLAYERS))[:-1] * len(mine)).astype(int)
        for part, chunk in zip(parts, np.split(mine, cuts), strict=True):
            part.extend(chunk.tolist())
    for part in parts:
        while len(part) < 6:
            part.append(max(parts, key=len).pop())
    return [(X[p], y[p]) for p in parts]


Division = Callable[[np.random.Generator, Floats, Ints, int], list[Part]]
DIVISIONS: dict[str, Division] = {
    "alike": _alike,
    "sizes": _sizes,
    "dominant": _dominant,
    "pairs": _pairs,
    "labels": _labels,
    "mislabelled": _mislabelled,
    "rare": _rare,
    "skewed": _skewed,
}
DATA: dict[str, tuple[Callable[[], tuple[Floats, Ints]], int, int]] = {
    # data, rows of a player, rows of the test set
    "digits": (digits, 100, 500),
    "adult": (adult, 200, 1200),
    "agnews": (agnews, 80, 600),
    "tumours": (tumours, 40, 200),
    "wines": (wines, 10, 80),
}


def make(name: str, seed: int) -> Made:
    """The game ``DATA-DIVISION[-mlp]`` or ``adult-by-COLUMN[-mlp]`` of a seed, the same on every machine."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    learner = "mlp:hidden=16,steps=60,lr=0.02" if name.endswith("-mlp") else "logistic:l2=0.001"
    what = name.removesuffix("-mlp")
    data, _, division = what.partition("-")
    read, rows, test = DATA[data]
    X, y = read()
    classes = int(y.max()) + 1
    order = rng.permutation(len(y))
    held, rest = order[:test], order[test:]
    if division.startswith("by-"):
        segment = census_segments(division.removeprefix("by-"))[rest]
        chosen = [rng.permutation(rest[segment == number])[:rows] for number in range(PLAYERS)]
        players = [(X[part], y[part]) for part in chosen]
    else:
        players = DIVISIONS[division](rng, X[rest], y[rest], rows)
    if division == "rare":
        rare, usual = held[y[held] == 1], held[y[held] == 0]
        held = np.concatenate([rare[: max(8, round(0.03 * len(usual)))], usual])
    return Made(players, (X[held], y[held]), classes, learner)
