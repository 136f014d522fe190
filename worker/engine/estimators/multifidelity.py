"""The default estimator: cheap worths everywhere, a few audited retrainings, and the difference corrected.

phi is linear in the game, so phi(v) = phi(surrogates' model) + phi(residual). The model and the residual are one
Gaussian process over coalitions (posterior.py) whose mean bends the surrogates' worths towards the audited ones, and
whose shrinkage is learned, so few audits cannot overfit. Audits come in antithetic pairs (S, N minus S), because
values depend on odd differences only, small coalitions first, because worths differ most there. Needs worths, buys
them only in ``multifidelity``; the valuation loop buys its own and calls ``corrected``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engine.coalitions import Floats, canonical, key, pair_stream, pairs_among, sizes_of
from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.estimators.exact import exact
from worker.engine.estimators.grid import (
    ENUMERATE_UP_TO,
    Grid,
    collapse,
    full_grid,
    grid_size,
    outer_and_pairs,
    with_ends,
)
from worker.engine.estimators.posterior import CoalitionProcess, Posterior
from worker.engine.estimators.regression import regression_covariance, regression_operator
from worker.engine.game import Coalitions, Game, Worths


@dataclass(frozen=True)
class Corrected:
    """An estimate with the posterior it came from."""

    estimate: Estimate
    posterior: Posterior


class Corrector:
    """Surrogates' worths on a grid, ready to be corrected by any number of audited worths.

    ``surrogates`` float64[M, L], columns in the order of the grid's rows; L may be 0.
    """

    def __init__(self, grid: Grid, surrogates: Floats, classes: Sequence[Sequence[int]]) -> None:
        self.grid = grid
        self._classes = classes
        self._process = CoalitionProcess(grid, surrogates)
        self._row = {key(row): index for index, row in enumerate(grid.coalitions)}

    def rows(self, coalitions: Coalitions) -> NDArray[np.int64]:
        """Grid rows int64[m] of coalitions bool[m, n]; KeyError for one outside the grid."""
        return np.array([self._row[key(c)] for c in canonical(coalitions, self._classes)], dtype=np.int64)

    def corrected(self, audited: Coalitions, worths: Worths, noise: float = 0.0) -> Corrected:
        """Values from audited worths float64[m] of coalitions bool[m, n], the empty and the full one among them.

        ``noise`` is the variance of a retrained worth over seeds; the two anchors are taken as given, so that values
        sum to v(N) - v(empty) exactly.
        """
        rows = self.rows(audited)
        rows, first = np.unique(rows, return_index=True)
        size = sizes_of(self.grid.coalitions[rows])
        inner = (size > 0) & (size < self.grid.n_players)
        posterior = self._process.fit(rows, worths[first], np.where(inner, noise, 0.0))
        pairs = max(1, int(inner.sum()) // 2)
        covariance = posterior.covariance * calibration(posterior, inner, self.grid.n_players, pairs)
        if self.grid.sampled:
            # The grid itself is a sample: the map to values errs too, by what the expected worths say.
            covariance = covariance + regression_covariance(self.grid.drawn, posterior.worths[self.grid.row_of])
        if len(rows) == len(self.grid.coalitions) and not self.grid.sampled and noise == 0.0:
            covariance = np.zeros_like(covariance)
        estimate = Estimate(posterior.values, covariance, len(rows), freedom=float(max(4, pairs - 1)))
        return Corrected(estimate, posterior)


def sampled_grid(pairs: Coalitions, classes: Sequence[Sequence[int]]) -> Grid:
    """A grid of the empty coalition, pairs bool[2p, n] (each row next to its complement), and the full coalition."""
    return collapse(with_ends(pairs), regression_operator, classes, sampled=True)


def calibration(posterior: Posterior, inner: NDArray[np.bool_], n: int, pairs: int) -> float:
    """The factor, at least 1, by which the posterior's variance is widened.

    Two corrections. What leave-one-out residuals say is missing; and 1 + 4 n / pairs, because the kernels' amounts were
    learned from the same few pairs: on tables of retrained digits games (10 players, 13 tables) the mean squared
    z-score of the values was 4.0, 4.7, 3.2, 2.4 and 1.8 at 10, 14, 20, 29 and 59 pairs without it. It fades as pairs
    are added, and says again what regressions on pairs teach: under 4 n of them, do not trust the model's own word.
    """
    residuals = posterior.residuals[inner]
    missing = max(1.0, float((residuals**2).mean())) if len(residuals) else 1.0
    return missing * (1.0 + 4.0 * n / pairs)


def audit_pairs(n: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Antithetic pairs bool[2, n] in the order in which they are worth retraining: sizes k in proportion to 1 / k."""
    size = np.arange(n // 2 + 1, dtype=np.float64)
    return pair_stream(n, rng, np.concatenate([[0.0], 1.0 / size[1:]]))


def anchors(n: int) -> Coalitions:
    """The empty and the full coalition, bool[2, n]."""
    return np.array([[False] * n, [True] * n])


def halves(audited: Coalitions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of two halves of the audited pairs, in turns by order of purchase; both hold the anchors."""
    size = sizes_of(audited)
    ends = [int(p) for p in np.flatnonzero((size == 0) | (size == audited.shape[1]))]
    first, second = pairs_among(audited)
    inner = [(a, b) for a, b in zip(first, second, strict=True) if a not in ends]
    left = [p for pair in inner[0::2] for p in pair]
    right = [p for pair in inner[1::2] for p in pair]
    return np.array(ends + left, dtype=np.int64), np.array(ends + right, dtype=np.int64)


def multifidelity(game: Game, budget: int, rng: np.random.Generator, surrogates: Sequence[Game] = ()) -> Estimate:
    """Values of ``game`` from ``budget`` of its worths and the surrogates' worths on the whole grid."""
    n = game.n_players
    if n <= ENUMERATE_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, 6, "multifidelity")
    memo = remembered(game)
    stream = audit_pairs(n, rng)
    chosen = [anchors(n)]
    while 2 * len(chosen) + 2 <= budget:
        pair = next(stream, None)
        if pair is None:
            break
        chosen.append(pair)
    audited = np.concatenate(chosen)
    no_copies: list[list[int]] = []
    if n <= ENUMERATE_UP_TO:
        grid = full_grid(n, no_copies)
    else:
        size = max(grid_size(n), len(audited))
        grid = sampled_grid(outer_and_pairs(n, size, rng, audited[2:]), no_copies)
    table = (
        np.stack([s.worth(grid.coalitions) for s in surrogates], axis=1)
        if surrogates
        else np.zeros((len(grid.coalitions), 0))
    )
    result = Corrector(grid, table, no_copies).corrected(audited, memo.worth(audited)).estimate
    return Estimate(
        result.values,
        result.covariance,
        memo.evaluations,
        result.freedom,
        (TracePoint(memo.evaluations, result.values),),
    )
