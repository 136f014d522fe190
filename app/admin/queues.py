"""What an administrator looks at: how much waits, and who works. It reads only, and at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.admin import queue_repository
from app.valuations.tables import WorkerHeartbeat


@dataclass(frozen=True)
class QueueLine:
    """How many shards of one kind on one queue are in one state, and since when the oldest is."""

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
