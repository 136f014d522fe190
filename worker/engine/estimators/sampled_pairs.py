"""Pairwise Shapley interactions from the worths of a sample of coalitions: a linear map, as that of all of them is.

The index of a pair is the mean over the number of others, 0 to n - 2, of what a coalition of so many gains by both less
what it gains by each (Grabisch and Roubens 1999). A sample has few coalitions of each kind, so most of a worth is
explained first: by its size, by members and by pairs of members, whose effects fall with the size (x, x / t, x / t^2;
xx, xx / t), fitted to the drawn coalitions, every size weighing alike. The index of such a function is known in closed
form. Of what is left, the mean over the drawn coalitions of each size and pattern of the two (in, out) stands for that
of all: strata as in SVARM-IQ (Kolpaczki et al. 2024). The map is exact for games that the functions make up, and
converges to the index for every other game as coalitions are drawn.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.coalitions import Floats, sizes_of
from worker.engine.games.game import Coalitions

_RIDGE = 1e-4
_LEAST = 0.05
_PATTERNS = 4  # of two players: neither, the second, the first, both


@dataclass(frozen=True, eq=False)
class SampledPairs:
    """Of drawn coalitions bool[D, n], each next to its complement between the empty and the full one: the map
    ``operator`` float64[pairs, D] from their worths to interactions, pairs in the order of ``combinations``; the
    ``functions`` float64[D, q] that are fitted, and their ``fit`` float64[q, D]."""

    drawn: Coalitions
    operator: Floats
    functions: Floats
    fit: Floats

    def covariance(self, worths: Floats) -> Floats:
        """What other drawn coalitions would change, float64[pairs, pairs], by how far each worth float64[D] is from
        what the functions fitted to all others expect, complements together. A size of which all coalitions are
        there changes nothing."""
        n, size = self.drawn.shape[1], sizes_of(self.drawn)
        leverage = np.einsum("dq,qd->d", self.functions, self.fit)
        left = (worths - self.functions @ (self.fit @ worths)) / np.clip(1.0 - leverage, _LEAST, None)
        there = np.bincount(size, minlength=n + 1)
        missing = np.array([1.0 - min(1.0, there[each] / math.comb(n, int(each))) for each in size])
        inner = (self.operator * (left * np.sqrt(missing)))[:, 1:-1]
        together = inner[:, ::2] + inner[:, 1::2]
        return np.asarray(together @ together.T, dtype=np.float64)


def sampled_pairs(drawn: Coalitions) -> SampledPairs:
    """The map of drawn coalitions bool[D, n], n of 4 and more."""
    functions, known = _functions(drawn)
    scale = functions.std(axis=0) + 1e-12
    functions, known = functions / scale, known / scale
    size = sizes_of(drawn)
    weight = 1.0 / np.bincount(size)[size]
    weight *= len(drawn) / weight.sum()
    gram = functions.T @ (weight[:, None] * functions)
    gram[np.diag_indices(len(gram))] += _RIDGE * len(drawn)
    fit = np.linalg.solve(gram, functions.T * weight)
    strata = _strata(drawn)
    operator = known @ fit + strata - (strata @ functions) @ fit
    return SampledPairs(drawn, operator, functions, fit)


def _functions(drawn: Coalitions) -> tuple[Floats, Floats]:
    """Values float64[D, q] of the functions at drawn coalitions, and each one's index float64[pairs, q]."""
    n, size = drawn.shape[1], sizes_of(drawn)
    member = drawn.astype(np.float64)
    first, second = np.array(list(combinations(range(n), 2))).T
    pairs = len(first)
    both = member[:, first] * member[:, second]
    falling = [1.0 / np.maximum(np.arange(n + 1), 1) ** power for power in range(3)]
    of_player = (first[:, None] == np.arange(n)) | (second[:, None] == np.arange(n))
    shared = sum((a[:, None] == b[None, :]).astype(np.int64) for a in (first, second) for b in (first, second))
    values = [np.eye(n + 1)[size]]
    index = [np.tile([_index(n, of_size)[0] for of_size in np.eye(n + 1)], (pairs, 1))]
    for fall in falling:
        _, without, within, *_ = _index(n, fall)
        values.append(member * fall[size][:, None])
        index.append(np.where(of_player, within, without))
    for fall in falling[:2]:
        values.append(both * fall[size][:, None])
        index.append(np.array(_index(n, fall)[3:])[shared])
    return np.hstack(values), np.hstack(index)


def _index(n: int, fall: Floats) -> tuple[float, float, float, float, float, float]:
    """A pair's index of the functions ``fall`` [n + 1] of the size alone; times a member who is not of the pair, and
    who is; times two members of whom none, one and both are of the pair."""
    others, among = np.arange(n - 1), float(n - 2)
    one, two = others / among, others * (others - 1) / max(among * (among - 1), 1.0)
    totals = np.zeros(6)
    for a, b, sign in ((1, 1, 1.0), (1, 0, -1.0), (0, 1, -1.0), (0, 0, 1.0)):
        at = sign * fall[others + a + b] / (n - 1)
        kinds = (np.ones(n - 1), one, np.full(n - 1, a), two, a * one, np.full(n - 1, a * b))
        totals += [float((at * kind).sum()) for kind in kinds]
    alone, without, within, none, single, both = totals.tolist()
    return alone, without, within, none, single, both


def _strata(drawn: Coalitions) -> Floats:
    """The map float64[pairs, D] that takes, for each pair, the mean of each size and pattern for the mean of all."""
    n, size = drawn.shape[1], sizes_of(drawn)
    rows = []
    for first, second in combinations(range(n), 2):
        pattern: NDArray[np.int64] = 2 * drawn[:, first].astype(np.int64) + drawn[:, second]
        inside = drawn[:, first].astype(np.int64) + drawn[:, second]
        stratum = pattern * (n - 1) + size - inside
        count = np.bincount(stratum, minlength=_PATTERNS * (n - 1))[stratum]
        rows.append(np.where(inside == 1, -1.0, 1.0) / ((n - 1) * count))
    return np.stack(rows)
