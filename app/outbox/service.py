"""Recording messages: inside the caller's transaction, so that effect and message appear together or not at all.

It never talks to Redis; the relay does that, after the commit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy.orm import Session

from app.outbox import repository

# the parts of the log context that tasks get as their argument ``context``, and hand on to the tasks that they send
CONTEXT = ("request_id", "traceparent")
URGENT = 0
NORMAL = 5


def record(
    session: Session,
    task: str,
    args: Mapping[str, Any],
    *,
    queue: str = "cpu",
    delay: float = 0,
    priority: int = NORMAL,
    lane: str | None = None,
) -> None:
    """Record one task, to be sent by name with ``args`` as its keyword arguments (JSON only).

    ``delay`` in seconds; ``priority`` 0 (first) to 9; ``lane`` names the job that the message belongs to, if any:
    the relay takes lanes in turn, so that one job's thousand messages do not hold up another job's one.
    """
    record_all(session, task, [args], queue=queue, delay=delay, priority=priority, lane=lane)


def record_all(
    session: Session,
    task: str,
    args: Sequence[Mapping[str, Any]],
    *,
    queue: str = "cpu",
    delay: float = 0,
    priority: int = NORMAL,
    lane: str | None = None,
) -> None:
    """Record the same task several times with one statement."""
    if not args:
        return
    context = _context()
    messages = [dict(message) | context for message in args]
    repository.add(session, task, messages, queue=queue, priority=priority, lane=lane, delay=delay)


def _context() -> dict[str, Any]:
    """The ids that connect a task's log lines with the request or task that caused it; empty where there is none."""
    bound = structlog.contextvars.get_contextvars()
    context = {name: bound[name] for name in CONTEXT if bound.get(name)}
    return {"context": context} if context else {}
