"""Labelled rows of four public sets, dealt out to five providers, a fifth of the labels flipped."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

DATA = Path(os.environ.get("CHERISH_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
ADULT = DATA / "adult.csv"
PROVIDERS, FLIPPED = 5, 0.2
Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]


def bundled(name: str) -> Labelled:
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return _scaled(X), y.astype(np.int64)


def _adult() -> Labelled:
    import pandas as pd

    table = pd.read_csv(ADULT, skipinitialspace=True)
    target = table.columns[-1]
    y = table[target].astype(str).str.contains(">50K").to_numpy().astype(np.int64)
    return _scaled(pd.get_dummies(table.drop(columns=target)).to_numpy(dtype=np.float64)), y


def _scaled(X: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray((X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9), dtype=np.float32)


# by name: how rows are read, and the most that are dealt out and tested on
SETS: dict[str, tuple[Callable[[], Labelled], int, int]] = {
    "digits": (lambda: bundled("digits"), 500, 500),
    "breast cancer": (lambda: bundled("breast_cancer"), 300, 269),
    "wine": (lambda: bundled("wine"), 100, 78),
    "Adult": (_adult, 1000, 1000),
}


@dataclass(frozen=True)
class NoisyGame:
    """A problem, and which rows have a flipped label, by player in the problem's order of rows."""

    problem: Problem
    flipped: dict[str, NDArray[np.bool_]]


def noisy(name: str, learner: str, seed: int) -> NoisyGame:
    """The game of one set, learner and seed."""
    read, most, test = SETS[name]
    X, y = read()
    rng = np.random.default_rng([seed, 20])
    order = rng.permutation(len(y))
    X, y, classes = X[order], y[order], int(y.max()) + 1
    wrong = rng.random(most) < FLIPPED
    labels = np.where(wrong, (y[:most] + rng.integers(1, classes, most)) % classes, y[:most])
    parts = np.array_split(np.arange(most), PROVIDERS)
    players = [PlayerData(f"p{at}", X[part], labels[part]) for at, part in enumerate(parts)]
    true = {(row.tobytes(), int(label)): bool(flip) for row, label, flip in zip(X[:most], labels, wrong, strict=True)}
    flipped = {
        player.name: np.array([true[row.tobytes(), int(label)] for row, label in zip(player.X, player.y, strict=True)])
        for player in players
    }
    problem = Problem(
        players=players,
        test=Rows(X[most : most + test], y[most : most + test]),
        classes=classes,
        learner=LearnerSpec(learner),
        seed=seed,
    )
    return NoisyGame(problem, flipped)
