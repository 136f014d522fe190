"""What of a game's player belongs to one who is paid: its value, intervals and share times its part. Pure.

Most are players alone, with a part of one; members of a group of copies have less, and who has no seat has nothing.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from app.valuations.tables import Valuation

_NOTHING: dict[str, Any] = {
    "value": 0.0,
    "stderr": 0.0,
    "value_ci": [0.0, 0.0],
    "value_band": [0.0, 0.0],
    "share": 0.0,
    "share_ci": [0.0, 0.0],
    "share_band": [0.0, 0.0],
}


def seat_and_part(valuation: Valuation, position: int) -> tuple[int | None, float]:
    """The game's player of the job's player at ``position``, and its part of it."""
    seat, above, below = valuation.inputs["seating"][position]
    return seat, above / below


def part_of(valuation: Valuation, position: int, seats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The engine's findings on the game's player, as far as they are this player's."""
    seat, part = seat_and_part(valuation, position)
    if seat is None:
        return dict(_NOTHING)
    found = seats[seat]
    if part == 1.0:
        return dict(found)
    return {name: _times(found[name], part) for name in _NOTHING}


def seats_paid(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each player of the game is paid on: valued again without those who do harm, where there were any.

    Shares and their intervals belong together: both are those of the valuation that is paid.
    """
    seats = [dict(seat) for seat in result["players"]]
    again = result.get("without_harm")
    if again is not None:
        for seat, found in zip(again["kept"], again["players"], strict=True):
            seats[seat] = dict(found)
        for seat in again["excluded"]:
            # it was below zero for certain at some round; its first interval may not say so
            low, high = seats[seat]["value_band"]
            band = [min(low, -sys.float_info.min), min(high, -sys.float_info.min)]
            nothing = {"share": 0.0, "share_ci": [0.0, 0.0], "share_band": [0.0, 0.0]}
            seats[seat] |= {"value": min(seats[seat]["value"], 0.0), "value_band": band} | nothing
    return seats


def _times(value: Any, part: float) -> Any:
    if value is None:
        return None
    return [each * part for each in value] if isinstance(value, list | tuple) else value * part
