"""A Gaussian process over coalitions: what was observed is known, what was not is expected, and values follow."""

import numpy as np
import pytest

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.grid import full_grid
from worker.engine.estimators.posterior import CoalitionProcess, components, project, standardise
from worker.engine.games.coalitions import sizes_of
from worker.engine.games.game import all_coalitions

N = 5
ALONE = [[i] for i in range(N)]
GRID = full_grid(N, ALONE)
SIZES = sizes_of(GRID.coalitions)
EVERY = np.arange(1 << N)


def curve(seed: int = 0) -> np.ndarray:
    """A learning curve on the grid's rows, a little rough."""
    rng = np.random.default_rng(seed)
    return 1.0 - np.exp(-1.0 * GRID.coalitions @ rng.uniform(0.2, 1.0, N)) + 0.01 * rng.normal(size=1 << N)


def truth(worths: np.ndarray) -> np.ndarray:
    position = {row.tobytes(): at for at, row in enumerate(GRID.coalitions)}
    return exact_values(worths[[position[row.tobytes()] for row in all_coalitions(N)]])


def observed(count: int, seed: int = 0) -> np.ndarray:
    ends = np.flatnonzero((SIZES == 0) | (SIZES == N))
    inner = np.random.default_rng(seed).permutation(np.setdiff1d(EVERY, ends))
    return np.sort(np.concatenate([ends, inner[: count - 2]]))


def test_with_every_worth_observed_values_are_exact() -> None:
    worths = curve()
    found = CoalitionProcess(GRID, np.zeros((1 << N, 0))).fit(EVERY, worths)
    np.testing.assert_allclose(found.values, truth(worths), atol=1e-12)
    np.testing.assert_allclose(np.diag(found.covariance), 0.0, atol=1e-6)


def test_observed_worths_are_reproduced_to_the_bits_of_their_scaling() -> None:
    worths, rows = curve(), observed(12)
    found = CoalitionProcess(GRID, np.zeros((1 << N, 0))).fit(rows, worths[rows])
    np.testing.assert_allclose(found.worths[rows], worths[rows], atol=1e-14)
    assert found.residuals.shape == found.errors.shape == (12,)


def test_a_surrogate_that_is_right_explains_everything_and_a_useless_one_nearly_nothing() -> None:
    worths, rows = curve(), observed(14)
    noise = np.random.default_rng(9).normal(size=1 << N)
    errors, weights = [], []
    for surrogate in (2.0 * worths - 1.0, noise):
        found = CoalitionProcess(GRID, surrogate[:, None]).fit(rows, worths[rows])
        errors.append(np.abs(found.values - truth(worths)).max())
        weights.append(sum(share for name, share in found.weights.items() if name.startswith("surrogate")))
    assert errors[0] < 1e-4
    assert weights[0] > 0.7
    assert weights[1] < 0.1


def test_more_worths_never_widen_what_the_model_believes_much() -> None:
    worths = curve()
    spread = [
        np.diag(CoalitionProcess(GRID, np.zeros((1 << N, 0))).fit(rows, worths[rows]).covariance).sum()
        for rows in (observed(10), observed(20), observed(30))
    ]
    assert spread[0] > spread[1] > spread[2] >= 0


def test_a_constant_game_is_worth_nothing_to_anybody() -> None:
    rows = observed(10)
    found = CoalitionProcess(GRID, np.zeros((1 << N, 0))).fit(rows, np.full(10, 0.7))
    np.testing.assert_allclose(found.values, 0.0, atol=1e-12)


def test_standardised_worths_have_mean_nothing_and_variance_one_with_sizes_weighing_alike() -> None:
    found = standardise(3.0 + 5.0 * curve(), SIZES)
    by_size = [found[size == SIZES] for size in range(N + 1)]
    assert np.mean([part.mean() for part in by_size]) == pytest.approx(0.0, abs=1e-12)
    assert np.mean([(part**2).mean() for part in by_size]) == pytest.approx(1.0)
    assert not standardise(np.full(1 << N, 2.0), SIZES).any(), "a constant surrogate says nothing"


@pytest.mark.parametrize("component", components(GRID, curve()[:, None]), ids=lambda each: each.name)
def test_a_kernel_is_symmetric_and_positive_and_its_diagonal_and_projection_are_its_own(component) -> None:
    whole = component.block(EVERY, EVERY)
    np.testing.assert_allclose(whole, whole.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(whole), component.diagonal, atol=1e-12)
    assert np.linalg.eigvalsh(whole).min() > -1e-9
    np.testing.assert_allclose(project(GRID, component), GRID.operator @ whole, atol=1e-10)


def test_projections_of_kernels_that_know_no_surrogate_are_kept_with_the_grid() -> None:
    level = components(GRID)[0]
    assert project(GRID, level) is project(GRID, level)
    assert "level" in GRID.projections
    assert not any(name.startswith("surrogate") for name in GRID.projections)
