"""Which coalitions to retrain: those that tell most about the values, before any worth is known.

Up to 12 players, where all coalitions are at hand: every player alone first, because there unlearning errs most and a
value hears of it directly. Then a Gaussian process over coalitions says how uncertain the values would be after any set
of retrainings, and that does not depend on the worths to come (Krause, Singh & Guestrin 2008, "Near-optimal sensor
placements in Gaussian processes"): coalitions are chosen greedily, each by how much it lowers the summed variance of
the values. Where small coalitions are cheaper, or training is random, that is divided by the square root of their rows:
they cost less, and random trainings differ most where rows are few. The process is that of posterior.py without
surrogates, in fixed amounts.

Above, antithetic pairs (S, N minus S), small ones more often: on forty players the greedy choice looked at no
coalition of the middle sizes, and was wrong about them. Pairs to retrain and pairs of the grid are two streams, each
with a generator of its own, so that a larger budget takes more of both, and computes again what a smaller one did.

Nothing here asks for a worth, and the order depends on the players' rows and copies and the generator alone, so a
replay comes to the same.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contract.orders.estimators import ENUMERATE_UP_TO
from worker.engine.estimators.grid import (
    Grid,
    collapse,
    full_grid,
    grid_size,
    outer_and_pairs,
    with_ends,
)
from worker.engine.estimators.posterior import Component, components, project
from worker.engine.estimators.regression import regression_operator
from worker.engine.games.coalitions import Floats, Ints, canonical, key, pair_stream, sizes_of
from worker.engine.games.game import Coalitions

# Mean variances that the kernels ended with on retrained tables of digits and AG News games, rounded.
_AMOUNTS = {
    "membership": 0.02,
    "membership/size": 0.4,
    "membership by size": 0.002,
    "membership by size/size": 0.004,
    "near/size": 0.03,
    "nearer/size": 0.005,
    "own/size": 0.004,
    "own/size^2": 0.004,
}
_CONSIDERED = 0.5  # of the coalitions at each choice: two jobs' audits differ, and errors cannot hide in one order
_DIGITS = 6  # to which gains are compared: rounding of other machines must not turn a tie


def audit_design(
    rows: Floats,
    classes: Sequence[Sequence[int]],
    count: int,
    rng: np.random.Generator,
    limit: int | None = None,
    *,
    nested: bool = True,
) -> tuple[Grid, Coalitions]:
    """The grid of cheap worths and the coalitions bool[<= count, n] to retrain, in order, distinct in content, the
    empty and the full one left out.

    ``rows`` float64[n] are the players' numbers of rows, or zeros where rows do not matter; ``limit`` bounds the grid
    (None: as large as it wants). A grid that no limit bounds has its own pairs whatever the ``count``, beside those to
    retrain; ``nested`` False is how results from before drew.
    """
    n = len(rows)
    if n <= ENUMERATE_UP_TO and (limit is None or limit >= 1 << n):
        grid = full_grid(n, classes)
        return grid, grid.coalitions[_greedy_order(grid, rows, count, rng)]
    drawn, chosen = sampled_design(n, classes, count, rng, limit, nested=nested)
    return collapse(with_ends(drawn), regression_operator, classes, sampled=True), chosen


def sampled_design(
    n: int,
    classes: Sequence[Sequence[int]],
    count: int,
    rng: np.random.Generator,
    limit: int | None = None,
    *,
    nested: bool = True,
) -> tuple[Coalitions, Coalitions]:
    """The same where coalitions are sampled: those of the grid bool[2p, n] as they are drawn, but for its two ends, and
    those to retrain. A larger ``count`` holds those of a smaller one, where a ``limit`` grows as much."""
    own = rng.spawn(1)[0] if nested else rng
    pairs, chosen = _pairs(n, classes, count, rng)
    if nested and (limit is None or limit >= grid_size(n) + len(pairs)):
        return _joined(pairs, outer_and_pairs(n, grid_size(n), own)), chosen
    size = max(len(pairs) + 2, grid_size(n, limit))
    return outer_and_pairs(n, size, own, pairs), chosen


def _joined(pairs: Coalitions, others: Coalitions) -> Coalitions:
    """Antithetic pairs bool[2p, n] and further ones that are not among them."""
    known = {frozenset((key(left), key(right))) for left, right in pairs.reshape(-1, 2, pairs.shape[1])}
    further = [p for p in others.reshape(-1, 2, pairs.shape[1]) if frozenset((key(p[0]), key(p[1]))) not in known]
    return np.concatenate([pairs, *further])


def _pairs(
    n: int, classes: Sequence[Sequence[int]], count: int, rng: np.random.Generator
) -> tuple[Coalitions, Coalitions]:
    """Antithetic pairs bool[2p, n], sizes k in proportion to 1 / k, and their distinct contents bool[<= count, n]."""
    size = np.arange(n // 2 + 1, dtype=np.float64)
    pairs: list[Coalitions] = []
    chosen: dict[bytes, Coalitions] = {}
    for pair in pair_stream(n, rng, np.concatenate([[0.0], 1.0 / size[1:]])):
        fresh = {key(row): row for row in canonical(pair, classes) if key(row) not in chosen}
        if len(chosen) + len(fresh) > count:
            break
        if fresh:
            chosen |= fresh
            pairs.append(pair)
    if not pairs:
        return np.zeros((0, n), dtype=bool), np.zeros((0, n), dtype=bool)
    return np.concatenate(pairs), np.stack(list(chosen.values()))


def _greedy_order(grid: Grid, rows: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Grid rows int64[<= count], players alone first; the two ends are taken as known and are not among them."""
    sizes = sizes_of(grid.coalitions)
    ends = np.flatnonzero((sizes == 0) | (sizes == grid.n_players))
    count = min(count, len(sizes) - len(ends))
    price = np.sqrt(np.maximum(grid.coalitions @ rows, 1.0))
    greedy = _Greedy(grid, len(ends) + count)
    for row in ends:
        greedy.take(int(row))
    alone = rng.permutation(np.flatnonzero(sizes == 1))[:count]
    chosen: list[int] = [int(row) for row in alone]
    for each in chosen:
        greedy.take(each)
    while len(chosen) < count:
        gains = greedy.gains() / price
        gains[greedy.taken] = -1.0
        order = rng.permutation(len(gains))
        # Half of what is left, and never nothing.
        open_rows = order[gains[order] >= 0.0]
        considered = open_rows[: max(1, round(_CONSIDERED * len(open_rows)))]
        best = gains[considered]
        largest = float(best.max())
        ranked = np.round(best / largest, _DIGITS) if largest > 0 else best
        chosen.append(int(considered[int(np.argmax(ranked))]))
        greedy.take(chosen[-1])
    return np.array(chosen, dtype=np.int64)


class _Greedy:
    """The values' covariance with every worth, B = W K float64[n, M], and each worth's variance float64[M], as they
    are after the worths taken so far (a pivoted Cholesky factorisation, one column for each)."""

    def __init__(self, grid: Grid, most: int) -> None:
        self._kernels = [c for c in components(grid) if c.name in _AMOUNTS]
        mean = [max(float(c.diagonal.mean()), 1e-12) for c in self._kernels]
        self._amounts = [_AMOUNTS[c.name] / m for c, m in zip(self._kernels, mean, strict=True)]
        self._operator = grid.operator
        self._everything = np.arange(len(grid.coalitions), dtype=np.int64)
        self._factor = np.zeros((len(self._everything), most))
        self.taken: list[int] = []
        weighted: list[tuple[float, Component]] = list(zip(self._amounts, self._kernels, strict=True))
        self._variance: Floats = np.zeros(len(self._everything))
        self._covariance: Floats = np.zeros(grid.operator.shape)
        for amount, component in weighted:
            self._variance += amount * component.diagonal
            self._covariance += amount * project(grid, component)

    def gains(self) -> Floats:
        """By how much each coalition's worth, if known, would lower the sum of the values' variances, float64[M]."""
        return np.asarray((self._covariance**2).sum(axis=0) / np.maximum(self._variance, 1e-12), dtype=np.float64)

    def take(self, row: int) -> None:
        """Condition on one more worth."""
        done = len(self.taken)
        column: NDArray[np.float64] = np.zeros(len(self._everything))
        only = np.array([row], dtype=np.int64)
        for amount, component in zip(self._amounts, self._kernels, strict=True):
            column += amount * component.block(self._everything, only)[:, 0]
        column -= self._factor[:, :done] @ self._factor[row, :done]
        column /= np.sqrt(max(self._variance[row], 1e-12))
        self._factor[:, done] = column
        self._variance = np.maximum(self._variance - column**2, 0.0)
        self._covariance -= np.outer(self._operator @ column, column)
        self.taken.append(row)
