"""The coalitions on which cheap worths are bought: all of them up to 12 players, O(n log n) antithetic pairs above.

For a sampled grid the map to values is the paired, size-stratified least-squares estimator (Leverage SHAP, arXiv
2410.01917): linear in the worths, efficient, exact once every coalition is in the grid.
"""

import math
from collections.abc import Sequence

import numpy as np

from worker.engine.coalitions import (
    Floats,
    canonical,
    exact_operator,
    kernel_by_size,
    key,
    mean_images,
    pair_stream,
    pairs_among,
    sizes_of,
    unique,
)
from worker.engine.estimators.posterior import Grid
from worker.engine.game import Coalitions, all_coalitions

ENUMERATE_UP_TO = 12
MOST_COALITIONS = 4096


def grid_size(n: int, limit: int | None = None) -> int:
    """Coalitions in a grid for n players: 2^n up to 12, else 16 n log2 n; at most 4096, and at most ``limit``."""
    size = 1 << n if n <= ENUMERATE_UP_TO else min(MOST_COALITIONS, math.ceil(16 * n * math.log2(n)))
    return size if limit is None else min(size, limit)


def full_grid(n: int, classes: Sequence[Sequence[int]]) -> Grid:
    """All 2^n coalitions, those that differ only by exchanging exact copies held once."""
    coalitions = all_coalitions(n)
    return _collapse(coalitions, exact_operator(coalitions), classes, sampled=False)


def sampled_grid(pairs: Coalitions, classes: Sequence[Sequence[int]]) -> Grid:
    """A grid of the empty coalition, pairs bool[2p, n] (each row next to its complement), and the full one."""
    n = pairs.shape[1]
    coalitions = np.concatenate([np.zeros((1, n), dtype=bool), pairs, np.ones((1, n), dtype=bool)])
    return _collapse(coalitions, paired_operator(coalitions), classes, sampled=True)


def grid_pairs(n: int, size: int, rng: np.random.Generator, first: Coalitions | None = None) -> Coalitions:
    """Pairs bool[2p, n] for a sampled grid of at most ``size`` rows, beginning with those of ``first`` bool[2q, n]."""
    rows: list[Coalitions] = [] if first is None else list(first.reshape(-1, 2, n))
    seen = {key(pair[0]) for pair in rows} | {key(pair[1]) for pair in rows}
    stream = pair_stream(n, rng)
    while 2 * len(rows) + 2 + 2 <= size:
        pair = next(stream, None)
        if pair is None:
            break
        if key(pair[0]) not in seen:
            rows.append(pair)
    return np.concatenate(rows) if rows else np.zeros((0, n), dtype=bool)


def paired_operator(coalitions: Coalitions) -> Floats:
    """The map float64[n, m] from worths of (empty, S_1, not S_1, ..., full) to values by weighted least squares.

    Fits odd(v)(S) = (v(S) - v(N minus S)) / 2 on membership - 1/2 under sum of values = v(N) - v(empty). Each size
    weighs as much as all coalitions of that size do in the Shapley kernel, however many of them were drawn.
    """
    n, pairs = coalitions.shape[1], (len(coalitions) - 2) // 2
    members = coalitions[1:-1:2].astype(np.float64) - 0.5
    size = sizes_of(coalitions[1:-1:2])
    folded = np.minimum(size, n - size)
    weight = (
        (kernel_by_size(n)[folded] / np.maximum(np.bincount(folded, minlength=n + 1), 1)[folded])
        if pairs
        else np.ones(0)
    )
    # Values = total / n + z with sum(z) = 0; z from an orthonormal basis of the efficient directions.
    basis = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    design = members @ basis
    solver = basis @ np.linalg.pinv(design * np.sqrt(weight)[:, None]) * np.sqrt(weight)[None, :]
    result = np.zeros((n, len(coalitions)))
    result[:, 1:-1:2], result[:, 2:-1:2] = solver / 2, -solver / 2
    level = 1.0 / n - solver @ members.sum(axis=1) / n
    result[:, -1] += level
    result[:, 0] -= level
    return result


def sampling_error(grid: Grid, worths: Floats) -> Floats:
    """Covariance float64[n, n] of the values for want of the coalitions outside a grid; zero for one of all 2^n."""
    n = grid.n_players
    if not grid.sampled:
        return np.zeros((n, n))
    return pair_sandwich(grid, worths)


def pair_sandwich(grid: Grid, worths: Floats) -> Floats:
    """Covariance float64[n, n] of a sampled grid's least-squares values, from worths float64[M] on the grid.

    The sandwich estimator with leverage-adjusted residuals (HC3), which is a jackknife over pairs in closed form.
    """
    n = grid.n_players
    size = sizes_of(grid.coalitions)
    first, second = pairs_among(grid.coalitions)
    use = [k for k, a in enumerate(first) if 0 < size[a] < n]
    one, other = np.array(first, dtype=np.int64)[use], np.array(second, dtype=np.int64)[use]
    members = grid.images[one] - 0.5
    solver = 2.0 * grid.operator[:, one]
    residual = (worths[one] - worths[other]) / 2 - members @ (grid.operator @ worths)
    influence = np.clip(np.einsum("pi,ip->p", members, solver), 0.0, 0.99)
    spread = solver * (residual / (1.0 - influence))
    return np.asarray(spread @ spread.T, dtype=np.float64)


def _collapse(coalitions: Coalitions, operator: Floats, classes: Sequence[Sequence[int]], sampled: bool) -> Grid:
    """Merge coalitions of equal content: one row each, the columns of the operator added up and symmetrised."""
    standing = canonical(coalitions, classes)
    rows = unique(standing)
    position = {key(row): index for index, row in enumerate(rows)}
    merged = np.zeros((coalitions.shape[1], len(rows)))
    np.add.at(merged.T, [position[key(row)] for row in standing], operator.T)
    for members in classes:
        if len(members) > 1:
            merged[members] = merged[members].mean(axis=0)
    return Grid(coalitions=rows, operator=merged, images=mean_images(rows, classes), sampled=sampled)
