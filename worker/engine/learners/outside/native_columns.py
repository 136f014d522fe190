"""Columns as trees take them natively: a category as one column, a missing cell as missing; and trees back from there.

Rows come encoded, as for every learner: a category is a block of marks, one a value, and a missing cell is filled and
marked in a column of its own. ``fold`` makes of a category its number, and of a missing number NaN, which LightGBM
splits on by itself: by sets of categories, and by where missing cells go. ``unfold`` writes such a split as questions
on the encoded columns: one for each category of the set and one for the missing mark, several leading to the same
child. So models are the arrays that they always are, and whoever computes them knows nothing of categories.
A missing category is a category of its own. Where no row grown on lacks a number, a missing one goes by its filling.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.rows.columns import ColumnBlock

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NAN = 2  # LightGBM's kind of missing cell: NaN goes where the split says


@dataclass(frozen=True)
class NativeColumn:
    """A column as LightGBM is given it: the first of its encoded ``values`` columns, and that of its missing mark."""

    first: int
    values: int
    category: bool
    gap: int | None


class Split(NamedTuple):
    """An inner node as LightGBM writes it: its column, the threshold of a number, the categories that go left, both
    children (an inner node's number, or -1 - the leaf's), the kind of missing cell, and whether it goes left."""

    column: int
    threshold: float
    categories: frozenset[int] | None
    left: int
    right: int
    missing: int
    missing_left: bool


def native_columns(blocks: Sequence[ColumnBlock]) -> list[NativeColumn]:
    """The columns that blocks fold to; of a plain block of several (hashed words) each is one."""
    columns: list[NativeColumn] = []
    at = 0
    for block in blocks:
        gap = at + block.values if block.gap else None
        if block.category:
            columns.append(NativeColumn(at, block.values, True, gap))
        elif block.values == 1:
            columns.append(NativeColumn(at, 1, False, gap))
        else:
            columns += [NativeColumn(at + place, 1, False, None) for place in range(block.width)]
        at += block.width
    return columns


def fold(X: Floats, columns: Sequence[NativeColumn]) -> Floats:
    """Rows [n, columns] of encoded rows X [n, d]."""
    folded = np.empty((len(X), len(columns)))
    for at, column in enumerate(columns):
        own = X[:, column.first : column.first + column.values]
        folded[:, at] = own.argmax(axis=1) if column.category else own[:, 0]
        if column.gap is not None:
            folded[X[:, column.gap] > 0.5, at] = column.values if column.category else np.nan
    return folded


def unfold(splits: Sequence[Split], columns: Sequence[NativeColumn]) -> tuple[Ints, Floats, Ints, Ints]:
    """Column, threshold and both children (as ``Split``'s) of each question that the splits become, in an order in
    which children come after their parents."""
    chains = [_chain(split, columns[split.column]) for split in splits]
    first = np.concatenate([[0], np.cumsum([len(chain) for chain in chains])]).astype(np.int64)

    def place(child: int | None, following: int) -> int:
        if child is None:
            return following
        return int(first[child]) if child >= 0 else child

    nodes = [
        (column, threshold, place(left, int(at) + step + 1), place(right, int(at) + step + 1))
        for at, chain in zip(first, chains, strict=False)
        for step, (column, threshold, left, right) in enumerate(chain)
    ]
    feature, threshold, left, right = zip(*nodes, strict=True) if nodes else ((), (), (), ())
    return (
        np.array(feature, dtype=np.int64),
        np.array(threshold, dtype=np.float64),
        np.array(left, dtype=np.int64),
        np.array(right, dtype=np.int64),
    )


_Question = tuple[int, float, int | None, int | None]  # a child None: the next question


def _chain(split: Split, column: NativeColumn) -> list[_Question]:
    """The questions of one split, in turn; of each what goes left has no mark, or a value at or below the threshold."""
    if split.categories is None:
        number: list[_Question] = [(column.first, split.threshold, split.left, split.right)]
        if column.gap is None or split.missing != _NAN:
            return number
        missing = split.left if split.missing_left else split.right
        if not math.isfinite(split.threshold):
            # a split by nothing but what is missing: a number is below infinity, and not below NaN
            return [(column.gap, 0.5, split.left if split.threshold > 0 else split.right, missing)]
        return [(column.gap, 0.5, None, missing), *number]
    chain: list[_Question] = []
    if column.gap is not None:
        chain.append((column.gap, 0.5, None, split.left if column.values in split.categories else split.right))
    shown = sorted(category for category in split.categories if category < column.values)
    chain += [(column.first + category, 0.5, None, split.left) for category in shown]
    last, threshold, _, marked = chain[-1]
    return [*chain[:-1], (last, threshold, split.right, marked)]
