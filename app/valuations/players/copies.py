"""Whose rows are whose: rows that several providers of a job hold, exactly or nearly, and what follows. Pure numpy.

Rows are compared as the job sees them, encoded. ``likeness`` says what is a copy of what: equal rows, and changed
copies that lie deeper in their original's cell than the earlier rows themselves do in one another's.

Two rules follow from it, chosen in the order (``payout.copies``). ``first``: a row counts for whoever uploaded it first
and is taken out of every later file. ``group``: files of which one holds half of the other are one player, each row
once, and its amount is split by rows, a row of k holders in k parts. Under every rule rows that are in the buyer's test
set are taken out. Nothing here knows a database, and a single provider's own repetitions are its own affair.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.valuations.players.near_copies import NEAR_ROWS, Known, copied_rows

GROUPED_PART = Fraction(1, 2)

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


def outside(files: Sequence[Holding], test: Holding) -> tuple[Mask, ...]:
    """For each file the rows bool[n] that are not the test set's, nor changed copies of those."""
    seen = _flat(test)
    near = len(seen) + max((len(file.y) for file in files), default=0) <= NEAR_ROWS
    known = Known(seen, test.y, np.zeros(len(seen), dtype=np.int64))
    return tuple(~copied_rows(_flat(file), file.y, known, near=near)[0] for file in files)


def own_rows(files: Sequence[Holding]) -> Ownership:
    """The rule ``first``: ``files`` are in the order of their upload."""
    known: dict[int, Hashable] = {}
    keep = tuple(
        np.array([known.setdefault(int(each), file.owner) == file.owner for each in numbers], dtype=np.bool_)
        for file, numbers in zip(files, _same_rows(files), strict=True)
    )
    alone = tuple((index,) for index in range(len(files)))
    return Ownership(keep, alone, tuple(Fraction(1) for _ in files))


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
            # a file of no rows (all of them the test set's) has no part
            own = sum((Fraction(1, holders[each]) for each in sets[member]), Fraction(0))
            parts[member] = own / len(seen) if seen else Fraction(1)
    return Ownership(tuple(keep), tuple(groups), tuple(parts))


def _same_rows(files: Sequence[Holding]) -> list[Ids]:
    """A number for each row; rows of different owners have the same one where they are copies of each other."""
    flat = [_flat(file) for file in files]
    near = sum(len(each) for each in flat) <= NEAR_ROWS
    numbers: list[Ids] = []
    fresh: list[Mask] = []
    count = 0
    for index, file in enumerate(files):
        mine = count + np.arange(len(file.y), dtype=np.int64)
        count += len(mine)
        copied = np.zeros(len(mine), dtype=np.bool_)
        others = [earlier for earlier in range(index) if files[earlier].owner != file.owner]
        if others:
            # what was found to be a copy is known by its original already
            known = Known(
                np.concatenate([flat[each][fresh[each]] for each in others]),
                np.concatenate([files[each].y[fresh[each]] for each in others]),
                np.concatenate([np.full(int(fresh[each].sum()), each) for each in others]),
            )
            originals = np.concatenate([numbers[each][fresh[each]] for each in others])
            copied, which = copied_rows(flat[index], file.y, known, near=near)
            mine[copied] = originals[which[copied]]
        numbers.append(mine)
        fresh.append(~copied)
    return numbers


def _flat(file: Holding) -> NDArray[np.float32]:
    """The rows as float32[n, d]; adding zero makes one value of -0.0 and 0.0."""
    width = math.prod(np.shape(file.X)[1:])
    return np.ascontiguousarray(file.X, dtype=np.float32).reshape(len(file.y), width) + np.float32(0)
