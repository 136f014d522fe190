"""How much of each kernel a Gaussian process has, given what was observed: at their likeliest, or drawn.

The likeliest amounts come from minorise-maximise updates for variance components (Zhou et al. 2019, "MM algorithms for
variance components models"): quick, and too sure where few worths were observed, since amounts that are as likely may
mean other values. Draws come from elliptical slice sampling (Murray, Adams & MacKay 2010), which needs no step size:
the logarithms of the amounts are normal beforehand, wide enough to reach from nothing to everything. The generator is
fixed, so the same worths give the same draws.
"""

import numpy as np

from worker.engine.games.coalitions import Floats

ITERATIONS = 60
# of the logarithm of one kernel's part in the variance of the worths: three in a thousand, within a factor of 150
CENTRE, SPREAD = float(np.log(0.005)), 2.5
DRAWS, BURN_IN, BETWEEN = 40, 100, 6
_BORDER = 1e12


def jitter(target: Floats) -> Floats:
    """What is added to a covariance float64[m, m] so that it can be inverted."""
    return 1e-9 * np.eye(len(target))


def likeliest(kernels: Floats, target: Floats) -> Floats:
    """Amounts float64[1, k] >= 0 that maximise the likelihood of target float64[m] ~ N(0, sum_k a_k K_k + jitter) under
    kernels float64[k, m, m]."""
    added = jitter(target)
    size = np.maximum(np.einsum("kii->k", kernels) / len(target), 1e-12)
    amounts = 1.0 / (len(kernels) * size)
    flat = kernels.reshape(len(kernels), -1)
    for _ in range(ITERATIONS):
        inverse = np.linalg.inv((amounts @ flat).reshape(added.shape) + added)
        lifted = inverse @ target
        gained = flat @ np.outer(lifted, lifted).ravel()
        expected = np.maximum(flat @ inverse.ravel(), 1e-300)
        amounts = np.maximum(amounts * np.sqrt(np.maximum(gained, 0.0) / expected), 1e-12 / size)
    return np.asarray(amounts[None], dtype=np.float64)


def drawn(kernels: Floats, unit: Floats, target: Floats) -> Floats:
    """Amounts float64[DRAWS, k] drawn from what the target float64[m] leaves open; ``unit`` float64[k] is each kernel's
    mean variance over the grid, so that one prior fits all."""
    rng = np.random.default_rng(0)
    likelihood = _Likelihood(kernels / unit[:, None, None], target)
    place = np.zeros(len(kernels))
    now = likelihood.at(place)
    kept = []
    for step in range(BURN_IN + BETWEEN * DRAWS):
        place, now = _slice(likelihood, place, now, rng)
        if step >= BURN_IN and (step - BURN_IN) % BETWEEN == 0:
            kept.append(np.exp(CENTRE + SPREAD * place) / unit)
    return np.stack(kept)


class _Likelihood:
    """The log-likelihood of a target by the place float64[k] of the amounts' logarithms in units of their spread."""

    def __init__(self, kernels: Floats, target: Floats) -> None:
        m = len(target)
        self._flat, self._jitter, self._m = kernels.reshape(len(kernels), -1), jitter(target), m
        # the last row of the Cholesky factor of [[C, t], [t', c]] is (L^-1 t)'
        self._bordered = np.zeros((m + 1, m + 1))
        self._bordered[m, :m] = self._bordered[:m, m] = target
        self._bordered[m, m] = _BORDER

    def at(self, place: Floats) -> float:
        m = self._m
        self._bordered[:m, :m] = (np.exp(CENTRE + SPREAD * place) @ self._flat).reshape(m, m) + self._jitter
        try:
            root = np.linalg.cholesky(self._bordered)
        except np.linalg.LinAlgError:
            return -np.inf
        solved = root[m, :m]
        return float(-np.log(np.diag(root)[:m]).sum() - 0.5 * solved @ solved)


def _slice(likelihood: _Likelihood, place: Floats, now: float, rng: np.random.Generator) -> tuple[Floats, float]:
    """One step: a place on the ellipse through ``place`` and a normal draw, at least as likely as a level below now."""
    other = rng.standard_normal(len(place))
    level = now + float(np.log(rng.random()))
    angle = rng.uniform(0.0, 2.0 * np.pi)
    low, high = angle - 2.0 * np.pi, angle
    while True:
        moved = place * np.cos(angle) + other * np.sin(angle)
        then = likelihood.at(moved)
        if then > level:
            return moved, then
        if angle < 0.0:
            low = angle
        else:
            high = angle
        angle = rng.uniform(low, high)
