"""Whose rows are whose: rows that several providers of a job hold, exactly or nearly, and what follows. Pure numpy.

Rows are compared as the job sees them, encoded. Two rows are the same when features and label are equal, or when the
label is equal and they are nearer to each other than all but one in a hundred neighbours within the earlier file, and
than half of what is usual there. Near rows are looked for up to ``NEAR_ROWS`` rows in a job, equal rows always. Chance
matches are left alone: rows of two files count as copied only where they are a tenth of either file.

Two rules follow from it, chosen in the order (``payout.copies``). ``first``: a row counts for whoever uploaded it first
and is taken out of every later file; rows of the buyer's test set are taken out of all. ``group``: files of which one
holds half of the other are one player, each row once, and its amount is split by rows, a row of k holders in k parts.
Nothing here knows a database, and a single provider's own repetitions are its own affair.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR_ROWS = 20_000
COPIED_PART = Fraction(1, 10)
GROUPED_PART = Fraction(1, 2)
_NEAR, _RARE = 0.5, 0.01  # of the usual distance between neighbours; and the quantile of it below which it is rare
_BLOCK = 1024

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Holding:
    """One file: whose it is, and its encoded rows X float32[n, ...], y int64[n] in file order."""

    owner: Hashable
    X: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True)
class Ownership:
    """``keep[f]`` bool[n]: which rows of file f are used; ``groups``: files that are one player, as file numbers in
    order; ``parts[f]``: the part of its player's amount that file f's owner gets for it (1 in all for each group)."""

    keep: tuple[Mask, ...]
    groups: tuple[tuple[int, ...], ...]
    parts: tuple[Fraction, ...]


def own_rows(files: Sequence[Holding], test: Holding | None = None) -> Ownership:
    """The rule ``first``: ``files`` are in the order of their upload; the test set, if given, is before them all."""
    every = [test, *files] if test is not None else list(files)
    ids = _same_rows(every)
    known: dict[int, Hashable] = {}
    keep = []
    for file, numbers in zip(every, ids, strict=True):
        fresh = np.array([known.setdefault(int(each), file.owner) == file.owner for each in numbers], dtype=np.bool_)
        keep.append(fresh)
    kept = tuple(keep[1:] if test is not None else keep)
    alone = tuple((index,) for index in range(len(files)))
    return Ownership(kept, alone, tuple(Fraction(1) for _ in files))


def group_copies(files: Sequence[Holding]) -> Ownership:
    """The rule ``group``: near copies of different owners are one player whose rows are each used once."""
    ids = _same_rows(files)
    sets = [frozenset(int(each) for each in numbers) for numbers in ids]
    leader = list(range(len(files)))
    for later in range(len(files)):
        for earlier in range(later):
            common = len(sets[later] & sets[earlier])
            half = common >= GROUPED_PART * min(len(sets[later]), len(sets[earlier])) > 0
            if half and files[later].owner != files[earlier].owner:
                old, new = leader[later], leader[earlier]
                leader = [new if each == old else each for each in leader]
    groups = [tuple(i for i, each in enumerate(leader) if each == number) for number in sorted(set(leader))]
    keep = [np.ones(len(numbers), dtype=np.bool_) for numbers in ids]
    parts = [Fraction(1)] * len(files)
    for members in groups:
        seen: set[int] = set()
        holders: dict[int, int] = {}
        for member in members:
            keep[member] = np.array([int(each) not in seen for each in ids[member]], dtype=np.bool_)
            seen |= sets[member]
            for each in sets[member]:
                holders[each] = holders.get(each, 0) + 1
        for member in members:
            parts[member] = sum((Fraction(1, holders[each]) for each in sets[member]), Fraction(0)) / len(seen)
    return Ownership(tuple(keep), tuple(groups), tuple(parts))


def _same_rows(files: Sequence[Holding]) -> list[Ids]:
    """A number for each row; rows of different owners have the same one where they are copies of each other."""
    flat = [np.ascontiguousarray(file.X, dtype=np.float32).reshape(len(file.y), -1) + np.float32(0) for file in files]
    near = sum(len(each) for each in flat) <= NEAR_ROWS
    numbers: list[Ids] = []
    count = 0
    equal: dict[bytes, int] = {}
    for index, file in enumerate(files):
        mine = np.empty(len(file.y), dtype=np.int64)
        for row, (x, label) in enumerate(zip(flat[index], file.y, strict=True)):
            key = x.tobytes() + int(label).to_bytes(8, "little", signed=True)
            if key not in equal:
                equal[key] = count
                count += 1
            mine[row] = equal[key]
        if near:
            others = [earlier for earlier in range(index) if files[earlier].owner != file.owner]
            known = np.zeros(len(mine), dtype=np.bool_)
            for earlier in others:
                known |= np.isin(mine, numbers[earlier])
            for earlier in others:
                found = _near_rows(flat[earlier], files[earlier].y, flat[index], file.y, ~known)
                mine[found[0]] = numbers[earlier][found[1]]
                known[found[0]] = True
        numbers.append(mine)
    return _without_chance(files, numbers, count)


def _near_rows(ex: NDArray[Any], ey: NDArray[Any], x: NDArray[Any], y: NDArray[Any], asked: Mask) -> tuple[Ids, Ids]:
    """Rows of a later file, among those asked for, that are near to a row of the earlier one, and which row that is."""
    here_all, there_all = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for label in np.unique(y[asked]):
        there, here = np.flatnonzero(ey == label), np.flatnonzero(asked & (y == label))
        if len(there) < 2 or not len(here):
            continue
        between = _nearest(ex[there], ex[there], own=True)[0]
        near = min(_NEAR * float(np.median(between)), float(np.quantile(between, _RARE)))
        distance, which = _nearest(x[here], ex[there], own=False)
        here_all.append(here[distance < near])
        there_all.append(there[which[distance < near]])
    return np.concatenate(here_all), np.concatenate(there_all)


def _nearest(rows: NDArray[Any], among: NDArray[Any], *, own: bool) -> tuple[NDArray[np.float64], Ids]:
    """Distance and index of each row's nearest; with ``own`` the row itself is left out."""
    wide = among.astype(np.float64)
    squares = (wide**2).sum(axis=1)
    distances, indices = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float64)
        found = (block**2).sum(axis=1)[:, None] + squares[None, :] - 2.0 * block @ wide.T
        if own:
            found[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        best = found.argmin(axis=1)
        indices[start : start + len(block)] = best
        distances[start : start + len(block)] = np.sqrt(np.maximum(found[np.arange(len(block)), best], 0.0))
    return distances, indices


def _without_chance(files: Sequence[Holding], numbers: list[Ids], count: int) -> list[Ids]:
    """The numbers, where rows in common with an earlier file that are too few to be a copy get numbers of their own."""
    result: list[Ids] = []
    for index, mine in enumerate(numbers):
        related = np.zeros(len(mine), dtype=np.bool_)
        shared = np.zeros(len(mine), dtype=np.bool_)
        for earlier in range(index):
            if files[earlier].owner == files[index].owner:
                continue
            common = np.isin(mine, numbers[earlier])
            shared |= common
            theirs = int(np.isin(numbers[earlier], mine).sum())
            if common.sum() >= COPIED_PART * len(mine) or theirs >= COPIED_PART * len(numbers[earlier]):
                related |= common
        final = mine.copy()
        chance = shared & ~related
        final[chance] = np.arange(count, count + int(chance.sum()))
        count += int(chance.sum())
        result.append(final)
    return result
