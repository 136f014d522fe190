"""The games that benchmarks play: real data sets split into ten providers, always the same for one seed.

Each builder returns a ``Problem``: label skew, unequal sizes, one provider with 40 % of its labels flipped, one exact
copy of another, one of pure noise. Data sets come from scikit-learn and from the folder named by CHERISH_DATA
(default ../shared/data beside the repository); a game whose data is absent raises ``DataAbsent`` with a word on why.
"""

import csv
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.problem import LearnerSpec, PlayerData, Problem, Rows

Array = NDArray[Any]
_ROOT = Path(__file__).resolve().parents[1]


class DataAbsent(Exception):
    """A data set of a game is not on this machine."""


def data_folder() -> Path:
    return Path(os.environ.get("CHERISH_DATA", _ROOT.parent / "shared" / "data"))


def _file(name: str) -> Path:
    path = data_folder() / name
    if not path.exists():
        raise DataAbsent(f"{path} is absent; set CHERISH_DATA to the folder that holds {name}")
    return path


def market(
    X: Array, y: Array, classes: int, rng: np.random.Generator, n: int = 10, skew: float = 0.5
) -> list[PlayerData]:
    """``n`` players of rows X, y: n - 2 with Dirichlet label skew and unequal sizes, the last of them with 40 % of its
    labels flipped; then an exact copy of the first, and one of pure noise."""
    honest = n - 2
    owner = np.empty(len(y), dtype=np.int64)
    size = rng.dirichlet(np.full(honest, 3.0))
    for c in range(classes):
        rows = np.flatnonzero(y == c)
        p = rng.dirichlet(np.full(honest, skew)) * size + 1e-3
        owner[rows] = rng.choice(honest, size=len(rows), p=p / p.sum())
    players = []
    for i in range(honest):
        rows = np.flatnonzero(owner == i)
        if len(rows) < 10:
            rows = rng.choice(len(y), size=10, replace=False)
        labels = y[rows].copy()
        name = f"p{i}"
        if i == honest - 1:
            name = f"p{i}-flipped"
            wrong = rng.random(len(labels)) < 0.4
            labels[wrong] = (labels[wrong] + rng.integers(1, classes, wrong.sum())) % classes
        players.append((name, X[rows], labels))
    players.append(("p-copy", players[0][1], players[0][2]))
    count = max(10, len(y) // n)
    noise = rng.permuted(X[rng.choice(len(X), count)], axis=0)
    players.append(("p-noise", noise, rng.integers(0, classes, count)))
    return [PlayerData(name=name, X=a, y=b) for name, a, b in players]


def _problem(
    X: Array, y: Array, test: tuple[Array, Array], classes: int, learner: LearnerSpec, metric: str, seed: int, n: int
) -> Problem:
    rng = np.random.default_rng(seed)
    players = market(X, y, classes, rng, n)
    return Problem(
        players=players,
        test=Rows(test[0], test[1], name="test"),
        classes=classes,
        learner=learner,
        metric=metric,
        seed=seed,
    )


def digits(
    seed: int = 0,
    metric: str = "accuracy",
    learner: str = "mlp",
    hyper: Mapping[str, float | int | str] | None = None,
    n: int = 10,
) -> Problem:
    """scikit-learn's digits, 1,197 rows to ten players and 600 test rows; MLP 64-64-10 or logistic."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng([seed, 1]).permutation(len(data.target))
    X = (data.data[order] / 16.0).astype(np.float32)
    y = data.target[order].astype(np.int64)
    return _problem(X[600:], y[600:], (X[:600], y[:600]), 10, LearnerSpec(learner, hyper or {}), metric, seed, n)


def mnist(
    seed: int = 0,
    metric: str = "accuracy",
    hyper: Mapping[str, float | int | str] | None = None,
    n: int = 7,
    rows: int = 1200,
) -> Problem:
    """MNIST images for the CNN: ``rows`` training rows over n players, 1,000 test rows."""
    with np.load(_file("mnist-10k.npz"), allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    order = np.random.default_rng([seed, 2]).permutation(len(labels))[: rows + 1000]
    X, y = (images[order] / 255.0).astype(np.float32), labels[order].astype(np.int64)
    return _problem(X[1000:], y[1000:], (X[:1000], y[:1000]), 10, LearnerSpec("cnn", hyper or {}), metric, seed, n)


def adult(
    seed: int = 0,
    metric: str = "accuracy",
    learner: str = "logistic",
    hyper: Mapping[str, float | int | str] | None = None,
    n: int = 10,
    rows: int = 6000,
) -> Problem:
    """UCI Adult: standardised numbers and one-hot categories; ``rows`` training and 4,000 test rows."""
    with _file("adult.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    order = np.random.default_rng([seed, 3]).permutation(len(table))[: rows + 4000]
    table = [table[i] for i in order]
    target = next(name for name in table[0] if "income" in name)
    y = np.array([">50K" in row[target] for row in table], dtype=np.int64)
    columns = []
    for name in table[0]:
        values = [row[name].strip() for row in table]
        if name == target:
            continue
        if all(value.lstrip("-").isdigit() for value in values):
            column = np.array(values, dtype=np.float64)
            columns.append(((column - column.mean()) / max(column.std(), 1e-9)).clip(-10, 10))
        else:
            columns += [np.array([v == c for v in values], dtype=np.float64) for c in sorted(set(values))]
    X = np.stack(columns, axis=1).astype(np.float32)
    return _problem(X[4000:], y[4000:], (X[:4000], y[:4000]), 2, LearnerSpec(learner, hyper or {}), metric, seed, n)


def agnews(
    seed: int = 0,
    metric: str = "accuracy",
    learner: str = "mlp",
    hyper: Mapping[str, float | int | str] | None = None,
    n: int = 10,
    width: int = 512,
) -> Problem:
    """AG News as hashed bags of words (signed, ``width`` buckets, unit length); 5,000 training and 1,000 test rows."""

    def read(name: str) -> tuple[Array, Array]:
        with _file(name).open(newline="") as file:
            rows = list(csv.reader(file))
        X = np.zeros((len(rows), width), dtype=np.float32)
        for i, (text, _label) in enumerate(rows):
            for word in text.lower().split():
                code = zlib.crc32(word.strip(".,;:!?\"'()").encode())
                X[i, code % width] += 1.0 if code >> 31 else -1.0
        X /= np.linalg.norm(X, axis=1, keepdims=True).clip(min=1e-9)
        return X, np.array([int(label) for _text, label in rows], dtype=np.int64)

    (X, y), test = read("agnews-train.csv"), read("agnews-test.csv")
    return _problem(X, y, test, 4, LearnerSpec(learner, hyper or {}), metric, seed, n)


GAMES: dict[str, Callable[..., Problem]] = {
    "digits-mlp": digits,
    "mnist-cnn": mnist,
    "adult-logistic": adult,
    "adult-mlp": lambda seed=0, metric="accuracy": adult(seed, metric, "mlp"),
    "agnews-mlp": agnews,
    "digits-logistic": lambda seed=0, metric="accuracy": digits(seed, metric, "logistic"),
}
