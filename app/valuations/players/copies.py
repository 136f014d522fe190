"""Which rows count for which provider where several hold the same ones, exactly or as near copies. Pure numpy.

Rows are compared as they were read (``app.datasets.rows.raw_rows``), never as a job encodes them, which its test set
would decide. ``near_copies`` says what is a copy of what: equal rows, and changed
copies that lie deeper in their original's cell than the earlier rows themselves do in one another's.

There are two rules for copies, chosen in the order (``payout.copies``). ``first``: a row counts for whoever uploaded
it first and is removed from every later file. ``group``: files of which one holds half of the other are one player,
each row once, and its amount is split by rows, a row of k holders in k parts. Under every rule rows that are in the
buyer's test set are removed. Repetitions within one provider's own data stay (``repeats`` is for those). Nothing here
reads a database.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.valuations.players.near_copies import NEAR_ROWS, EarlierRows, copied_rows

GROUPED_PART = Fraction(1, 2)

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Holding:
    """One file: whose it is, and its rows in file order: X float32[n, ...] for distances, y int64[n], and what equal
    rows have in common, ``keys`` V[n] (None: their X)."""

    owner: Hashable
    X: NDArray[Any]
    y: NDArray[Any]
    keys: NDArray[np.void] | None = None


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
    known = EarlierRows(seen, test.y, np.zeros(len(seen), dtype=np.int64), test.keys)
    return tuple(~copied_rows(_flat(file), file.y, known, near=near, keys=file.keys)[0] for file in files)


def own_rows(files: Sequence[Holding]) -> Ownership:
    """The rule ``first``: ``files`` are in the order of their upload."""
    first_owner: dict[int, Hashable] = {}
    keep = tuple(
        np.array([first_owner.setdefault(int(number), file.owner) == file.owner for number in numbers], dtype=np.bool_)
        for file, numbers in zip(files, _same_rows(files), strict=True)
    )
    alone = tuple((index,) for index in range(len(files)))
    return Ownership(keep, alone, tuple(Fraction(1) for _ in files))


def group_copies(files: Sequence[Holding]) -> Ownership:
    """The rule ``group``: near copies of different owners are one player whose rows are each used once."""
    ids = _same_rows(files)
    sets = [frozenset(int(number) for number in numbers) for numbers in ids]
    leader = list(range(len(files)))
    for later in range(len(files)):
        for earlier in range(later):
            common = len(sets[later] & sets[earlier])
            half = common >= GROUPED_PART * min(len(sets[later]), len(sets[earlier])) > 0
            if half and files[later].owner != files[earlier].owner:
                old, new = leader[later], leader[earlier]
                leader = [new if number == old else number for number in leader]
    groups = [tuple(file for file, own in enumerate(leader) if own == number) for number in sorted(set(leader))]
    keep = [np.ones(len(numbers), dtype=np.bool_) for numbers in ids]
    parts = [Fraction(1)] * len(files)
    for members in groups:
        seen: set[int] = set()
        holders: dict[int, int] = {}
        for member in members:
            keep[member] = np.array([int(row) not in seen for row in ids[member]], dtype=np.bool_)
            seen |= sets[member]
            for row in sets[member]:
                holders[row] = holders.get(row, 0) + 1
        for member in members:
            # a file of no rows (all of them the test set's) has no part
            own = sum((Fraction(1, holders[row]) for row in sets[member]), Fraction(0))
            parts[member] = own / len(seen) if seen else Fraction(1)
    return Ownership(tuple(keep), tuple(groups), tuple(parts))


def _same_rows(files: Sequence[Holding]) -> list[Ids]:
    """A number for each row; rows of different owners have the same one where they are copies of each other."""
    flat = [_flat(file) for file in files]
    near = sum(len(rows) for rows in flat) <= NEAR_ROWS
    numbers: list[Ids] = []
    fresh: list[Mask] = []
    count = 0
    for index, file in enumerate(files):
        mine = count + np.arange(len(file.y), dtype=np.int64)
        count += len(mine)
        copied = np.zeros(len(mine), dtype=np.bool_)
        others = [earlier for earlier in range(index) if files[earlier].owner != file.owner]
        if others:
            # a copy is represented by its original already
            known = EarlierRows(
                np.concatenate([flat[earlier][fresh[earlier]] for earlier in others]),
                np.concatenate([files[earlier].y[fresh[earlier]] for earlier in others]),
                np.concatenate([np.full(int(fresh[earlier].sum()), earlier) for earlier in others]),
                _joined_keys([(files[earlier].keys, fresh[earlier]) for earlier in others]),
            )
            originals = np.concatenate([numbers[earlier][fresh[earlier]] for earlier in others])
            copied, which = copied_rows(flat[index], file.y, known, near=near, keys=file.keys)
            mine[copied] = originals[which[copied]]
        numbers.append(mine)
        fresh.append(~copied)
    return numbers


def _joined_keys(files: Sequence[tuple[NDArray[np.void] | None, Mask]]) -> NDArray[np.void] | None:
    """The keys of the rows that are named; None where files have none."""
    keys = [keys[mask] for keys, mask in files if keys is not None]
    return np.concatenate(keys) if len(keys) == len(files) else None


def _flat(file: Holding) -> NDArray[np.float32]:
    """The rows as float32[n, d]; adding zero makes one value of -0.0 and 0.0."""
    width = math.prod(np.shape(file.X)[1:])
    return np.ascontiguousarray(file.X, dtype=np.float32).reshape(len(file.y), width) + np.float32(0)
