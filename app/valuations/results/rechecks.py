"""Rows that are opened once more because a provider disputes that its payout is void: which job and player a worker is
to look at, and what follows from what it finds. Never commits."""

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.audit import service as audit
from app.http.ids import public_id
from app.payouts import money, voids
from app.valuations import repository
from app.valuations.results.settlement import player_key
from app.valuations.work import protocol
from contract.orders.job import Job
from contract.results.openings import OpenedRows, OpenedStatus


@dataclass(frozen=True)
class Recheck:
    """A job, and the player of its game (by position) whose rows are opened again; ``waited``: seconds since it was
    asked."""

    job: Job
    game_id: uuid.UUID
    player: int
    waited: float


def begin(session: Session, transfer_id: uuid.UUID) -> Recheck | None:
    """What is to be looked at; None where that was decided."""
    void = voids.disputed(session, transfer_id)
    if void is None or void.dispute is None or void.dispute.asked_at is None:
        return None
    valuation = repository.of_id(session, void.valuation_id)
    seated = [
        valuation.job_inputs.seating[each.position].player
        for each in repository.players(session, valuation.id)
        if player_key(valuation.order, each) == void.player_id
    ]
    if not seated or seated[0] is None:
        raise AssertionError(f"the void payout {transfer_id} is of no player of job {valuation.id}")
    job = protocol.job_of(session, valuation.id, valuation.game_id)
    waited = (repository.now(session) - void.dispute.asked_at).total_seconds()
    return Recheck(job, valuation.game_id, seated[0], waited)


def finish(session: Session, transfer_id: uuid.UUID, found: OpenedRows) -> None:
    """Decide the dispute by what was found, and say so in the audit log."""
    void = voids.disputed(session, transfer_id)
    if void is None:
        return
    borne_out = found.status is OpenedStatus.BORNE_OUT
    voids.decide(session, transfer_id, found.sentence, borne_out=borne_out)
    said = {
        "amount": money.plain(void.amount, void.currency),
        "currency": void.currency,
        "found": found.status.value,
        "goes_to": "provider" if borne_out else "buyer",
    }
    about = public_id("val", void.valuation_id)
    audit.record(session, None, "recheck_void_payout", about, said, subject=void.provider_id)
