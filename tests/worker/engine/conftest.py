"""Small problems that tests of the engine share: scikit-learn's digits, and made-up rows for what must be fast."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

MakeProblem = Callable[..., Problem]


@pytest.fixture(scope="session")
def blobs() -> MakeProblem:
    """Players drawn from Gaussian blobs: ``n`` honest ones of unequal size, then a copy of the first."""

    def make(
        learner: str = "mlp",
        hyper: Mapping[str, float | int | str] | None = None,
        n: int = 3,
        classes: int = 3,
        features: tuple[int, ...] = (5,),
        **options: Any,
    ) -> Problem:
        rng = np.random.default_rng(7)
        centres = 2.0 * rng.normal(size=(classes, *features))

        def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
            y = rng.integers(0, classes, rows)
            return (centres[y] + rng.normal(size=(rows, *features))).astype(np.float32), y

        players = [PlayerData(f"p{i}", *draw(21 + 9 * i)) for i in range(n)]
        players.append(PlayerData("copy", players[0].X[::-1], players[0].y[::-1]))
        return Problem(
            players=players,
            test=Rows(*draw(77)),
            classes=classes,
            learner=LearnerSpec(learner, hyper or {}),
            **options,
        )

    return make


@pytest.fixture(scope="session")
def digits() -> MakeProblem:
    """Six players of scikit-learn's digits with skewed labels, one with 40 % of its labels flipped."""

    def make(
        learner: str = "mlp", hyper: Mapping[str, float | int | str] | None = None, rows: int = 700, **options: Any
    ) -> Problem:
        from sklearn.datasets import load_digits

        data, rng = load_digits(), np.random.default_rng(3)
        order = rng.permutation(len(data.target))[: rows + 300]
        X, y = (data.data[order] / 16).astype(np.float32), data.target[order].astype(np.int64)
        weights = rng.dirichlet(np.full(6, 0.6), size=10)
        owner = np.array([rng.choice(6, p=weights[label]) for label in y[300:]])
        players = []
        for i in range(6):
            a, b = X[300:][owner == i], y[300:][owner == i].copy()
            if i == 5:
                wrong = rng.random(len(b)) < 0.4
                b[wrong] = (b[wrong] + 1) % 10
            players.append(PlayerData(f"p{i}", a, b))
        return Problem(
            players=players,
            test=Rows(X[:300], y[:300]),
            classes=10,
            learner=LearnerSpec(learner, hyper or {}),
            **options,
        )

    return make
