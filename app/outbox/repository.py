"""All SQL of the outbox: adding messages, locking a batch for one relay, marking, purging."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from app.outbox.tables import OutboxMessage

CHANNEL = "cherish_outbox"


def add(session: Session, rows: Sequence[dict[str, Any]], delay: float) -> None:
    """Insert messages, due after ``delay`` seconds by the database's clock, and ring the relay's bell.

    The bell rings when the transaction commits, or never.
    """
    table = OutboxMessage.metadata.tables[OutboxMessage.__tablename__]
    session.execute(insert(table).values(available_at=func.now() + timedelta(seconds=delay)), list(rows))
    session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


def lock_unsent(session: Session, limit: int) -> Sequence[OutboxMessage]:
    """Up to ``limit`` messages that are due, locked until the transaction ends; another relay's are skipped."""
    statement = (
        select(OutboxMessage)
        .where(OutboxMessage.sent_at.is_(None), OutboxMessage.available_at <= func.now())
        .order_by(OutboxMessage.priority, OutboxMessage.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def mark_sent(session: Session, ids: Sequence[int]) -> None:
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(ids))
        .values(sent_at=func.clock_timestamp(), attempts=OutboxMessage.attempts + 1)
        .execution_options(synchronize_session=False)
    )


def mark_failed(session: Session, message_id: int, error: str) -> None:
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id)
        .values(attempts=OutboxMessage.attempts + 1, last_error=error)
        .execution_options(synchronize_session=False)
    )


def purge_sent(session: Session, older_than: timedelta) -> int:
    """Delete messages sent longer ago than that; returns how many."""
    result = session.execute(delete(OutboxMessage).where(OutboxMessage.sent_at < func.now() - older_than))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE answers with a CursorResult


def count_unsent(session: Session, queue: str) -> int:
    """How many messages of a queue still wait for the relay, those for later included."""
    statement = select(func.count()).where(OutboxMessage.sent_at.is_(None), OutboxMessage.queue == queue)
    return int(session.scalar(statement) or 0)


def backlog(session: Session) -> tuple[int, float]:
    """How many due messages are unsent, and the age of the oldest in seconds."""
    count, age = session.execute(
        select(
            func.count(),
            func.coalesce(func.extract("epoch", func.now() - func.min(OutboxMessage.available_at)), 0.0),
        ).where(OutboxMessage.sent_at.is_(None), OutboxMessage.available_at <= func.now())
    ).one()
    return int(count), float(age)
