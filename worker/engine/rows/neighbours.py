"""Values of rows by their neighbours, and what neighbours say of a row's label.

The Shapley values of all rows in the game of a K-nearest-neighbour model have a closed form (Jia et al. 2019,
arXiv 1908.08619): on one test unit, rows sorted by distance, the furthest has [hit] / N and each nearer one the next
one's plus ([its hit] - [the next one's hit]) / K times min(K, i) / i, its place being i. They are what rows are told
apart by where a model has no sums over rows (trees, estimators by name). Test units beyond a number are left out, by
their place, evenly.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.engine.games.coalitions import Floats, Ints

K = 5
VOTES = 10
MOST_UNITS = 256
# neighbours are looked for among at most so many rows, fewer where there are many rows to look for
MOST_REFERENCES, LEAST_REFERENCES, MOST_PAIRS = 4096, 1024, 1 << 30
_BLOCK = 1024


def neighbour_values(X: Tensor, y: Ints, units: Tensor, labels: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """Values and standard errors float64[N] of rows X [N, d] with classes y [N], on test units [T, d] with classes
    [T] and weights [T]."""
    chosen = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_UNITS)).astype(np.int64))
    share = weights[chosen] / weights[chosen].sum()
    count, mean, square = len(y), np.zeros(len(y)), np.zeros(len(y))
    place = np.arange(1, count)
    steps = np.minimum(K, place) / (K * place)
    rows = X.square().sum(dim=1)
    for unit, label, part in zip(units[chosen], labels[chosen], share, strict=True):
        order = torch.argsort(rows - 2.0 * (X @ unit), stable=True).cpu().numpy()
        hit = (y[order] == label).astype(np.float64)
        values = np.empty(count)
        values[-1] = hit[-1] * min(K, count) / (K * count)
        values[:-1] = values[-1] + np.cumsum(((hit[:-1] - hit[1:]) * steps)[::-1])[::-1]
        mean[order] += part * values
        square[order] += part * values**2
    spread = np.clip(square - mean**2, 0.0, None) * float((share**2).sum())
    return mean, np.sqrt(spread)


def votes(X: Tensor, y: Ints, classes: int) -> tuple[Ints, Floats, Floats]:
    """What the nearest other rows say: the class int64[N] most of them have, and which part float64[N] of them has it,
    and has the row's own.

    Neighbours are looked for among at most ``MOST_REFERENCES`` rows, evenly by place; a row is no neighbour of its own.
    """
    count = len(y)
    most = min(count, MOST_REFERENCES, max(LEAST_REFERENCES, MOST_PAIRS // count))
    chosen = np.unique(np.linspace(0, count - 1, most).astype(np.int64))
    near = min(VOTES, len(chosen) - 1)
    if near < 1:
        return y.copy(), np.ones(count), np.ones(count)
    place = np.full(count, -1)
    place[chosen] = np.arange(len(chosen))
    references, labels = X[torch.from_numpy(chosen).to(X.device)], torch.from_numpy(y[chosen])
    length = references.square().sum(dim=1)
    said, agree, own = np.empty(count, dtype=np.int64), np.empty(count), np.empty(count)
    for a in range(0, count, _BLOCK):
        block = slice(a, min(a + _BLOCK, count))
        distance = length - 2.0 * (X[block] @ references.T)
        self_at = place[block]
        here = np.flatnonzero(self_at >= 0)
        distance[torch.from_numpy(here), torch.from_numpy(self_at[here])] = torch.inf
        nearest = torch.topk(distance, near, dim=1, largest=False).indices.cpu()
        tally = torch.nn.functional.one_hot(labels[nearest], classes).sum(dim=1).double().numpy() / near
        mine = tally[np.arange(len(tally)), y[block]]
        said[block] = np.where(mine == tally.max(axis=1), y[block], tally.argmax(axis=1))
        agree[block], own[block] = tally.max(axis=1), mine
    return said, agree, own


def near_copies(X: NDArray[np.float32], owners: Sequence[int] | Ints, tolerance: float = 0.02) -> Ints:
    """For each row int64[N] an earlier row of the same owner that it is nearly equal to, or -1.

    Rows are put into cells along random directions, by two grids half a cell apart, and are compared within a cell: two
    rows are near copies where they are ``tolerance`` of the usual distance apart, or less.
    """
    flat = np.asarray(X, dtype=np.float32).reshape(len(X), -1)
    rng = np.random.default_rng(0)
    usual = float(np.sqrt(2.0 * flat.var(axis=0, dtype=np.float64).sum())) or 1.0
    directions = rng.standard_normal((flat.shape[1], 4)).astype(np.float32)
    along = (flat @ directions) / np.float32(usual)
    owner = np.asarray(owners, dtype=np.int64)
    copy_of = np.full(len(flat), -1, dtype=np.int64)
    for shift in (0.0, 0.5):
        cells = np.floor(along / (8.0 * tolerance) + shift).astype(np.int64)
        keys = np.column_stack([owner, cells])
        order = np.lexsort((np.arange(len(flat)), *keys.T[::-1]))
        changed = np.any(keys[order][1:] != keys[order][:-1], axis=1)
        for cell in np.split(order, np.flatnonzero(changed) + 1):
            _within(flat, cell, tolerance * usual, copy_of)
    return copy_of


def _within(flat: NDArray[np.float32], cell: Ints, most: float, copy_of: Ints) -> None:
    """Note near copies among the rows of a cell, which are in their order; each is compared with the 64 before it."""
    for number in range(1, len(cell)):
        row = cell[number]
        if copy_of[row] >= 0:
            continue
        before = cell[max(0, number - 64) : number]
        apart = np.sqrt(np.square(flat[before] - flat[row]).sum(axis=1))
        near = np.flatnonzero(apart <= most)
        if len(near):
            earlier = before[near[0]]
            copy_of[row] = copy_of[earlier] if copy_of[earlier] >= 0 else earlier
