"""The coalitions on which cheap worths are bought: all of them up to 12 players, O(n log n) of them above.

A sampled grid holds the empty and the full coalition, all of sizes 1 and n - 1, and antithetic pairs without
replacement. Nothing here asks for a worth.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from contract.orders.estimators import ENUMERATE_UP_TO, MOST_COALITIONS
from worker.engine.games.coalitions import (
    Floats,
    Ints,
    canonical,
    exact_operator,
    key,
    keys,
    mean_images,
    pair_stream,
    unique,
)
from worker.engine.games.game import Coalitions, all_coalitions


@dataclass(frozen=True, eq=False)
class Grid:
    """The coalitions that stand for the whole game, and the linear map from their worths to values.

    ``coalitions`` bool[M, n]; ``operator`` float64[n, M]; ``images`` float64[M, n], membership averaged over exchanges
    of exact copies. Row 0 is the empty coalition. ``drawn`` bool[D, n] are the coalitions as drawn, ``row_of``
    int64[D] the grid row of each (fewer rows than draws where copies make coalitions alike); ``sampled`` where
    coalitions are missing, so that the map is itself an estimate. ``projections`` remembers what posterior.py projects.
    """

    coalitions: Coalitions
    operator: Floats
    images: Floats
    drawn: Coalitions
    row_of: Ints
    sampled: bool
    projections: dict[str, Floats] = field(default_factory=dict, repr=False)

    @property
    def n_players(self) -> int:
        return int(self.coalitions.shape[1])


def grid_size(n: int, limit: int | None = None) -> int:
    """Coalitions in a grid for n players: 2^n up to 12, else 16 n log2 n; at most 4096, and at most ``limit``."""
    size = 1 << n if n <= ENUMERATE_UP_TO else min(MOST_COALITIONS, math.ceil(16 * n * math.log2(n)))
    return size if limit is None else min(size, limit)


def full_grid(n: int, classes: Sequence[Sequence[int]]) -> Grid:
    """All 2^n coalitions, those that differ only by exchanging exact copies held once.

    The last ones are remembered with their ``projections``: a job plans its audit, and what more retrainings would
    bring, on the same grid.
    """
    return _full_grid(n, tuple(tuple(members) for members in classes))


@lru_cache(maxsize=2)
def _full_grid(n: int, classes: tuple[tuple[int, ...], ...]) -> Grid:
    return collapse(all_coalitions(n), exact_operator, [list(members) for members in classes], sampled=False)


def outer_and_pairs(n: int, budget: int, rng: np.random.Generator, first: Coalitions | None = None) -> Coalitions:
    """Coalitions bool[2p, n], each next to its complement: ``first`` bool[2q, n], all of sizes 1 and n - 1, then drawn
    pairs.

    With the empty and the full coalition they number at most ``budget``, unless ``first`` alone is more.
    """
    one = np.eye(n, dtype=bool)
    outer = np.stack([one, ~one], axis=1).reshape(-1, n) if n > 2 else np.stack([one[0], one[1]])
    begin = outer if first is None else np.concatenate([first, outer])
    rows: list[Coalitions] = []
    seen: set[bytes] = set()
    for pair in begin.reshape(-1, 2, n):
        if key(pair[0]) not in seen:
            rows.append(pair)
            seen |= {key(pair[0]), key(pair[1])}
    for pair in pair_stream(n, rng):
        if 2 * len(rows) + 4 > budget:
            break
        if key(pair[0]) not in seen:
            rows.append(pair)
    return np.concatenate(rows)


def pairs_only(n: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """Antithetic pairs bool[2p, n] that with the empty and the full coalition number at most ``budget``, sizes
    alike."""
    rows: list[Coalitions] = []
    for pair in pair_stream(n, rng):
        if 2 * len(rows) + 4 > budget:
            break
        rows.append(pair)
    return np.concatenate(rows) if rows else np.zeros((0, n), dtype=bool)


def with_ends(pairs: Coalitions) -> Coalitions:
    """The empty coalition, these, and the full one."""
    n = pairs.shape[1]
    return np.concatenate([np.zeros((1, n), dtype=bool), pairs, np.ones((1, n), dtype=bool)])


def collapse(
    drawn: Coalitions, operator: Callable[[Coalitions], Floats], classes: Sequence[Sequence[int]], *, sampled: bool
) -> Grid:
    """Merge coalitions of equal content: one row each, the columns of the operator added up and symmetrised."""
    contents = canonical(drawn, classes)
    rows = unique(contents)
    position = {each: index for index, each in enumerate(keys(rows))}
    row_of = np.array([position[each] for each in keys(contents)], dtype=np.int64)
    merged = np.zeros((drawn.shape[1], len(rows)))
    np.add.at(merged.T, row_of, operator(drawn).T)
    for members in classes:
        if len(members) > 1:
            merged[members] = merged[members].mean(axis=0)
    return Grid(rows, merged, mean_images(rows, classes), drawn, row_of, sampled)
