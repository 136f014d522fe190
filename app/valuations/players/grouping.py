"""Who sits where: from those who are paid to the players of the game, under the order's rule for copies. Pure.

Rows that are in the buyer's test set count for nobody. Of the others: without a rule each one is a player with all of
its own; under ``first`` each keeps the rows that were its own first, under ``group`` near copies are one player
(``copies`` says which). The seats are in the game's canonical order: by the digest of the rows
that are used, then by name. Nothing here reads a file or pays anybody.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.encoding import EncodedRows
from app.valuations.players.copies import Holding, group_copies, outside, own_rows
from app.valuations.players.files import InputFile, drop_mask, join_rows, used_rows

_TEST = "the test set"

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Member:
    """One who is paid: a provider, or a dataset where each is a player; ``encoded`` are its files' rows."""

    name: str
    shown: str
    datasets: tuple[uuid.UUID, ...]
    files: tuple[InputFile, ...]
    encoded: tuple[EncodedRows, ...]

    @cached_property
    def digest(self) -> str:
        """Digest of all of its rows, used or not."""
        return join_rows(self.encoded).digest

    @property
    def count(self) -> int:
        return sum(len(each.y) for each in self.encoded)


@dataclass(frozen=True)
class Seat:
    """One player of the game: the files to read, each with the rows to leave out, and what results."""

    name: str
    files: tuple[InputFile, ...]
    digest: str
    rows: int


@dataclass(frozen=True)
class Seating:
    """``seat_of[m]`` and ``parts[m]`` of each member; a member of whom nothing is used has no seat and no part."""

    seats: tuple[Seat, ...]
    seat_of: tuple[int | None, ...]
    parts: tuple[Fraction, ...]
    notes: tuple[str, ...]

    def order_of(self, member: int) -> int:
        """Members in the order of their seats, those without one last."""
        at = self.seat_of[member]
        return len(self.seats) if at is None else at


def seat(members: Sequence[Member], copies: str, test: EncodedRows, uploaded: Mapping[uuid.UUID, datetime]) -> Seating:
    """Seats for all members under the rule ``copies`` (separate, group, first); rows of the test set sit nowhere."""
    keep = _outside_test(members, test)
    tested = [sum(int((~mask).sum()) for mask in masks) for masks in keep]
    groups: list[tuple[int, ...]] = [(index,) for index in range(len(members))]
    parts = [Fraction(1)] * len(members)
    if copies == "first":
        _keep_first(members, uploaded, keep)
    elif copies == "group":
        groups = _keep_groups(members, uploaded, keep, parts)
    return _arrange(members, keep, groups, parts, tested)


def _outside_test(members: Sequence[Member], test: EncodedRows) -> list[list[Mask]]:
    files = [(m, f) for m, each in enumerate(members) for f in range(len(each.files))]
    holdings = [Holding(members[m].name, members[m].encoded[f].X, members[m].encoded[f].y) for m, f in files]
    masks = outside(holdings, Holding(_TEST, test.X, test.y))
    keep: list[list[Mask]] = [[] for _ in members]
    for (m, _), mask in zip(files, masks, strict=True):
        keep[m].append(mask)
    return keep


def _keep_first(members: Sequence[Member], uploaded: Mapping[uuid.UUID, datetime], keep: list[list[Mask]]) -> None:
    files = [(m, f) for m, each in enumerate(members) for f in range(len(each.files))]
    files.sort(key=lambda at: (uploaded[members[at[0]].datasets[at[1]]], members[at[0]].datasets[at[1]]))
    holdings = []
    for m, f in files:
        rows, mask = members[m].encoded[f], keep[m][f]
        holdings.append(Holding(members[m].name, rows.X[mask], rows.y[mask]))
    for (m, f), mask in zip(files, own_rows(holdings).keep, strict=True):
        keep[m][f][keep[m][f]] = mask


def _keep_groups(
    members: Sequence[Member], uploaded: Mapping[uuid.UUID, datetime], keep: list[list[Mask]], parts: list[Fraction]
) -> list[tuple[int, ...]]:
    order = sorted(
        range(len(members)), key=lambda m: (min(uploaded[each] for each in members[m].datasets), members[m].name)
    )
    holdings = []
    for m in order:
        kept = [(rows.X[mask], rows.y[mask]) for rows, mask in zip(members[m].encoded, keep[m], strict=True)]
        holdings.append(
            Holding(members[m].name, np.concatenate([X for X, _ in kept]), np.concatenate([y for _, y in kept]))
        )
    owned = group_copies(holdings)
    for place, m in enumerate(order):
        lengths = np.cumsum([int(mask.sum()) for mask in keep[m]])[:-1]
        for mask, kept_rows in zip(keep[m], np.split(owned.keep[place], lengths), strict=True):
            mask[mask] = kept_rows
        parts[m] = owned.parts[place]
    return [tuple(order[place] for place in group) for group in owned.groups]


def _arrange(
    members: Sequence[Member],
    keep: list[list[Mask]],
    groups: list[tuple[int, ...]],
    parts: list[Fraction],
    tested: Sequence[int],
) -> Seating:
    made: list[tuple[Seat, tuple[int, ...]]] = []
    notes = []
    for group in groups:
        files, used = [], []
        for m in group:
            for file, rows, mask in zip(members[m].files, members[m].encoded, keep[m], strict=True):
                if not mask.any():
                    continue
                named = replace(file, drop=drop_mask(mask))
                files.append(named)
                used.append(used_rows(rows, named.drop))
        if files:
            joined = join_rows(used)
            made.append((Seat(members[group[0]].name, tuple(files), joined.digest, len(joined.y)), group))
        if len(group) > 1:
            shown = " and ".join(members[m].shown for m in group)
            notes.append(f"{shown} hold copies of each other's rows and are one player, split by rows.")
    for m, each in enumerate(members):
        if tested[m]:
            notes.append(f"{tested[m]} of {each.count} rows of {each.shown} are in the test set and count for nobody.")
        left_out = sum(int((~mask).sum()) for mask in keep[m]) - tested[m]
        if left_out and all(len(group) == 1 for group in groups if m in group):
            notes.append(f"{left_out} of {each.count} rows of {each.shown} were there before and count for others.")
    made.sort(key=lambda pair: (pair[0].digest, pair[0].name))
    seat_of: list[int | None] = [None] * len(members)
    for at, (_, group) in enumerate(made):
        for m in group:
            seat_of[m] = at
    shares = tuple(part if at is not None else Fraction(0) for part, at in zip(parts, seat_of, strict=True))
    return Seating(tuple(each for each, _ in made), tuple(seat_of), shares, tuple(notes))
