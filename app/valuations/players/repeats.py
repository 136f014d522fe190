"""Which rows of an owner repeat others of its own, changed or not. Pure numpy.

Whoever is paid by rows, or has rows drawn by lot, gains by bringing its own twice. So each row is held against all
others of its owner as a later file is against earlier ones (``near_copies``): how deep it lies in the cell of its
nearest, whether one or several are near, and how near it is to a line between two of them. What is usual is what all
other owners' rows are to one another, so that data which repeats itself by nature loses nothing. Of rows that repeat
one another the first stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.raw_rows import row_keys
from app.valuations.players.near_copies import (
    BY_CHANCE,
    COPIED_PART,
    LEAST_ROWS,
    Depths,
    EarlierRows,
    Flat,
    Ids,
    Keys,
    Mask,
    best_tier,
    closeness_among,
    depths_among,
    mixed_as,
    odds,
)

# a row is looked for up to so many times beside itself, the dearest last; 0: as a mixture of two others
_SEVERAL = (1, 3, 7, 15, 1, 0)
_ROUNDS = 4  # of two rows that are each other's nearest one is left out at a time
_LABEL_ROWS = 3  # times as many rows a label must have as are near to one


@dataclass(frozen=True)
class OwnedRows:
    """All rows of one owner: X float32[n, d], y [n], and what equal rows have in common."""

    X: Flat
    y: NDArray[Any]
    keys: Keys | None = None


def repeated_rows(owners: Sequence[OwnedRows], *, near: bool) -> list[Mask]:
    """For each owner which rows bool[n] repeat rows of its own that stay. Without ``near``, and where rows have no
    numbers, equal ones alone are looked for."""
    if not near or len(owners) < 2 or any(not rows.X.shape[1] for rows in owners):
        return _equal(owners)
    repeats = [np.zeros(len(rows.y), dtype=np.bool_) for rows in owners]
    for several in _SEVERAL:
        # what is usual is what others' rows are before any is left out here
        usual = [_usual(rows.X[~mask], rows.y[~mask], several) for rows, mask in zip(owners, repeats, strict=True)]
        for at, rows in enumerate(owners):
            others = [each for number, each in enumerate(usual) if number != at]
            measures, labels = (np.concatenate([each[part] for each in others]) for part in (0, 1))
            for _ in range(_ROUNDS if several and len(labels) else 1):
                left = np.flatnonzero(~repeats[at])
                found = _repeats(rows.X[left], rows.y[left], several, measures, labels)
                repeats[at][left[found]] = True
                if not found.any():
                    break
    return repeats


def _equal(owners: Sequence[OwnedRows]) -> list[Mask]:
    """Rows that equal one before them, where chance does not make so many: as often as in all others' rows."""
    again = []
    for rows in owners:
        keys = row_keys(rows.X if rows.keys is None else rows.keys, rows.y)
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        again.append(np.array([first[key] != row for row, key in enumerate(keys)], dtype=np.bool_))
    whole, all_again = sum(map(len, again)), sum(int(mask.sum()) for mask in again)
    masks = []
    for mask in again:
        count, others = int(mask.sum()), whole - len(mask)
        usual = (all_again - count + 1.0) / (others + 1.0)
        surely = count >= COPIED_PART * len(mask) and usual < 1.0 and odds(count, len(mask), usual) >= BY_CHANCE
        masks.append(mask if count and surely else np.zeros_like(mask))
    return masks


def _repeats(X: Flat, y: NDArray[Any], several: int, usual: Depths, labels: NDArray[Any]) -> Mask:
    """Rows whose measure is beyond what is ``usual`` among others' rows of these ``labels``, where chance does not make
    so many; of two of which each is the other's nearest, the later."""
    measure, nearest = _measure(X, y, several)
    itself = EarlierRows(X, y, np.zeros(len(y), dtype=np.int64))
    best = best_tier(measure, usual, usual, mixed_as(labels, y), nearest, itself, presumes=False)
    if best is None:
        return np.zeros(len(y), dtype=np.bool_)
    found, at = measure >= best, np.arange(len(y))
    mutual = found & found[nearest] & (nearest[nearest] == at)
    return found & ~(mutual & (nearest > at)) if several else found


def _usual(X: Flat, y: NDArray[Any], several: int) -> tuple[Depths, NDArray[Any]]:
    """The measures of an owner's rows, of labels of which it has enough, and these rows' labels."""
    measure, nearest = _measure(X, y, several)
    measured = nearest != np.arange(len(y))
    return measure[measured], y[measured]


def _measure(X: Flat, y: NDArray[Any], several: int) -> tuple[Depths, Ids]:
    """How deep each row lies in the cell of its nearest other of its label, where so many may be near, or how near to
    the line between two others (``several`` 0); and the nearest."""
    measure, nearest = np.zeros(len(y)), np.arange(len(y))
    for label in np.unique(y):
        here = np.flatnonzero(y == label)
        if len(here) <= max(LEAST_ROWS, _LABEL_ROWS * several):
            continue
        out = np.arange(len(here))
        if several:
            measure[here], closest, _ = depths_among(X[here], X[here], out, several)
        else:
            measure[here], closest = closeness_among(X[here], X[here], out)
        nearest[here] = here[closest]
    return measure, nearest
