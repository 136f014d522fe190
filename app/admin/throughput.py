"""How much was under way and how much ended, hour by hour, from when jobs were posted and ended. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOURS = 48


@dataclass(frozen=True)
class Lifetime:
    """When a job was posted, when it ended (None: not yet), and whether it succeeded."""

    posted: datetime
    ended: datetime | None
    succeeded: bool


@dataclass(frozen=True)
class Hour:
    """An hour that ends at ``until``: jobs not ended by then, and how many ended in it, well or otherwise."""

    until: datetime
    under_way: int
    succeeded: int
    otherwise: int


def by_hour(now: datetime, jobs: Sequence[Lifetime]) -> list[Hour]:
    """The last hours up to now, oldest first."""
    hours = []
    for back in range(HOURS - 1, -1, -1):
        until = now - timedelta(hours=back)
        since = until - timedelta(hours=1)
        ended = [job.succeeded for job in jobs if job.ended is not None and since < job.ended <= until]
        open_ = sum(job.posted <= until and (job.ended is None or job.ended > until) for job in jobs)
        hours.append(Hour(until, open_, sum(ended), len(ended) - sum(ended)))
    return hours
