"""Amounts of kernels: the likeliest, and draws of what the observed leaves open."""

import numpy as np

from worker.engine.estimators.amounts import DRAWS, drawn, likeliest


def _sample(amounts: tuple[float, float], m: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two kernels float64[2, m, m] and a target float64[m] drawn with these amounts of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 3))
    kernels = np.stack([X @ X.T / 3.0, np.eye(m)])
    root = np.linalg.cholesky(np.tensordot(np.array(amounts), kernels, 1))
    return kernels, root @ rng.normal(size=m)


def test_the_likeliest_amounts_come_near_those_that_made_the_target() -> None:
    found = np.mean([likeliest(*_sample((0.0, 1.0), 60, seed))[0] for seed in range(10)], axis=0)
    assert found[0] < 0.1
    assert 0.8 < found[1] < 1.2


def test_draws_spread_around_the_truth_and_less_with_more_that_is_observed() -> None:
    spreads = []
    for m in (12, 120):
        kernels, target = _sample((0.5, 0.2), m, 3)
        logs = np.log(drawn(kernels, np.ones(2), target))
        assert logs.shape == (DRAWS, 2)
        spreads.append(logs[:, 1].std())
        assert logs[:, 1].min() - 0.7 <= np.log(0.2) <= logs[:, 1].max() + 0.7
    assert spreads[1] < spreads[0]


def test_the_same_target_gives_the_same_draws_and_the_unit_of_a_kernel_does_not_matter() -> None:
    kernels, target = _sample((0.5, 0.2), 20, 1)
    first, again = drawn(kernels, np.ones(2), target), drawn(kernels, np.ones(2), target)
    np.testing.assert_array_equal(first, again)
    scaled = drawn(kernels * 4.0, 4.0 * np.ones(2), target)
    np.testing.assert_allclose(4.0 * scaled, first, rtol=1e-9)
