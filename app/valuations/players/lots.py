"""Which rows of a job's payees are test rows by lot (``contract.orders.lot``). Pure numpy.

The same part of each payee's rows is drawn, but of nobody more than of the one in the middle: a provider cannot weigh
more by bringing more rows, and gains no weight by splitting a file that is no larger than that. Rows of equal content
draw the same ticket wherever they are, and none of them is trained on. Changed twins in one provider's files are left
out before, where it has more of them than the others (``repeats``); those that are there by nature stay, and are as
frequent among test rows as beside them. Twins in others' files are what the rule for copies is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.raw_rows import RawRows
from contract.orders.lot import LotDraw, ticket

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lot:
    """``test[m][f]`` bool[n]: the test rows of each file of each payee; ``train``: the rows that are left to train on;
    ``expected``: how many would be drawn if all rows that are offered counted."""

    test: list[list[Mask]]
    train: list[list[Mask]]
    expected: int


def draw(raw: Sequence[Sequence[RawRows]], keep: Sequence[Sequence[Mask]], lot: LotDraw) -> Lot:
    """Draw test rows from those that count (``keep[m][f]`` bool[n]) of each payee's files ``raw[m][f]``."""
    seed, drawn = bytes.fromhex(lot.seed), set[bytes]()
    most = quotas([sum(len(rows.y) for rows in files) for files in raw], lot.part)
    test = [[np.zeros(len(rows.y), dtype=np.bool_) for rows in files] for files in raw]
    for payee, files in enumerate(raw):
        by_ticket: dict[bytes, tuple[bytes, int, int]] = {}
        for at, (rows, mask) in enumerate(zip(files, keep[payee], strict=True)):
            for row in np.flatnonzero(mask).tolist():
                key = rows.keys[row].tobytes()
                if key not in drawn:
                    by_ticket.setdefault(ticket(seed, key), (key, at, row))
        for number in sorted(by_ticket)[: most[payee]]:
            key, at, row = by_ticket[number]
            test[payee][at][row] = True
            drawn.add(key)
    return Lot(test, _without(raw, keep, drawn), sum(most))


def quotas(offered: Sequence[int], part: float) -> list[int]:
    """How many test rows each payee gives, at least one, by how many rows it offers."""
    each = [max(1, int(part * count)) for count in offered]
    middle = sorted(each)[(len(each) - 1) // 2]
    return [min(count, middle) for count in each]


def _without(raw: Sequence[Sequence[RawRows]], keep: Sequence[Sequence[Mask]], drawn: set[bytes]) -> list[list[Mask]]:
    """The rows that are left to train on: no test row, and no equal of one."""
    train = []
    for files, masks in zip(raw, keep, strict=True):
        equal = [np.array([key.tobytes() in drawn for key in rows.keys], dtype=np.bool_) for rows in files]
        train.append([mask & ~same for mask, same in zip(masks, equal, strict=True)])
    return train
