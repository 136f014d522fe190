"""The part of a player's value, intervals and share that belongs to one payee. Pure.

Most payees are a player alone, with a part of one. Payees in a group of near copies have less, and a payee whose rows
all count for others has nothing.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contract.orders.job import PayeePart
from contract.results.result import Interval, IntervalParts, PlayerResult, StoredResult
from contract.results.shares import counts_doubt


def part_of(part: PayeePart, players: Sequence[PlayerResult]) -> PlayerResult:
    """The result of the game's player, times this payee's part of it."""
    return PlayerResult.nothing() if part.player is None else players[part.player].part(float(part.part))


@dataclass(frozen=True)
class PayeeResult:
    """What is known of one payee: its value and share, and their intervals where these count anything uncertain."""

    value: float
    stderr: float | None
    value_ci: Interval | None
    share: float | None
    share_ci: Interval | None
    share_band: Interval | None
    parts: IntervalParts | None = None


def known_intervals(part: PayeePart, players: Sequence[PlayerResult]) -> PayeeResult:
    """A payee's part of the engine's findings, without intervals of no width that are no certainty."""
    own = part_of(part, players)
    if part.player is None or counts_doubt(own.value_ci):
        return PayeeResult(own.value, own.stderr, own.value_ci, own.share, own.share_ci, own.share_band, own.parts)
    return PayeeResult(own.value, None, None, own.share, None, None)


def players_paid(result: StoredResult) -> list[PlayerResult]:
    """What each player of the game is paid on: valued again without those who do harm, where there were any.

    Shares and their intervals belong together: both are those of the valuation that is paid.
    """
    players = list(result.players)
    again = result.without_harm
    if again is not None:
        for at, player in zip(again.kept, again.players, strict=True):
            players[at] = player
        for at in again.excluded:
            # it was below zero for certain at some round; its first interval may not say so
            low, high = players[at].value_band
            players[at] = replace(
                players[at],
                value=min(players[at].value, 0.0),
                value_band=(min(low, -sys.float_info.min), min(high, -sys.float_info.min)),
                share=0.0,
                share_ci=(0.0, 0.0),
                share_band=(0.0, 0.0),
                parts=None,
            )
    return players
