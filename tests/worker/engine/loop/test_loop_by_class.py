"""Contributions by class: they add up, they are Shapley's, and chance is told apart from an effect."""

import numpy as np

from worker.engine.estimators.exact import exact_values
from worker.engine.games.game import all_coalitions
from worker.engine.loop.by_class import by_class, exact_operator


def right_of(n: int, labels: np.ndarray) -> np.ndarray:
    """Player i alone teaches class i; a unit is answered right where somebody who teaches its class is there."""
    return all_coalitions(n)[:, labels]


def test_each_player_gets_the_class_that_it_alone_teaches_and_nothing_of_others() -> None:
    labels = np.repeat([0, 1, 2], 20)
    found = by_class(exact_operator(3), right_of(3, labels), labels, [0, 1, 2])
    assert np.allclose(found.values, np.eye(3))
    assert (found.sure == np.eye(3, dtype=bool)).all()


def test_contributions_add_up_to_values_by_accuracy() -> None:
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, 3, 60))
    right = rng.random((16, 60)) < 0.6
    found = by_class(exact_operator(4), right, labels, [0, 1, 2])
    shares = np.bincount(labels) / len(labels)
    assert np.allclose(found.values @ shares, exact_values(right.mean(axis=1)))
    assert np.allclose(
        found.values.sum(axis=0), [right[-1, labels == c].mean() - right[0, labels == c].mean() for c in range(3)]
    )


def test_an_effect_on_few_units_is_not_sure() -> None:
    labels = np.zeros(40, dtype=np.int64)
    right = np.zeros((2, 40), dtype=bool)
    right[1, :2] = True
    found = by_class(exact_operator(1), right, labels, [0])
    assert found.values[0, 0] == 0.05
    assert not found.sure[0, 0]
