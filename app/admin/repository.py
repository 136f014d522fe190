"""SQL of administrators' views alone: the outbox by queue, failed jobs with their tracebacks, a job's open work."""

import uuid
from collections.abc import Sequence

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session, undefer

from app.http.pages import PageRequest
from app.outbox.tables import OutboxMessage
from app.valuations.states import ShardStatus, ValuationStatus
from app.valuations.tables import Shard, Valuation


def outbox_by_queue(session: Session) -> Sequence[Row[str, int, int, float, int]]:
    """(queue, unsent, due, seconds that the oldest due message waits, messages that failed to be sent)."""
    due = OutboxMessage.available_at <= func.now()
    waited = func.extract("epoch", func.now() - func.min(OutboxMessage.available_at).filter(due))
    statement = (
        select(
            OutboxMessage.queue,
            func.count(),
            func.count().filter(due),
            func.coalesce(waited, 0.0),
            func.count().filter(OutboxMessage.last_error.is_not(None)),
        )
        .where(OutboxMessage.sent_at.is_(None))
        .group_by(OutboxMessage.queue)
        .order_by(OutboxMessage.queue)
    )
    return session.execute(statement).all()


def jobs_by_status(session: Session) -> Sequence[Row[ValuationStatus, int]]:
    """How many jobs that have not ended are in each state."""
    active = ("queued", "planning", "running", "settling", "cancelling")
    statement = select(Valuation.status, func.count()).where(Valuation.status.in_(active)).group_by(Valuation.status)
    return session.execute(statement).all()


def failed_jobs(session: Session, page: PageRequest) -> tuple[list[Valuation], str | None]:
    """Failed jobs with their tracebacks, newest first."""
    statement = select(Valuation).where(Valuation.status == ValuationStatus.FAILED)
    return page.fetch(session, statement.options(undefer(Valuation.traceback)), Valuation, {"list": "failures"})


def lock_queued_shards(session: Session, valuation_id: uuid.UUID) -> Sequence[Shard]:
    """A job's shards that no worker holds, locked; those that a worker is claiming at this moment are skipped."""
    statement = (
        select(Shard)
        .where(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.QUEUED)
        .order_by(Shard.round, Shard.ordinal)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def forgive(session: Session, shard_ids: Sequence[uuid.UUID]) -> None:
    """Let shards have all their attempts again, and count them as dispatched now."""
    session.execute(
        update(Shard)
        .where(Shard.id.in_(shard_ids))
        .values(attempt=0, dispatched_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
