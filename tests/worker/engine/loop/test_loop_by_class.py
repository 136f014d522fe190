"""Contributions by class: they add up, they are Shapley's, and chance is told apart from an effect."""

import numpy as np

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.regression import (
    drawn_coalitions,
    regression_covariance,
    regression_freedom,
    regression_operator,
)
from worker.engine.games.game import all_coalitions
from worker.engine.loop.by_class import Estimation, by_class, exact_operator


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


def population(n: int, rng: np.random.Generator) -> np.ndarray:
    """Which of 4000 units the model of each coalition answers right: players help with some units and harm others."""
    helps = rng.normal(0.4, 1.0, (n, 4000))
    return all_coalitions(n) @ helps / np.sqrt(n) + rng.normal(0.0, 0.5, (1 << n, 4000)) > 0.5


def test_intervals_hold_what_all_units_there_are_would_tell() -> None:
    rng = np.random.default_rng(3)
    units = population(4, rng)
    truth = exact_values(units.mean(axis=1))
    held = []
    for _ in range(80):
        drawn = rng.choice(4000, 60, replace=False)
        found = by_class(exact_operator(4), units[:, drawn], np.zeros(60, dtype=np.int64), [0])
        assert (found.low <= found.values).all()
        assert (found.values <= found.high).all()
        held += list((found.low[:, 0] <= truth) & (truth <= found.high[:, 0]))
    assert 0.9 < np.mean(held) < 0.99


def test_what_was_estimated_is_less_sure_than_what_was_enumerated_and_its_intervals_hold_the_exact_values() -> None:
    rng = np.random.default_rng(4)
    units, n = population(8, rng)[:, :400], 8
    labels = np.zeros(400, dtype=np.int64)
    exact = by_class(exact_operator(n), units, labels, [0])
    held = []
    for _ in range(20):
        coalitions = drawn_coalitions(n, 48, rng)
        rows = units[coalitions @ (1 << np.arange(n))]
        estimation = Estimation(
            lambda worths, of=coalitions: regression_covariance(of, worths), regression_freedom(48, n)
        )
        found = by_class(regression_operator(coalitions), rows, labels, [0], estimation)
        alone = by_class(regression_operator(coalitions), rows, labels, [0])
        assert (found.high - found.low).mean() > (alone.high - alone.low).mean()
        held += list((found.low[:, 0] <= exact.values[:, 0]) & (exact.values[:, 0] <= found.high[:, 0]))
    assert np.mean(held) > 0.95


def test_copies_have_one_interval_to_the_last_bit() -> None:
    rng = np.random.default_rng(5)
    units = population(3, rng)[:, :50]
    # players 0 and 1 are copies: who of them is there makes no difference
    same = units[[min(mask, mask ^ 3 if mask & 3 in (1, 2) else mask) for mask in range(8)]]
    found = by_class(exact_operator(3), same, np.zeros(50, dtype=np.int64), [0], copies=[[0, 1], [2]])
    assert found.low[0, 0] == found.low[1, 0]
    assert found.high[0, 0] == found.high[1, 0]
