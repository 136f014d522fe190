"""The default estimator: cheap worths everywhere, a few audited retrainings, and the difference corrected.

phi is linear in the game, so phi(v) = phi(surrogates' model) + phi(residual). The model and the residual are one
Gaussian process over coalitions (posterior.py) whose mean bends the surrogates' worths towards the audited ones, and
whose shrinkage is learned, so few audits cannot overfit. Which coalitions are audited is design.py's choice. Needs
worths, buys them only in ``multifidelity``; the valuation loop buys its own and calls ``corrected``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.orders.estimators import ENUMERATE_UP_TO, MULTIFIDELITY
from worker.engine.estimators.design import audit_design
from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.estimators.exact import exact
from worker.engine.estimators.grid import (
    Grid,
)
from worker.engine.estimators.posterior import CoalitionProcess, Posterior
from worker.engine.estimators.regression import regression_covariance
from worker.engine.games.coalitions import Floats, canonical, keys, sizes_of
from worker.engine.games.game import Coalitions, Game, Worths


@dataclass(frozen=True)
class Corrected:
    """An estimate with the posterior it came from, and the coalitions bool[m, n] that were observed for it; of its
    covariance ``of_grid`` float64[n, n] is what a grid that is a sample leaves open."""

    estimate: Estimate
    posterior: Posterior
    observed: Coalitions
    of_grid: Floats


class Corrector:
    """Surrogates' worths on a grid, ready to be corrected by any number of audited worths.

    ``surrogates`` float64[M, L], columns in the order of the grid's rows; L may be 0.
    """

    def __init__(self, grid: Grid, surrogates: Floats, classes: Sequence[Sequence[int]]) -> None:
        self.grid = grid
        self._classes = classes
        self._process = CoalitionProcess(grid, surrogates)
        self._row = {each: index for index, each in enumerate(keys(grid.coalitions))}

    def rows(self, coalitions: Coalitions) -> NDArray[np.int64]:
        """Grid rows int64[m] of coalitions bool[m, n]; KeyError for one outside the grid."""
        return np.array([self._row[each] for each in keys(canonical(coalitions, self._classes))], dtype=np.int64)

    def corrected(self, audited: Coalitions, worths: Worths, noise: float = 0.0, *, quick: bool = False) -> Corrected:
        """Values from audited worths float64[m] of coalitions bool[m, n], the empty and the full one among them.

        ``noise`` is the variance of a retrained worth over seeds. It widens what the audited worths say about values
        and explains none of them away: a fit that may call residuals noise takes a surrogate's own errors for it
        where the two are alike, and is then sure of values that are wrong (docs/method.md). What is not audited varies
        by the kernels ``own``, learned from residuals that have the noise in them. The two anchors are taken as
        given, so that values sum to v(N) - v(empty) exactly. ``quick`` is for comparing estimates: its covariance
        leaves out what the worths do not say of the kernels' amounts.
        """
        rows = self.rows(audited)
        rows, first = np.unique(rows, return_index=True)
        size = sizes_of(self.grid.coalitions[rows])
        inner = (size > 0) & (size < self.grid.n_players)
        posterior = self._process.fit(rows, worths[first], quick=quick)
        observed = max(1, int(inner.sum()))
        covariance = posterior.covariance * misfit(posterior, inner)
        of_grid = np.zeros_like(covariance)
        if self.grid.sampled:
            # The grid itself is a sample: the map to values errs too, by what the expected worths say.
            of_grid = regression_covariance(self.grid.drawn, posterior.worths[self.grid.row_of])
            covariance = covariance + of_grid
        if len(rows) == len(self.grid.coalitions) and not self.grid.sampled:
            covariance = np.zeros_like(covariance)
        weights = self.grid.operator[:, rows[inner]]
        seeds = noise * (weights @ weights.T)
        estimate = Estimate(
            posterior.values,
            covariance + seeds,
            len(rows),
            freedom=float(max(4, observed // 2 - 1)),
            seeds=seeds if noise else None,
        )
        return Corrected(estimate, posterior, self.grid.coalitions[rows], of_grid)

    def expected(
        self, corrected: Corrected, audited: Coalitions, noise: float = 0.0, *, learn: bool = True
    ) -> Estimate:
        """What ``corrected`` is expected to become once coalitions bool[m, n] are audited: the same values, with the
        covariance that follows as long as the kernels' amounts stay as they were found. What the worths leave open of
        the amounts falls with their number; not where it does not ``learn``, as in results from before."""
        rows = np.unique(self.rows(audited))
        size = sizes_of(self.grid.coalitions[rows])
        inner = (size > 0) & (size < self.grid.n_players)
        before = sizes_of(corrected.observed)
        known = max(1, len(before) - 2) if learn else len(self.grid.coalitions)
        now, then = (
            self._process.expected_covariance(each, corrected.posterior, known)
            for each in (self.rows(corrected.observed), rows)
        )
        wider = misfit(corrected.posterior, (before > 0) & (before < self.grid.n_players))
        less = known / max(known, int(inner.sum()))
        amounts = (corrected.posterior.covariance - now) * less
        covariance = wider * (then + amounts * float(np.trace(then) / max(np.trace(now), 1e-300)))
        if len(rows) == len(self.grid.coalitions):
            covariance = np.zeros_like(covariance)
        weights = self.grid.operator[:, rows[inner]]
        seeds = noise * (weights @ weights.T)
        freedom = float(max(4, int(inner.sum()) // 2 - 1))
        return replace(
            corrected.estimate,
            covariance=covariance + seeds,
            evaluations=len(rows),
            freedom=freedom,
            seeds=seeds if noise else None,
        )

    def quick_values(self, audited: Coalitions, worths: Worths) -> Floats:
        """The values float64[n] that ``corrected`` finds where it is ``quick``, up to rounding, for many worths."""
        rows, first = np.unique(self.rows(audited), return_index=True)
        return self._process.quick_values(rows, worths[first])


def misfit(posterior: Posterior, inner: NDArray[np.bool_]) -> float:
    """The factor, at least 1, by which the posterior's variance is widened: the mean square of the standardised
    leave-one-out residuals, where the process is surer of the audited worths than they bear out."""
    residuals = posterior.residuals[inner]
    return max(1.0, float((residuals**2).mean())) if len(residuals) else 1.0


def anchors(n: int) -> Coalitions:
    """The empty and the full coalition, bool[2, n]."""
    return np.array([[False] * n, [True] * n])


def halves(audited: Coalitions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of two halves of the audited coalitions, two by two in turns by order of purchase, so that pairs stay
    together; both hold the two ends."""
    size = sizes_of(audited)
    ends = np.flatnonzero((size == 0) | (size == audited.shape[1]))
    inner = np.setdiff1d(np.arange(len(audited)), ends)
    first = np.arange(len(inner)) % 4 < 2
    return np.concatenate([ends, inner[first]]), np.concatenate([ends, inner[~first]])


def multifidelity(game: Game, budget: int, rng: np.random.Generator, surrogates: Sequence[Game] = ()) -> Estimate:
    """Values of ``game`` from ``budget`` of its worths and the surrogates' worths on the whole grid."""
    n = game.n_players
    if n <= ENUMERATE_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, MULTIFIDELITY, n)
    memo = remembered(game)
    no_copies: list[list[int]] = []
    grid, plan = audit_design(np.ones(n), no_copies, budget - 2, rng)
    audited = np.concatenate([anchors(n), plan])
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
