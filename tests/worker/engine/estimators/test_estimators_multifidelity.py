"""Cheap worths everywhere, a few audited ones, and the difference corrected: what it keeps, and how sure it may be."""

from dataclasses import replace

import numpy as np
import pytest

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.grid import collapse, full_grid
from worker.engine.estimators.multifidelity import Corrector, anchors, halves, misfit, multifidelity
from worker.engine.games.coalitions import sizes_of
from worker.engine.games.game import TableGame, all_coalitions

N = 6
GRID = full_grid(N, [[i] for i in range(N)])
RNG = np.random.default_rng(0)
TABLE = 1.0 - np.exp(-1.0 * all_coalitions(N) @ RNG.uniform(0.2, 1.0, N)) + 0.01 * RNG.normal(size=1 << N)
BENT = 0.2 + 0.6 * TABLE**1.5 + 0.002 * RNG.normal(size=1 << N)


def on(rows: np.ndarray, table: np.ndarray = TABLE) -> np.ndarray:
    return TableGame(table).worth(rows)


def corrector(*tables: np.ndarray) -> Corrector:
    columns = [on(GRID.coalitions, table) for table in tables]
    return Corrector(GRID, np.stack(columns, axis=1) if columns else np.zeros((1 << N, 0)), [])


def plan(count: int) -> np.ndarray:
    inner = np.random.default_rng(1).permutation(all_coalitions(N)[1:-1])[:count]
    return np.concatenate([anchors(N), inner])


def test_a_surrogate_brings_values_nearer_than_the_same_audits_alone() -> None:
    audited = plan(14)
    errors = [
        np.abs(each.corrected(audited, on(audited)).estimate.values - exact_values(TABLE)).max()
        for each in (corrector(), corrector(BENT))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_values_sum_to_what_everybody_adds_whatever_was_audited() -> None:
    for count in (4, 14, 40):
        audited = plan(count)
        values = corrector(BENT).corrected(audited, on(audited)).estimate.values
        assert values.sum() == pytest.approx(TABLE[-1] - TABLE[0], abs=1e-9)


def test_with_everything_audited_there_is_no_error_but_the_noise_of_training() -> None:
    audited = plan(62)
    without, noisy = (corrector(BENT).corrected(audited, on(audited), noise).estimate for noise in (0.0, 0.01))
    np.testing.assert_allclose(without.values, exact_values(TABLE), atol=1e-9)
    assert not without.covariance.any()
    assert (noisy.stderr > 0).all()
    np.testing.assert_array_equal(noisy.values, without.values)


def test_a_coalition_audited_twice_is_one() -> None:
    audited = plan(14)
    twice = np.concatenate([audited, audited[5:9]])
    one, other = (corrector(BENT).corrected(rows, on(rows)).estimate for rows in (audited, twice))
    np.testing.assert_array_equal(one.values, other.values)
    assert one.evaluations == other.evaluations == 16


def test_a_coalition_outside_the_grid_is_an_error() -> None:
    one = corrector()
    np.testing.assert_array_equal(GRID.coalitions[one.rows(all_coalitions(N))], all_coalitions(N))
    inner = all_coalitions(N)[1:-1]
    small = collapse(inner[:9], lambda drawn: np.zeros(drawn.T.shape), [], sampled=False)
    with pytest.raises(KeyError):
        Corrector(small, np.zeros((9, 0)), []).rows(inner[9:])


def test_a_process_that_is_surer_than_its_residuals_bear_out_is_widened_and_no_other_narrowed() -> None:
    audited = plan(14)
    posterior = corrector(BENT).corrected(audited, on(audited)).posterior
    inner = sizes_of(audited) % N > 0
    assert misfit(replace(posterior, residuals=np.zeros_like(posterior.residuals)), inner) == 1.0
    off = np.full_like(posterior.residuals, 3.0)
    assert misfit(replace(posterior, residuals=off), inner) == pytest.approx(9.0)


def test_a_quick_estimate_is_of_the_same_values_and_leaves_out_what_amounts_may_be() -> None:
    audited = plan(14)
    whole, quick = (corrector(BENT).corrected(audited, on(audited), quick=each).estimate for each in (False, True))
    assert abs(whole.values - quick.values).max() < 4.0 * whole.stderr.max()
    assert quick.stderr.sum() < whole.stderr.sum()


def test_the_halves_share_the_ends_and_divide_the_rest_by_pairs() -> None:
    audited = plan(10)
    left, right = halves(audited)
    assert set(left) & set(right) == {0, 1}
    assert set(left) | set(right) == set(range(12))
    assert sorted(left) == [0, 1, 2, 3, 6, 7, 10, 11]


def test_the_estimator_buys_no_more_than_its_budget_and_hands_over_once_it_covers_all() -> None:
    game = TableGame(TABLE)
    estimate = multifidelity(game, 20, np.random.default_rng(0), [TableGame(BENT)])
    assert game.calls == estimate.evaluations <= 20
    exact = multifidelity(TableGame(TABLE), 64, np.random.default_rng(0))
    assert np.array_equal(exact.values, exact_values(TABLE))
