"""Strata by player and size: every size of a player's contributions weighs alike, reached or not."""

import numpy as np
import pytest

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.stratified import stratified
from worker.engine.games.game import FunctionGame, TableGame


def test_a_game_of_sizes_is_exact_once_every_stratum_was_reached() -> None:
    """What a player adds depends on the size alone: one draw of each stratum says all of it."""
    steps = np.concatenate([[0.0], np.cumsum([3.0, 1.0, 0.5, 0.2, 0.1])])
    game = FunctionGame(5, lambda rows: steps[rows.sum(axis=1)])
    estimate = stratified(game, 31, np.random.default_rng(0))
    np.testing.assert_allclose(estimate.values, steps[-1] / 5, atol=1e-12)


@pytest.mark.parametrize("budget", [9, 20, 50])
def test_values_add_up_to_what_everybody_adds_and_their_sum_has_no_error(budget: int) -> None:
    table = np.random.default_rng(1).normal(size=64)
    estimate = stratified(TableGame(table), budget, np.random.default_rng(0))
    assert estimate.values.sum() == pytest.approx(table[-1] - table[0])
    np.testing.assert_allclose(estimate.covariance @ np.ones(6), 0.0, atol=1e-12)
    assert estimate.evaluations <= budget


def test_errors_shrink_with_the_budget_and_vanish_with_all_worths() -> None:
    table = np.random.default_rng(2).normal(size=64)
    errors = [stratified(TableGame(table), budget, np.random.default_rng(0)).stderr.mean() for budget in (12, 30, 60)]
    assert errors[0] > errors[1] > errors[2] > 0
    exact = stratified(TableGame(table), 64, np.random.default_rng(0))
    assert np.array_equal(exact.values, exact_values(table))


@pytest.mark.parametrize(("n", "budget"), [(6, 12), (8, 16), (6, 9), (5, 8)])
def test_one_draw_of_each_player_is_not_taken_for_certainty(n: int, budget: int) -> None:
    table = np.random.default_rng(2).normal(size=1 << n)
    estimate = stratified(TableGame(table), budget, np.random.default_rng(0))
    assert estimate.stderr.min() > 0.05
