"""Paired KernelSHAP: least squares on complements, weighted by how often a pair was drawn."""

import numpy as np
import pytest

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.kernelshap import kernelshap, paired_least_squares
from worker.engine.games.game import FunctionGame, TableGame


def test_a_game_of_players_and_pairs_of_them_is_valued_exactly_from_few_pairs() -> None:
    """Complements leave the even interactions out, so what is linear is found without error."""
    weights = np.random.default_rng(0).normal(size=12)
    game = FunctionGame(12, lambda rows: rows @ weights + 3.0 * rows.sum(axis=1) ** 2)
    estimate = kernelshap(game, 60, np.random.default_rng(1))
    np.testing.assert_allclose(estimate.values, weights + 3.0 * 12, atol=1e-9)
    np.testing.assert_allclose(estimate.stderr, 0.0, atol=1e-8)


def test_a_pair_drawn_again_weighs_more_and_costs_nothing() -> None:
    members = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=float) - 0.5
    odd = np.array([0.2, 0.4, 0.9])
    often, _ = paired_least_squares(members, odd, np.array([1.0, 1.0, 3.0]), 1.0)
    again, _ = paired_least_squares(members[[0, 1, 2, 2, 2]], odd[[0, 1, 2, 2, 2]], np.ones(5), 1.0)
    np.testing.assert_allclose(often, again, atol=1e-12)


def test_least_squares_keep_the_sum_and_have_no_error_along_it() -> None:
    rng = np.random.default_rng(2)
    members, odd = rng.integers(0, 2, (9, 4)) - 0.5, rng.normal(size=9)
    values, covariance = paired_least_squares(members, odd, rng.uniform(1, 3, 9), 0.7)
    assert values.sum() == pytest.approx(0.7)
    np.testing.assert_allclose(covariance @ np.ones(4), 0.0, atol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > -1e-12


def test_once_the_budget_covers_all_it_enumerates_and_a_nearly_exhausted_game_ends() -> None:
    table = np.random.default_rng(3).normal(size=16)
    exact = kernelshap(TableGame(table), 16, np.random.default_rng(0))
    np.testing.assert_allclose(exact.values, exact_values(table), atol=1e-12)
    assert not exact.covariance.any()
    nearly = kernelshap(TableGame(table), 15, np.random.default_rng(0))
    assert nearly.evaluations <= 15
