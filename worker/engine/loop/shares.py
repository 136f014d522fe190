"""From values to shares, with intervals from the joint distribution of the values.

The share of i is max(phi_i, 0) / sum_j max(phi_j, 0): a ratio with a kink at zero, so its interval cannot be read off
the standard error of one value: values are drawn from their joint distribution (multivariate t), each draw is turned
into shares, and intervals are quantiles of those. Never uses absolute values (that would pay saboteurs), never divides
by a signed sum. Money is not made here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.shares import shares_of
from worker.engine.estimators.estimate import Estimate
from worker.engine.games.coalitions import Floats, Ints, symmetrise, symmetrise_covariance

DRAWS = 4000


@dataclass(frozen=True)
class Intervals:
    """Low and high ends float64[n, 2]: per player at the nominal level (``value``, ``share``), and simultaneous over
    all players at its own level (``value_band``, ``share_band``)."""

    value: Floats
    share: Floats
    value_band: Floats
    share_band: Floats

    @property
    def widest(self) -> float:
        """Width of the widest simultaneous share interval, in points of the pool (0 to 100)."""
        return float(100.0 * (self.share_band[:, 1] - self.share_band[:, 0]).max())


def symmetric(estimate: Estimate, classes: Sequence[Sequence[int]]) -> Estimate:
    """The estimate with exact copies given their class's mean: equal to the last bit, covariance included."""
    return Estimate(
        values=symmetrise(estimate.values, classes),
        covariance=symmetrise_covariance(estimate.covariance, classes),
        evaluations=estimate.evaluations,
        freedom=estimate.freedom,
        trace=estimate.trace,
    )


def intervals(
    estimate: Estimate, classes: Sequence[Sequence[int]], confidence: float, band_confidence: float, seed: int
) -> Intervals:
    """Intervals of values and shares; deterministic in (estimate, seed).

    ``band_confidence`` is the level at which all players' intervals hold at once; it rises from look to look when a
    stopping rule spends its error (stopping.py).
    """
    values, n = estimate.values, len(estimate.values)
    eigenvalues, vectors = np.linalg.eigh(estimate.covariance)
    root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    rng = np.random.default_rng([seed, n])
    # Antithetic draws: the distribution of the values is symmetric, so each draw comes with its mirror image.
    normal = rng.standard_normal((DRAWS // 2, n))
    if np.isfinite(estimate.freedom):
        normal /= np.sqrt(rng.chisquare(estimate.freedom, DRAWS // 2) / estimate.freedom)[:, None]
    noise = symmetrise(normal @ root.T, classes)
    drawn = np.concatenate([values + noise, values - noise])
    # Exactly known values must not pick up the rounding of the eigenvectors.
    drawn[:, np.diag(estimate.covariance) <= 0.0] = values[np.diag(estimate.covariance) <= 0.0]
    drawn_shares = shares_of(drawn)
    shares = shares_of(values)
    return Intervals(
        value=_quantile_intervals(drawn, values, 1.0 - confidence),
        share=_quantile_intervals(drawn_shares, shares, 1.0 - confidence),
        value_band=_simultaneous(drawn, values, 1.0 - band_confidence),
        share_band=_simultaneous(drawn_shares, shares, 1.0 - band_confidence),
    )


def _quantile_intervals(drawn: Floats, centre: Floats, alpha: float) -> Floats:
    """Equal-tailed intervals float64[n, 2] of draws float64[b, n], stretched to hold the point estimate."""
    low, high = np.quantile(drawn, [alpha / 2, 1.0 - alpha / 2], axis=0)
    return np.stack([np.minimum(low, centre), np.maximum(high, centre)], axis=1)


def _simultaneous(drawn: Floats, centre: Floats, alpha: float) -> Floats:
    """Intervals float64[n, 2] that hold for all players at once with probability 1 - alpha.

    Built from ranks (Besag et al. 1995): each draw's most extreme rank over the players is found, and the intervals are
    cut at the rank that 1 - alpha of the draws stay within. Unlike a symmetric max-|t| band this respects the pile of
    draws at a share of exactly zero, and never leaves [0, 1].
    """
    count = len(drawn)
    order = np.sort(drawn, axis=0)
    below, above = _ranks(drawn)
    # A draw is inside the cut c when, for every player, at least c draws are >= and at least c draws are <= it.
    depth = np.minimum(below, count - above).min(axis=1)
    cut = max(1, int(np.quantile(depth, alpha, method="lower")))
    low, high = order[cut - 1], order[count - cut]
    return np.stack([np.minimum(low, centre), np.maximum(high, centre)], axis=1)


def _ranks(drawn: Floats) -> tuple[Ints, Ints]:
    """For each draw and player, how many draws are not above it, and how many are under it, int64[b, n]. Ties (shares
    at zero) count as not above: an interval ending at their common value holds all of them."""
    count, n = drawn.shape
    by_player = np.ascontiguousarray(drawn.T)
    order = np.argsort(by_player, axis=1)
    ordered = np.take_along_axis(by_player, order, axis=1)
    starts = np.concatenate([np.ones((n, 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    place = np.arange(count)
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    ends = np.concatenate([starts[:, 1:], np.ones((n, 1), dtype=bool)], axis=1)
    last = np.minimum.accumulate(np.where(ends, place, count)[:, ::-1], axis=1)[:, ::-1]
    below, above = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(below, order, last + 1, axis=1)
    np.put_along_axis(above, order, first, axis=1)
    return below.T, above.T
