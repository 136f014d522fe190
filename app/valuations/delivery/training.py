"""Whose data a released model is trained on: everybody who is paid and whose licence grants it. Pure.

A player of the game can be several payees' (near copies that are one player). It is trained on only where all of them
are paid and grant the model: rows of one who does not cannot be told apart from the others' there.
"""

from collections.abc import Sequence

from contract.orders.grants import Grant
from contract.orders.job import PayeePart
from contract.results.delivery import LeftOut, Training

NOBODY = "nobody is paid whose licence grants the model, so there is none to release"


def training_of(
    seating: Sequence[PayeePart],
    amounts: Sequence[int],
    reasons: Sequence[str],
    grants: Sequence[Sequence[Grant]],
    players: int,
) -> Training:
    """The training of a job's model, by payees' parts, amounts in minor units, the reasons of these, and licences."""
    faults = [
        _fault(part, amount, reason, granted)
        for part, amount, reason, granted in zip(seating, amounts, reasons, grants, strict=True)
    ]
    kept = tuple(_is_kept(player, seating, faults) for player in range(players))
    left_out = []
    for position, (part, fault) in enumerate(zip(seating, faults, strict=True)):
        if fault is None and part.player is not None and not kept[part.player]:
            fault = "its rows are one player with those of others who are not paid or do not grant the model"
        if fault is not None:
            left_out.append(LeftOut(position=position, reason=fault))
    gone = {each.position for each in left_out}
    trained_on = tuple(position for position in range(len(seating)) if position not in gone)
    return Training(kept=kept, trained_on=trained_on, left_out=tuple(left_out))


def _is_kept(player: int, seating: Sequence[PayeePart], faults: Sequence[str | None]) -> bool:
    own = [fault for part, fault in zip(seating, faults, strict=True) if part.player == player]
    return bool(own) and all(fault is None for fault in own)


def _fault(part: PayeePart, amount: int, reason: str, granted: Sequence[Grant]) -> str | None:
    if Grant.MODEL not in granted:
        return "its licence does not grant the model"
    if part.player is None:
        return "none of its rows is used"
    return None if amount > 0 else f"it is not paid ({reason})"
