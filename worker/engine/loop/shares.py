"""From values to shares, with intervals from the joint distribution of the values.

The share of i is max(phi_i, 0) / sum_j max(phi_j, 0): a ratio with a kink at zero, so its interval cannot be read off
the standard error of one value: values are drawn from their joint distribution (multivariate t for what was estimated,
and for what other test units would do), each draw is turned into shares, and intervals are quantiles of those. Never
uses absolute values (that would pay saboteurs), never divides by a signed sum. Money is not made here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from contract.results.shares import shares_of
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


@dataclass(frozen=True)
class OtherTestRows:
    """What other test units would do to values: the covariance float64[n, n], and how many ``units`` it rests on."""

    covariance: Floats
    units: int


def symmetric(estimate: Estimate, classes: Sequence[Sequence[int]]) -> Estimate:
    """The estimate with exact copies given their class's mean: equal to the last bit, covariance included."""
    return replace(
        estimate,
        values=symmetrise(estimate.values, classes),
        covariance=symmetrise_covariance(estimate.covariance, classes),
        seeds=None if estimate.seeds is None else symmetrise_covariance(estimate.seeds, classes),
    )


def intervals(
    estimate: Estimate,
    classes: Sequence[Sequence[int]],
    confidence: float,
    band_confidence: float,
    seed: int,
    test: OtherTestRows | None = None,
) -> Intervals:
    """Intervals of values and shares; deterministic in (estimate, test, seed).

    ``band_confidence`` is the level at which all players' intervals hold at once; it rises from look to look when a
    stopping rule spends its error (stopping.py). With ``test`` they also hold what other test units would do.
    """
    drawn = _values_drawn(estimate, classes, seed, test)
    values = estimate.values
    drawn_shares = shares_of(drawn)
    shares = shares_of(values)
    return Intervals(
        value=_quantile_intervals(drawn, values, 1.0 - confidence),
        share=_quantile_intervals(drawn_shares, shares, 1.0 - confidence),
        value_band=_simultaneous(drawn, values, 1.0 - band_confidence),
        share_band=_simultaneous(drawn_shares, shares, 1.0 - band_confidence),
    )


def value_intervals(
    estimate: Estimate, classes: Sequence[Sequence[int]], confidence: float, seed: int, test: OtherTestRows
) -> Floats:
    """The same intervals of values alone, float64[n, 2], each at ``confidence`` by itself."""
    drawn = _values_drawn(estimate, classes, seed, test)
    return _quantile_intervals(drawn, estimate.values, 1.0 - confidence)


def _values_drawn(
    estimate: Estimate, classes: Sequence[Sequence[int]], seed: int, test: OtherTestRows | None
) -> Floats:
    """Draws float64[DRAWS, n] of values from what is known of them."""
    values, n = estimate.values, len(estimate.values)
    rng = np.random.default_rng([seed, n])
    # Antithetic draws: the distribution of the values is symmetric, so each draw comes with its mirror image.
    noise = _drawn(estimate.covariance, estimate.freedom, rng)
    variance = np.diag(estimate.covariance)
    if test is not None:
        noise = noise + _drawn(test.covariance, max(test.units - 1.0, 1.0), rng)
        variance = variance + np.diag(test.covariance)
    noise = symmetrise(noise, classes)
    drawn = np.concatenate([values + noise, values - noise])
    # Exactly known values must not pick up the rounding of the eigenvectors.
    drawn[:, variance <= 0.0] = values[variance <= 0.0]
    return drawn


def _drawn(covariance: Floats, freedom: float, rng: np.random.Generator) -> Floats:
    """Half of the draws float64[DRAWS / 2, n] around 0: multivariate t, or normal where freedom is infinite."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    normal = rng.standard_normal((DRAWS // 2, len(covariance)))
    if np.isfinite(freedom):
        normal /= np.sqrt(rng.chisquare(freedom, DRAWS // 2) / freedom)[:, None]
    return np.asarray(normal @ root.T, dtype=np.float64)


def widths(
    estimate: Estimate,
    classes: Sequence[Sequence[int]],
    confidence: float,
    seed: int,
    test: OtherTestRows | None = None,
) -> Floats:
    """Widths float64[n], in points of the pool, of the shares' intervals for what an estimate and ``test`` doubt."""
    share = intervals(estimate, classes, confidence, confidence, seed, test).share
    return np.asarray(100.0 * (share[:, 1] - share[:, 0]), dtype=np.float64)


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
