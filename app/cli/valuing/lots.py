"""Test rows by lot on the command line: ``--test-lot PART`` draws them as the service draws an order's.

What draws them follows from the rows alone, so that names, seeds and the order of files do not, and ``cherish verify``
draws the same. Who computes holds all files here, so it keeps nobody from trying again with other ones.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cli.valuing.request import ValueRequest
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.raw_rows import RawRows
from app.errors import InvalidInput
from app.valuations.players import lots
from app.valuations.players.files import join_rows
from app.valuations.players.lots import Mask
from contract.orders.lot import LEAST_PART, LEAST_PAYEES, MOST_PART, LotDraw

Files = Sequence[tuple[str | None, EncodedRows]]


@dataclass(frozen=True)
class DrawnFiles:
    """Of each file in order: ``test`` bool[n], its test rows by lot, and ``train`` bool[n], what is left to train
    on."""

    test: list[Mask]
    train: list[Mask]

    @property
    def rows(self) -> int:
        """How many rows were drawn."""
        return sum(int(mask.sum()) for mask in self.test)


def check(request: ValueRequest, learner: str) -> None:
    """Raises InvalidInput where a request for test rows by lot cannot have them."""
    if request.test_lot is None:
        if request.lot_alone:
            raise InvalidInput("--lot-alone: it says how --test-lot measures; name that, too, or leave it out")
        return
    players = len({name for name, _ in request.providers})
    faults = (
        (
            not LEAST_PART <= request.test_lot <= MOST_PART,
            f"a part of {LEAST_PART:g} to {MOST_PART:g} is drawn; got {request.test_lot:g}",
        ),
        (players < LEAST_PAYEES, f"it takes {LEAST_PAYEES} providers or more, and there are {players}"),
        (learner == "lm", "texts for a language model are not drawn"),
        (
            request.mode == "partial" or request.checkpoint is not None,
            "the model that is named has been trained on these rows already",
        ),
        (bool(request.segments), "it would take rows from segments, and of small ones too many"),
        (bool(request.test_group), "providers' rows have no groups as --test-group counts them"),
    )
    for wrong, why in faults:
        if wrong:
            raise InvalidInput(f"--test-lot: {why}; name another part, or leave it out")


def drawn(request: ValueRequest, files: Files) -> DrawnFiles | None:
    """What the lot draws from files (whose, rows; None: nobody's); None where a request has no lot.

    Nobody's rows are not drawn, and train where they are no equals of rows that are.
    """
    if request.test_lot is None:
        return None
    seed = hashlib.sha256("".join(sorted(rows.canonical().digest for _, rows in files)).encode()).hexdigest()
    raw = [RawRows.of_arrays(rows.X, rows.y) for _, rows in files]
    players = [*dict.fromkeys(player for player, _ in files if player is not None)]
    owned = [[at for at, (player, _) in enumerate(files) if player == each] for each in players]
    kept = [[np.ones(len(raw[at].y), dtype=np.bool_) for at in own] for own in owned]
    draw = LotDraw(part=request.test_lot, beside=not request.lot_alone, seed=seed)
    lot = lots.draw([[raw[at] for at in own] for own in owned], kept, draw)
    test = [np.zeros(len(rows.y), dtype=np.bool_) for rows in raw]
    for own, masks in zip(owned, lot.test, strict=True):
        for at, mask in zip(own, masks, strict=True):
            test[at] = mask
    keys = {key.tobytes() for rows, mask in zip(raw, test, strict=True) for key in rows.keys[mask]}
    train = [np.array([key.tobytes() not in keys for key in rows.keys], dtype=np.bool_) for rows in raw]
    return DrawnFiles(test, train)


def some(rows: EncodedRows, mask: Mask) -> EncodedRows:
    """The rows that a mask bool[n] names."""
    return EncodedRows(rows.X[mask], rows.y[mask], None if rows.groups is None else rows.groups[mask])


def measured(request: ValueRequest, test: EncodedRows, files: Files, lot: DrawnFiles) -> EncodedRows:
    """The rows that measure: those by lot, beside the test set's own or alone."""
    by_lot = [some(rows, mask) for (_, rows), mask in zip(files, lot.test, strict=True) if mask.any()]
    return join_rows(by_lot if request.lot_alone else [test, *by_lot])
