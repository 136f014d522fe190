"""Coalitions as data: canonical forms, sizes, Shapley weights, and streams of antithetic pairs.

Everything here is a pure function of bool matrices and a seeded generator. Nothing here evaluates a worth. The streams
have the property that resuming rests on: the first k coalitions of a stream do not depend on how many are taken, so a
longer run repeats none of a shorter one's payments and then goes on with new coalitions.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.game import Coalitions, Player

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def key(coalition: NDArray[np.bool_]) -> bytes:
    """The identity of a coalition bool[n]: its packed bits, independent of any order of members."""
    return np.packbits(coalition).tobytes()


def keys(coalitions: Coalitions) -> list[bytes]:
    """``key`` of each coalition of bool[m, n]."""
    return [row.tobytes() for row in np.packbits(coalitions, axis=1)]


def sizes_of(coalitions: Coalitions) -> Ints:
    """Number of members int64[m] of coalitions bool[m, n]."""
    return np.asarray(coalitions.sum(axis=1), dtype=np.int64)


def classes_of(players: Sequence[Player]) -> list[list[int]]:
    """Positions of players grouped by equal digest, in order of first appearance; exact copies share a group."""
    groups: dict[str, list[int]] = {}
    for position, player in enumerate(players):
        groups.setdefault(player.digest, []).append(position)
    return list(groups.values())


def canonical(coalitions: Coalitions, classes: Sequence[Sequence[int]]) -> Coalitions:
    """Each coalition's representative among those of equal content: of copies, the first ones are members.

    Which of several exact copies is kept cannot matter to a worth, so such coalitions are one, paid for once.
    """
    result = np.array(coalitions, dtype=bool)
    for members in classes:
        if len(members) > 1:
            count = coalitions[:, members].sum(axis=1)
            result[:, members] = np.arange(len(members))[None, :] < count[:, None]
    return result


def unique(coalitions: Coalitions) -> Coalitions:
    """The rows without repetition, in order of first appearance."""
    seen: dict[bytes, int] = {}
    for position, row in enumerate(coalitions):
        seen.setdefault(key(row), position)
    return coalitions[list(seen.values())]


def mean_images(coalitions: Coalitions, classes: Sequence[Sequence[int]]) -> Floats:
    """Membership float64[m, n] averaged over each coalition's images under swaps of copies."""
    result = coalitions.astype(np.float64)
    for members in classes:
        if len(members) > 1:
            result[:, members] = coalitions[:, members].mean(axis=1, keepdims=True)
    return result


def symmetrise(values: Floats, classes: Sequence[Sequence[int]]) -> Floats:
    """Values float64[..., n] with each class of copies given its mean, so that copies agree to the last bit."""
    result = np.array(values, dtype=np.float64)
    for members in classes:
        if len(members) > 1:
            result[..., members] = np.asarray(values)[..., members].mean(axis=-1, keepdims=True)
    return result


def symmetrise_covariance(covariance: Floats, classes: Sequence[Sequence[int]]) -> Floats:
    """The covariance float64[n, n] of ``symmetrise(values)``, given that of ``values``."""
    half = symmetrise(covariance, classes)
    return symmetrise(half.T, classes).T


def shapley_weights(n: int) -> tuple[Floats, Floats]:
    """Weights by coalition size 0..n of a worth in phi_i: (where i is a member, where i is not).

    phi_i = sum over S with i of plus[|S|] v(S) - sum over S without i of minus[|S|] v(S).
    """
    plus, minus = np.zeros(n + 1), np.zeros(n + 1)
    for size in range(n + 1):
        if size > 0:
            plus[size] = 1.0 / (n * math.comb(n - 1, size - 1))
        if size < n:
            minus[size] = 1.0 / (n * math.comb(n - 1, size))
    return plus, minus


def kernel_by_size(n: int) -> Floats:
    """Total Shapley-kernel weight float64[n + 1] of all coalitions of each size; 0 for sizes 0 and n."""
    size = np.arange(n + 1, dtype=np.float64)
    result = np.zeros(n + 1)
    result[1:n] = (n - 1) / (size[1:n] * (n - size[1:n]))
    return result


def exact_operator(coalitions: Coalitions) -> Floats:
    """The linear map float64[n, m] from the worths of ALL coalitions bool[2^n, n] to Shapley values."""
    n = coalitions.shape[1]
    plus, minus = shapley_weights(n)
    size = sizes_of(coalitions)
    return np.asarray(np.where(coalitions, plus[size][:, None], -minus[size][:, None]).T, dtype=np.float64)


def random_coalition(n: int, size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A uniformly drawn coalition bool[n] of the given size."""
    row = np.zeros(n, dtype=bool)
    row[rng.permutation(n)[:size]] = True
    return row


def pair_stream(n: int, rng: np.random.Generator, size_weights: Floats | None = None) -> Iterator[NDArray[np.bool_]]:
    """Antithetic pairs bool[2, n] = (S, N minus S), without replacement, until none are left.

    Sizes 1..n/2 are served in proportion to ``size_weights`` (float64[n // 2 + 1], index = size; default: alike, the
    leverage law of arXiv 2410.01917), by deficit so that every prefix is balanced; within a size the draw is uniform.
    """
    half = n // 2
    weights = np.ones(half + 1) if size_weights is None else np.array(size_weights, dtype=np.float64)
    weights[0] = 0.0
    left = [0] + [math.comb(n, k) // (2 if 2 * k == n else 1) for k in range(1, half + 1)]
    served = np.zeros(half + 1)
    queues: dict[int, Iterator[NDArray[np.bool_]]] = {}
    while True:
        open_sizes = [k for k in range(1, half + 1) if left[k] > 0 and weights[k] > 0]
        if not open_sizes:
            return
        # The size that is furthest behind its due; a tie goes to the smaller size, so that the order is fixed.
        size = min(open_sizes, key=lambda k: ((served[k] + 1) / weights[k], k))
        if size not in queues:
            queues[size] = _without_replacement(n, size, rng)
        row = next(queues[size])
        served[size] += 1
        left[size] -= 1
        yield np.stack([row, ~row])


def _without_replacement(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Uniform coalitions of one size, each once; for size n/2 each complementary pair once (the one with player 0)."""
    total = math.comb(n, size)
    if total <= 4096:
        members = [m for m in combinations(range(n), size) if 2 * size != n or m[0] == 0]
        for position in rng.permutation(len(members)):
            row = np.zeros(n, dtype=bool)
            row[list(members[position])] = True
            yield row
        return
    seen: set[bytes] = set()
    while True:
        row = random_coalition(n, size, rng)
        if 2 * size == n and not row[0]:
            row = ~row
        if key(row) not in seen:
            seen.add(key(row))
            yield row
