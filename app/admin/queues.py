"""Administrators' view of the work: the shards that are not done, and the workers, at this moment. It reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.admin import queue_repository
from app.valuations.tables import WorkerHeartbeat


@dataclass(frozen=True)
class QueueLine:
    """Shards of one kind on one queue in one state: how many, and when the oldest was written."""

    queue: str
    kind: str
    status: str
    shards: int
    oldest: datetime


def queue(session: Session) -> list[QueueLine]:
    """Work that is not done, by queue, kind and state."""
    return [
        QueueLine(row[0], row[1].value, row[2].value, int(row[3]), row[4])
        for row in queue_repository.unfinished(session)
    ]


def workers(session: Session) -> Sequence[WorkerHeartbeat]:
    """Every worker process whose heartbeat is still kept, by name."""
    return queue_repository.known_workers(session)
