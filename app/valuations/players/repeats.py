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
_LOOKED_AT = 1000  # rows of an owner that say what is usual, or whether to look at all of them
# standard deviations, of which honest files had up to 5.5 (docs/attacks.md), and by how much deeper they must be
_SURE, _MORE = 6.5, 1.5
_SUSPECT = 2.0  # the same of an owner of whom repeats were found already
_NO_ROWS = np.zeros(0, dtype=np.int64)
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
        usual = []
        for rows, mask in zip(owners, repeats, strict=True):
            measured, measure, _ = _measure(rows.X[~mask], rows.y[~mask], several, _LOOKED_AT)
            usual.append((measure, rows.y[~mask][measured]))
        for at, rows in enumerate(owners):
            others = [each for number, each in enumerate(usual) if number != at]
            measures, labels = (np.concatenate([each[part] for each in others]) for part in (0, 1))
            for _ in range(_ROUNDS if several and len(labels) else 1):
                left = np.flatnonzero(~repeats[at])
                sure = _SUSPECT if repeats[at].any() else _SURE
                found = _repeats(rows.X[left], rows.y[left], several, (measures, labels), sure)
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


def _repeats(X: Flat, y: NDArray[Any], several: int, usual: tuple[Depths, NDArray[Any]], sure: float) -> Mask:
    """Rows whose measure is beyond what is ``usual`` among others' rows, of their labels, where chance does not make
    so many; of two of which each is the other's nearest, the later. Some rows are looked at first, and all where these
    say that there are repeats."""
    nothing = np.zeros(len(y), dtype=np.bool_)
    if _beyond(X, y, several, usual, sure, _LOOKED_AT) is None:
        return nothing
    beyond = _beyond(X, y, several, usual, sure, len(y))
    if beyond is None:
        return nothing
    rows, deep, nearest, one_by_one = beyond
    found, of, at = np.zeros(len(y), dtype=np.bool_), np.arange(len(y)), np.arange(len(y))
    found[rows], of[rows] = deep, nearest
    mutual: Mask = found & found[of] & (of[of] == at)
    if not one_by_one:
        pairs: Mask = mutual & (of < at)
        return pairs
    later: Mask = found & ~(mutual & (of > at))
    return later if several else found


def _beyond(
    X: Flat, y: NDArray[Any], several: int, others: tuple[Depths, NDArray[Any]], sure: float, most: int
) -> tuple[Ids, Mask, Ids, bool] | None:
    """Of up to so many rows which are beyond what is usual, the nearest of each, and whether each is by itself: under
    loud noise only all together are, and those above the middle are meant. None where chance explains all."""
    rows, measure, nearest = _measure(X, y, several, most)
    itself = EarlierRows(X, y, np.zeros(len(y), dtype=np.int64))
    usual, labels = others
    weights = mixed_as(labels, y[rows])
    best = best_tier(measure, usual, usual, weights, nearest, itself, presumes=False)
    if best is not None:
        return rows, measure >= best, nearest, True
    if several and weights.any() and _together(measure, usual, weights, sure):
        return rows, measure >= np.quantile(usual, 0.5), nearest, False
    return None


def _together(measure: Depths, usual: Depths, weights: Depths, sure: float) -> bool:
    """Whether rows are surely deeper than is usual, taken together: by the mean square of their depths."""
    squares, mean = usual**2, float((measure**2).mean())
    middle = float(weights @ squares)
    variance = float(weights @ (squares - middle) ** 2) / len(measure)
    variance += float(weights**2 @ (squares - middle) ** 2)
    return bool(mean > _MORE * middle and (mean - middle) ** 2 > sure**2 * variance)


def _measure(X: Flat, y: NDArray[Any], several: int, most: int) -> tuple[Ids, Depths, Ids]:
    """Of up to so many rows int64[m], evenly spread over labels of which there are enough, how deep each lies in the
    cell of its nearest other, where ``several`` may be near, or how near to the line between two others (0); and the
    nearest."""
    labels = np.unique(y)
    rows, measure, nearest = [_NO_ROWS], [np.zeros(0)], [_NO_ROWS]
    for label in labels:
        here = np.flatnonzero(y == label)
        if len(here) <= max(LEAST_ROWS, _LABEL_ROWS * several):
            continue
        out = np.unique(np.linspace(0, len(here) - 1, min(max(1, most // len(labels)), len(here))).astype(np.int64))
        if most >= len(y):
            out = np.arange(len(here))
        if several:
            own, closest, _ = depths_among(X[here[out]], X[here], out, several)
        else:
            own, closest = closeness_among(X[here[out]], X[here], out)
        rows.append(here[out])
        measure.append(own)
        nearest.append(here[closest])
    return np.concatenate(rows), np.concatenate(measure), np.concatenate(nearest)
