"""Random orders: one marginal contribution of each player an order, and each order's sum is what everybody adds."""

import numpy as np
import pytest

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.permutation import antithetic, permutation
from worker.engine.games.game import FunctionGame, TableGame

TABLE = np.random.default_rng(0).normal(size=64)


@pytest.mark.parametrize("estimator", [permutation, antithetic])
def test_every_running_mean_is_efficient_and_the_last_is_the_answer(estimator) -> None:
    estimate = estimator(TableGame(TABLE), 40, np.random.default_rng(1))
    assert len(estimate.trace) > 1
    for point in estimate.trace:
        assert point.values.sum() == pytest.approx(TABLE[-1] - TABLE[0])
    assert np.array_equal(estimate.trace[-1].values, estimate.values)


def test_an_additive_game_is_exact_after_one_order_and_a_pair_of_orders_is_exact_for_pairs_of_players() -> None:
    weights = np.array([0.3, -0.2, 1.5, 0.0, 0.1])
    additive = FunctionGame(5, lambda rows: rows @ weights)
    np.testing.assert_allclose(permutation(additive, 6, np.random.default_rng(0)).values, weights, atol=1e-12)
    quadratic = FunctionGame(5, lambda rows: (rows @ weights) ** 2)
    truth = exact_values(quadratic.worth((np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)))
    # an order and its reverse see every pair once from each side
    np.testing.assert_allclose(antithetic(quadratic, 10, np.random.default_rng(0)).values, truth, atol=1e-12)
    assert np.abs(permutation(quadratic, 6, np.random.default_rng(0)).values - truth).max() > 1e-3


@pytest.mark.parametrize("estimator", [permutation, antithetic])
def test_the_mean_over_many_runs_is_the_truth_within_its_errors(estimator) -> None:
    runs = [estimator(TableGame(TABLE), 30, np.random.default_rng(seed)) for seed in range(60)]
    mean = np.mean([run.values for run in runs], axis=0)
    spread = np.std([run.values for run in runs], axis=0) / np.sqrt(len(runs))
    assert (np.abs(mean - exact_values(TABLE)) < 4 * spread).all()


def test_a_longer_run_repeats_a_shorter_one_s_orders_first() -> None:
    short, long = (permutation(TableGame(TABLE), budget, np.random.default_rng(5)) for budget in (20, 40))
    for one, other in zip(short.trace, long.trace, strict=False):
        np.testing.assert_array_equal(one.values, other.values)


def test_one_order_alone_is_not_taken_for_certainty() -> None:
    estimate = permutation(TableGame(TABLE), 7, np.random.default_rng(0))
    assert (estimate.stderr > 0).all()
    assert estimate.freedom == 1.0
