"""SQL of the duties to unlearn: opened by a withdrawal, claimed under a lease, ended by the holder of the fence.

It is the protocol of shards (docs/reliability.md) for work that belongs to no job. A checkpoint's row is always locked
before its duties are touched, so that one at a time makes its next weights. All times are the database's.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from app.checkpoints import repository
from app.checkpoints.tables import Checkpoint, UnlearningDuty, UnlearningStatus
from app.db.base import uuid7

_NO_SYNC = {"synchronize_session": False}
_NOW = func.clock_timestamp()
_OPEN = (UnlearningStatus.WAITING, UnlearningStatus.RUNNING)


@dataclass(frozen=True)
class UnlearningClaim:
    """What the holder of a lease knows about its duty."""

    unlearning_id: uuid.UUID
    checkpoint_id: uuid.UUID
    dataset_id: uuid.UUID
    reference_id: uuid.UUID | None
    attempt: int
    fence: int


_CLAIMED = (
    UnlearningDuty.id.label("unlearning_id"),
    UnlearningDuty.checkpoint_id,
    UnlearningDuty.dataset_id,
    UnlearningDuty.reference_id,
    UnlearningDuty.attempt,
    UnlearningDuty.fence,
)


def _after(seconds: float) -> Any:
    return _NOW + timedelta(seconds=seconds)


def _due() -> Any:
    """The duty is due by time; or nothing was tried yet and the owner has chosen a method."""
    chosen = exists().where(Checkpoint.id == UnlearningDuty.checkpoint_id, Checkpoint.unlearning.is_not(None))
    return and_(
        UnlearningDuty.due_at.is_not(None),
        or_(UnlearningDuty.due_at <= _NOW, and_(UnlearningDuty.fence == 0, chosen)),
    )


def open_duty(
    session: Session, checkpoint_id: uuid.UUID, dataset_id: uuid.UUID, reference_id: uuid.UUID | None
) -> None:
    """A checkpoint is to forget a dataset; a duty that exists stays as it is."""
    session.execute(
        upsert(UnlearningDuty)
        .values(
            id=uuid7(),
            checkpoint_id=checkpoint_id,
            dataset_id=dataset_id,
            reference_id=reference_id,
            status=UnlearningStatus.WAITING,
        )
        .on_conflict_do_nothing(index_elements=["checkpoint_id", "dataset_id"])
    )


def of_dataset(session: Session, dataset_id: uuid.UUID) -> Sequence[UnlearningDuty]:
    """Every duty that a withdrawal made, ended or not."""
    statement = select(UnlearningDuty).where(UnlearningDuty.dataset_id == dataset_id).order_by(UnlearningDuty.id)
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def of_id(session: Session, unlearning_id: uuid.UUID) -> UnlearningDuty | None:
    return session.get(UnlearningDuty, unlearning_id, populate_existing=True)


def count_open(session: Session, dataset_id: uuid.UUID) -> int:
    """How many checkpoints have not forgotten the dataset yet."""
    statement = select(func.count()).where(UnlearningDuty.dataset_id == dataset_id, UnlearningDuty.status.in_(_OPEN))
    return int(session.scalar(statement) or 0)


def let_begin(session: Session, dataset_id: uuid.UUID, grace: float) -> datetime | None:
    """The duties of a dataset may begin: at once where their owner has chosen a method, else after ``grace`` seconds.

    Returns until when owners can still choose; None where no duty waits for that.
    """
    session.execute(
        update(UnlearningDuty)
        .where(
            UnlearningDuty.dataset_id == dataset_id,
            UnlearningDuty.due_at.is_(None),
            UnlearningDuty.status.in_(_OPEN),
        )
        .values(due_at=_after(grace))
        .execution_options(**_NO_SYNC)
    )
    latest = select(func.max(UnlearningDuty.due_at)).where(
        UnlearningDuty.dataset_id == dataset_id, UnlearningDuty.status == UnlearningStatus.WAITING
    )
    moment: datetime | None = session.scalar(latest)
    return moment


def take_due(session: Session, resend: timedelta, limit: int) -> Sequence[uuid.UUID]:
    """Duties that a worker should begin now, marked as sent; their messages must be recorded now."""
    chosen = (
        select(UnlearningDuty.id)
        .where(
            UnlearningDuty.status == UnlearningStatus.WAITING,
            _due(),
            or_(UnlearningDuty.sent_at.is_(None), UnlearningDuty.sent_at < _NOW - resend),
        )
        .order_by(UnlearningDuty.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    taken = (
        update(UnlearningDuty).where(UnlearningDuty.id == chosen.c.id).values(sent_at=_NOW).returning(UnlearningDuty.id)
    )
    return session.scalars(taken.execution_options(**_NO_SYNC)).all()


def claim(
    session: Session, unlearning_id: uuid.UUID, worker: str, lease: float, max_attempts: int
) -> UnlearningClaim | None:
    """Take the lease of a duty that is due while no other of its checkpoint is being done; None otherwise."""
    duty = of_id(session, unlearning_id)
    if duty is None:
        return None
    repository.lock(session, duty.checkpoint_id)
    other = aliased(UnlearningDuty)
    busy = exists().where(other.checkpoint_id == duty.checkpoint_id, other.status == UnlearningStatus.RUNNING)
    statement = (
        update(UnlearningDuty)
        .where(UnlearningDuty.id == unlearning_id, UnlearningDuty.status == UnlearningStatus.WAITING, _due(), ~busy)
        .where(UnlearningDuty.attempt < max_attempts)
        .values(
            status=UnlearningStatus.RUNNING,
            fence=UnlearningDuty.fence + 1,
            attempt=UnlearningDuty.attempt + 1,
            lease_until=_after(lease),
            worker=worker,
        )
        .returning(*_CLAIMED)
        .execution_options(**_NO_SYNC)
    )
    row = session.execute(statement).one_or_none()
    return UnlearningClaim(**row._mapping) if row else None


def _held(claim: UnlearningClaim) -> Any:
    return and_(
        UnlearningDuty.id == claim.unlearning_id,
        UnlearningDuty.fence == claim.fence,
        UnlearningDuty.status == UnlearningStatus.RUNNING,
    )


def extend(session: Session, claim: UnlearningClaim, lease: float) -> bool:
    """Push the lease forward; False when another worker holds it now."""
    statement = (
        update(UnlearningDuty).where(_held(claim)).values(lease_until=_after(lease)).returning(UnlearningDuty.id)
    )
    return session.execute(statement.execution_options(**_NO_SYNC)).one_or_none() is not None


def end(
    session: Session,
    claim: UnlearningClaim,
    status: UnlearningStatus,
    before: str | None,
    after: str | None,
    record: dict[str, Any],
) -> datetime | None:
    """End a held duty; its moment, or None when the lease was lost and nothing else may be written."""
    statement = (
        update(UnlearningDuty)
        .where(_held(claim))
        .values(status=status, before=before, after=after, record=record, finished_at=_NOW, lease_until=None)
        .returning(UnlearningDuty.finished_at)
        .execution_options(**_NO_SYNC)
    )
    moment: datetime | None = session.scalar(statement)
    return moment


def give_back(session: Session, claim: UnlearningClaim, delay: float) -> bool:
    """Return a held duty, to be sent after ``delay``; the attempt does not count: nothing went wrong with it."""
    statement = (
        update(UnlearningDuty)
        .where(_held(claim))
        .values(
            status=UnlearningStatus.WAITING,
            attempt=UnlearningDuty.attempt - 1,
            lease_until=None,
            sent_at=None,
            due_at=_after(delay),
        )
        .returning(UnlearningDuty.id)
        .execution_options(**_NO_SYNC)
    )
    return session.execute(statement).one_or_none() is not None


def fail_attempt(session: Session, claim: UnlearningClaim, error: str, delay: float) -> bool:
    """Record what went wrong and let the duty be tried again after ``delay`` seconds."""
    statement = (
        update(UnlearningDuty)
        .where(_held(claim))
        .values(status=UnlearningStatus.WAITING, last_error=error, lease_until=None, sent_at=None, due_at=_after(delay))
        .returning(UnlearningDuty.id)
        .execution_options(**_NO_SYNC)
    )
    return session.execute(statement).one_or_none() is not None


def note_error(session: Session, claim: UnlearningClaim, error: str) -> None:
    """Keep what went wrong, for administrators."""
    session.execute(update(UnlearningDuty).where(_held(claim)).values(last_error=error).execution_options(**_NO_SYNC))


def expired(session: Session, limit: int) -> Sequence[uuid.UUID]:
    """Duties whose lease ran out."""
    statement = select(UnlearningDuty.id).where(
        UnlearningDuty.status == UnlearningStatus.RUNNING, UnlearningDuty.lease_until < _NOW
    )
    return session.scalars(statement.limit(limit)).all()


def retake_expired(
    session: Session, unlearning_id: uuid.UUID, worker: str, max_attempts: int
) -> UnlearningClaim | None:
    """Let an expired duty be tried again; at the limit of attempts, hold it instead, to end it.

    The caller has locked the checkpoint.
    """
    spent = UnlearningDuty.attempt >= max_attempts
    statement = (
        update(UnlearningDuty)
        .where(
            UnlearningDuty.id == unlearning_id,
            UnlearningDuty.status == UnlearningStatus.RUNNING,
            UnlearningDuty.lease_until < _NOW,
        )
        .values(
            status=case((spent, UnlearningStatus.RUNNING.value), else_=UnlearningStatus.WAITING.value),
            fence=UnlearningDuty.fence + 1,
            worker=worker,
            lease_until=None,
            sent_at=None,
            due_at=_NOW,
        )
        .returning(*_CLAIMED)
        .execution_options(**_NO_SYNC)
    )
    row = session.execute(statement).one_or_none()
    if row is None or row.attempt < max_attempts:
        return None
    return UnlearningClaim(**row._mapping)
