"""All SQL of the outbox: adding messages, locking a batch for one relay, marking, purging."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Double,
    SmallInteger,
    String,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app.db.base import table_of
from app.outbox.tables import OutboxMessage

CHANNEL = "cherish_outbox"
_OUTBOX = table_of(OutboxMessage)


@dataclass(frozen=True)
class Due:
    """A message that is due, locked for the relay that sends it."""

    id: int
    task: str
    args: dict[str, Any]
    queue: str
    priority: int
    lane: str | None


def _add() -> Any:
    same: dict[str, Any] = {
        "task": bindparam("task_name", type_=String),
        "queue": bindparam("on_queue", type_=String),
        "priority": bindparam("rank", type_=SmallInteger),
        "lane": bindparam("of_lane", type_=String),
        "available_at": func.now() + bindparam("delay", type_=Double) * literal_column("interval '1 second'"),
    }
    args = cast(func.unnest(bindparam("all_args", type_=ARRAY(Text))), JSONB)
    added = insert(_OUTBOX).from_select([*same, "args"], select(*same.values(), args)).cte("added")
    return select(func.pg_notify(CHANNEL, "")).add_cte(added)


_ADD = _add()


def add(
    session: Session,
    task: str,
    args: Sequence[Mapping[str, Any]],
    *,
    queue: str,
    priority: int,
    lane: str | None,
    delay: float,
) -> None:
    """Insert messages, due after ``delay`` seconds by the database's clock, and notify the relay.

    The notification is sent when the transaction commits, or never. Both are one statement.
    """
    values = {"task_name": task, "on_queue": queue, "rank": priority, "of_lane": lane, "delay": float(delay)}
    session.execute(_ADD, values | {"all_args": [json.dumps(message) for message in args]})


_DUE = (
    select(*(_OUTBOX.c[name] for name in ("id", "task", "args", "queue", "priority", "lane")))
    .where(_OUTBOX.c.sent_at.is_(None), _OUTBOX.c.available_at <= func.now())
    .order_by(_OUTBOX.c.priority, _OUTBOX.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


def lock_unsent(session: Session, limit: int) -> Sequence[Due]:
    """Up to ``limit`` messages that are due, locked until the transaction ends; another relay's are skipped."""
    return [Due(*row) for row in session.execute(_DUE, {"most": limit})]


_MARK_SENT = (
    update(_OUTBOX)
    .where(_OUTBOX.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    .values(sent_at=func.clock_timestamp(), attempts=_OUTBOX.c.attempts + 1)
)


def mark_sent(session: Session, ids: Sequence[int]) -> None:
    session.execute(_MARK_SENT, {"ids": list(ids)})


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
