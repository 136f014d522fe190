"""From the payees of a job to the players of its game, under the order's rule for copies. Pure.

Rows are told apart as they were read (``raw``), whatever they are encoded to. Those that are in the buyer's test set
count for nobody, and where few are left beside them the rest neither: a buyer who knows all rows of a dataset but a few
would otherwise be told the value of those. How few is drawn by the question (``draws``), so that no row decides it. Of
the others: without a rule each one is a player with all of its own; under ``first`` each keeps the rows that were its
own first, under ``group`` near copies are one player (``copies`` says which). The players are in
the game's canonical order: by the digest of the rows
that are used, then by name. Nothing here reads a file or pays anybody.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.raw_rows import RawRows, join_raw
from app.datasets.rows.segments import segments_digest
from app.valuations.players import lots
from app.valuations.players.copies import Holding, group_copies, outside, own_rows
from app.valuations.players.files import drop_mask, join_rows, pack_groups, used_rows
from app.valuations.players.lots import Lot
from app.valuations.players.near_copies import NEAR_ROWS
from app.valuations.players.repeats import OwnedRows, repeated_rows
from contract.orders.fit import PlayerFitted
from contract.orders.lot import LotDraw
from contract.rows.files import InputFile

_TEST = "the test set"
# the part of a payee's rows that must be outside the test set is drawn from this range
LEAST_LEFT = (0.1, 0.4)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Payee:
    """A provider that is paid, or a dataset where datasets are players; its files' rows as they were read and as the
    job encodes them."""

    name: str
    shown: str
    datasets: tuple[uuid.UUID, ...]
    files: tuple[InputFile, ...]
    encoded: tuple[EncodedRows, ...]
    raw: tuple[RawRows, ...]

    @cached_property
    def digest(self) -> str:
        """Digest of all of its rows, used or not."""
        return join_rows(self.encoded).digest

    @property
    def count(self) -> int:
        return sum(len(rows.y) for rows in self.encoded)


@dataclass(frozen=True)
class Grouping:
    """The game's ``players`` in canonical order; ``player_of[m]`` and ``parts[m]`` of each payee. A payee of whom
    nothing is used has no player and no part. ``segments``: the digest of which rows are of which, where they are;
    ``lot``: the test rows that were drawn from the payees' (None: none)."""

    players: tuple[PlayerFitted, ...]
    player_of: tuple[int | None, ...]
    parts: tuple[Fraction, ...]
    segments: str | None = None
    lot: Lot | None = None


def group(
    payees: Sequence[Payee],
    copies: str,
    test: RawRows,
    uploaded: Mapping[uuid.UUID, datetime],
    draws: str = "",
    lot: LotDraw | None = None,
) -> Grouping:
    """The players of all payees under the rule ``copies`` (separate, group, first), without rows of the test set, and
    without those that ``lot`` draws. Without ``draws``, as where all files are the asker's own, any rows that are left
    count."""
    keep = _outside_test(payees, test)
    if draws:
        _leave_out_remainders(payees, keep, bytes.fromhex(draws))
    groups: list[tuple[int, ...]] = [(index,) for index in range(len(payees))]
    parts = [Fraction(1)] * len(payees)
    if copies == "first":
        _keep_first(payees, uploaded, keep)
        _keep_once(payees, keep)
    elif copies == "group":
        groups = _keep_groups(payees, uploaded, keep, parts)
    if lot is None:
        return _arrange(payees, keep, groups, parts)
    if copies != "first":
        _keep_once(payees, keep)
    drawn = lots.draw([payee.raw for payee in payees], keep, lot)
    return replace(_arrange(payees, drawn.train, groups, parts), lot=drawn)


def _holding(name: str, rows: RawRows) -> Holding:
    return Holding(name, rows.X, rows.y, rows.keys)


def _outside_test(payees: Sequence[Payee], test: RawRows) -> list[list[Mask]]:
    files = [(m, f) for m, payee in enumerate(payees) for f in range(len(payee.files))]
    holdings = [_holding(payees[m].name, payees[m].raw[f]) for m, f in files]
    masks = outside(holdings, _holding(_TEST, test))
    keep: list[list[Mask]] = [[] for _ in payees]
    for (m, _), mask in zip(files, masks, strict=True):
        keep[m].append(mask)
    return keep


def _leave_out_remainders(payees: Sequence[Payee], keep: list[list[Mask]], draws: bytes) -> None:
    low, high = LEAST_LEFT
    for payee, masks in zip(payees, keep, strict=True):
        drawn = int.from_bytes(hashlib.sha256(draws + payee.name.encode()).digest()[:8], "big") / 2**64
        if sum(int(mask.sum()) for mask in masks) < (low + (high - low) * drawn) * payee.count:
            for mask in masks:
                mask[:] = False
        _leave_out_remainders_of_segments(payee, masks, low + (high - low) * drawn)


def _leave_out_remainders_of_segments(payee: Payee, masks: list[Mask], part: float) -> None:
    """The same of each segment, whose value would tell as much of the rows that are left of it."""
    numbers = [rows.groups for rows in payee.encoded]
    if not all(each is not None for each in numbers):
        return
    own = np.concatenate([each for each in numbers if each is not None])
    left = np.bincount(own[np.concatenate(masks)], minlength=int(own.max(initial=0)) + 1)
    few = left < part * np.bincount(own)
    for mask, each in zip(masks, numbers, strict=True):
        mask &= ~few[each]


def _keep_first(payees: Sequence[Payee], uploaded: Mapping[uuid.UUID, datetime], keep: list[list[Mask]]) -> None:
    files = [(m, f) for m, payee in enumerate(payees) for f in range(len(payee.files))]
    files.sort(key=lambda at: (uploaded[payees[at[0]].datasets[at[1]]], payees[at[0]].datasets[at[1]]))
    holdings = [_holding(payees[m].name, payees[m].raw[f].some(keep[m][f])) for m, f in files]
    for (m, f), mask in zip(files, own_rows(holdings).keep, strict=True):
        keep[m][f][keep[m][f]] = mask


def _keep_once(payees: Sequence[Payee], keep: list[list[Mask]]) -> None:
    """Each payee's own rows once, where it has more repetitions than the others: twice as many rows would be paid
    twice as shards, and by lot a test row's twin would be trained on."""
    kept = [
        join_raw([rows.some(mask) for rows, mask in zip(payee.raw, masks, strict=True)])
        for payee, masks in zip(payees, keep, strict=True)
    ]
    near = sum(len(rows.y) for rows in kept) <= NEAR_ROWS
    repeats = repeated_rows([OwnedRows(rows.X, rows.y, rows.keys) for rows in kept], near=near)
    for masks, mine in zip(keep, repeats, strict=True):
        lengths = np.cumsum([int(mask.sum()) for mask in masks])[:-1]
        for mask, again in zip(masks, np.split(mine, lengths), strict=True):
            mask[mask] = ~again


def _keep_groups(
    payees: Sequence[Payee], uploaded: Mapping[uuid.UUID, datetime], keep: list[list[Mask]], parts: list[Fraction]
) -> list[tuple[int, ...]]:
    order = sorted(
        range(len(payees)), key=lambda m: (min(uploaded[dataset] for dataset in payees[m].datasets), payees[m].name)
    )
    holdings = []
    for m in order:
        kept = [rows.some(mask) for rows, mask in zip(payees[m].raw, keep[m], strict=True)]
        holdings.append(_holding(payees[m].name, join_raw(kept)))
    owned = group_copies(holdings)
    for place, m in enumerate(order):
        lengths = np.cumsum([int(mask.sum()) for mask in keep[m]])[:-1]
        for mask, kept_rows in zip(keep[m], np.split(owned.keep[place], lengths), strict=True):
            mask[mask] = kept_rows
        parts[m] = owned.parts[place]
    return [tuple(order[place] for place in group) for group in owned.groups]


def _arrange(
    payees: Sequence[Payee],
    keep: list[list[Mask]],
    groups: list[tuple[int, ...]],
    parts: list[Fraction],
) -> Grouping:
    made: list[tuple[PlayerFitted, tuple[int, ...], EncodedRows]] = []
    for copied in groups:
        files, used = [], []
        for m in copied:
            for file, rows, mask in zip(payees[m].files, payees[m].encoded, keep[m], strict=True):
                if not mask.any():
                    continue
                named = file.model_copy(update={"drop": drop_mask(mask), "groups": pack_groups(rows.groups)})
                files.append(named)
                used.append(used_rows(rows, named.drop))
        if files:
            joined = join_rows(used)
            player = PlayerFitted(
                name=payees[copied[0]].name, files=tuple(files), digest=joined.digest, rows=len(joined.y)
            )
            made.append((player, copied, joined))
    made.sort(key=lambda each: (each[0].digest, each[0].name))
    player_of: list[int | None] = [None] * len(payees)
    for at, (_, copied, _rows) in enumerate(made):
        for m in copied:
            player_of[m] = at
    shares = tuple(part if at is not None else Fraction(0) for part, at in zip(parts, player_of, strict=True))
    players, whole = tuple(player for player, _, _ in made), [joined for _, _, joined in made]
    apart = segments_digest(whole) if whole and all(each.groups is not None for each in whole) else None
    return Grouping(players, tuple(player_of), shares, apart)
