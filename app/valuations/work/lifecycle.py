"""The life of a job: started, ended, its escrow released. Each move is checked against ``states`` and leaves an event.

Everything here happens inside the caller's transaction, on a job whose row is locked; nothing here commits, computes a
worth or talks to a worker.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.db.base import uuid7
from app.errors import Conflict
from app.outbox import service as outbox
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations import repository
from app.valuations.states import (
    NOT_BEGUN,
    TERMINAL,
    Reason,
    ShardKind,
    ShardStatus,
    ValuationStatus,
    transition,
)
from app.valuations.tables import Valuation
from app.valuations.work import consents, shards
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.results.result import Precision

# where tasks that compute no worths run; every deployment has a worker on it
CONTROL_QUEUE = "cpu"

_S = ValuationStatus


def move(session: Session, valuation: Valuation, status: ValuationStatus, data: dict[str, Any] | None = None) -> None:
    """Change a locked job's status and record it as an event ``valuation.<status>``."""
    valuation.status = transition(valuation.status, status)
    now = repository.now(session)
    if status is _S.PLANNING:
        valuation.started_at = now
    if status in TERMINAL:
        valuation.finished_at = now
    repository.add_event(session, valuation, f"valuation.{status}", data or {})
    if status in TERMINAL and valuation.explores:
        about = {"id": valuation.id, "status": status.value}
        webhooks.emit(session, valuation.buyer_id, EventType.EXPLORATION_ENDED, about)
    elif status in TERMINAL:
        ended: dict[str, Any] = {"id": valuation.id, "status": status.value, "reason": valuation.reason}
        if status is _S.SUCCEEDED:
            ended["precision_met"] = valuation.job_progress.precision_met
        webhooks.emit(session, valuation.buyer_id, f"valuation.{status}", ended)


def start_next(session: Session, settings: Settings, buyer_id: uuid.UUID) -> None:
    """Start a buyer's waiting jobs, oldest first, as far as the limit of jobs at once allows."""
    repository.lock_buyer(session, buyer_id)
    for _ in range(repository.room_for_jobs(session, buyer_id, settings.max_running_per_buyer)):
        valuation = repository.lock_next_queued(session, buyer_id)
        if valuation is None:
            return
        _start(session, valuation)


def _start(session: Session, valuation: Valuation) -> None:
    move(session, valuation, _S.PLANNING)
    if repository.get_game(session, valuation.game_id).prepared is None:
        add_step(session, valuation, ShardKind.PREPARE, valuation.queue)
    else:
        add_step(session, valuation, ShardKind.PLAN, CONTROL_QUEUE)


def settle_or_wait(session: Session, valuation: Valuation, precision: Precision | None) -> None:
    """Begin to settle a locked job; one that missed its precision, where more computing would help, first waits for a
    top-up as long as its order says."""
    window = valuation.order.payout.top_up_window_seconds
    if not window or valuation.tops_up is not None or precision is None or not precision.computing_helps:
        move(session, valuation, _S.SETTLING)
        add_step(session, valuation, ShardKind.SETTLE, CONTROL_QUEUE)
        return
    valuation.waits_until = repository.now(session) + timedelta(seconds=window)
    move(session, valuation, _S.SETTLING, {"waits_until": valuation.waits_until.isoformat()})


def end_wait(session: Session, valuation: Valuation) -> None:
    """Settle a locked job that waited for a top-up, on the result that it has."""
    valuation.waits_until = None
    add_step(session, valuation, ShardKind.SETTLE, CONTROL_QUEUE)


def add_step(session: Session, valuation: Valuation, kind: ShardKind, queue: str) -> None:
    """Write the one shard that prepares, plans or settles at the job's present round, with its message."""
    shard_id = uuid7()
    shards.add_shards(
        session,
        [
            {
                "id": shard_id,
                "valuation_id": valuation.id,
                "round": valuation.round,
                "kind": kind,
                "ordinal": 0,
                "status": ShardStatus.QUEUED,
                "queue": queue,
                "dispatched_at": repository.now(session),
            }
        ],
    )
    send(session, valuation.id, kind, [shard_id], queue)


def send(
    session: Session, valuation_id: uuid.UUID, kind: ShardKind, shard_ids: list[uuid.UUID], queue: str, delay: float = 0
) -> None:
    """Record the messages of shards. Planning and settling overtake computing: they are short and others wait."""
    outbox.record_all(
        session,
        f"worker.tasks.{kind}",
        [{"shard_id": str(shard_id)} for shard_id in shard_ids],
        queue=queue,
        delay=delay,
        priority=outbox.NORMAL if kind is ShardKind.EVALUATE else outbox.URGENT,
        lane=str(valuation_id),
    )


def fail(
    session: Session, settings: Settings, valuation: Valuation, reason: Reason, sentence: str, traceback: str | None
) -> None:
    """End a locked job without a result: the cause for the buyer, the traceback for the administrator, money back."""
    if valuation.status in TERMINAL or valuation.status is _S.CANCELLING:
        return
    valuation.reason, valuation.error, valuation.traceback = reason, sentence, traceback
    move(session, valuation, _S.FAILED, {"reason": reason, "error": sentence})
    _end(session, settings, valuation)


def cancel(session: Session, settings: Settings, valuation_id: uuid.UUID, reason: Reason, named: str) -> Valuation:
    """Stop a job for ``reason``. One that is cancelling or cancelled stays so; one that settles or has ended raises
    Conflict, which calls it as it is ``named``."""
    valuation = repository.lock(session, valuation_id)
    if valuation.status in (_S.CANCELLING, _S.CANCELLED):
        return valuation
    if valuation.status is _S.SETTLING or valuation.status in TERMINAL:
        raise Conflict(
            f"{named} is {valuation.status.value} and can no longer be cancelled; only what has not begun, or is "
            "planning or running, can"
        )
    request_stop(session, settings, valuation, reason)
    return valuation


def request_stop(
    session: Session, settings: Settings, valuation: Valuation, reason: Reason, why: str | None = None
) -> None:
    """Begin to cancel a locked job; it ends at once where no worker holds any of its work. ``why`` is the sentence for
    its buyer, of a job that has not begun."""
    valuation.reason = reason
    if valuation.status in NOT_BEGUN:
        valuation.cancel_requested_at = repository.now(session)
        _finish_stop(session, settings, valuation, why)
        return
    valuation.cancel_requested_at = repository.now(session)
    move(session, valuation, _S.CANCELLING, {"reason": reason})
    shards.abandon_queued(session, valuation.id)
    end_if_idle(session, settings, valuation)


def end_if_idle(session: Session, settings: Settings, valuation: Valuation) -> None:
    """Finish cancelling a locked job once no worker holds a lease on its work."""
    if valuation.status is _S.CANCELLING and not shards.any_held(session, valuation.id):
        _finish_stop(session, settings, valuation)


def past_deadline(valuation: Valuation, now: datetime) -> bool:
    """Whether a job that can still be stopped has run out of time."""
    stoppable = valuation.status in (*NOT_BEGUN, _S.PLANNING, _S.RUNNING)
    return stoppable and valuation.deadline is not None and valuation.deadline <= now


def _finish_stop(session: Session, settings: Settings, valuation: Valuation, why: str | None = None) -> None:
    final = _S.EXPIRED if valuation.reason == Reason.DEADLINE else _S.CANCELLED
    valuation.error = why or (
        "the job's deadline passed before it had a result; nothing was charged"
        if final is _S.EXPIRED
        else "a dataset that the job or its checkpoint has used was withdrawn, so it was stopped; nothing was charged"
        if valuation.reason == Reason.WITHDRAWN
        else "the job was cancelled; nothing was charged"
    )
    consents.close(session, valuation.id)
    move(session, valuation, final, {"reason": valuation.reason})
    _end(session, settings, valuation)


def _end(session: Session, settings: Settings, valuation: Valuation) -> None:
    shards.abandon_queued(session, valuation.id)
    shards.abandon_expired(session, valuation.id)
    if valuation.pool_minor:
        payouts.refund(session, valuation.id)
    start_next(session, settings, valuation.buyer_id)
