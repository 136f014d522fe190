"""What of a game's player belongs to one who is paid: its value, intervals and share times its part. Pure.

Most are players alone, with a part of one; members of a group of copies have less, and who has no seat has nothing.
"""

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


def _times(value: Any, part: float) -> Any:
    if value is None:
        return None
    return [each * part for each in value] if isinstance(value, list | tuple) else value * part
