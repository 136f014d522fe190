"""Administrators' view of the whole deployment, and how they start failed work again. Never commits.

A job that has ended stays ended: what failed is repeated as a new job of the same buyer, with the worths that exist.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.admin import queues as work_queues
from app.admin import repository
from app.admin.gauges import first_id, history
from app.admin.throughput import Hour, Lifetime, by_hour
from app.errors import Conflict
from app.http.pages import PageRequest
from app.identity import Caller, Role
from app.settings import Settings
from app.storage import deployments
from app.storage.blobs import BlobStore
from app.valuations import repository as jobs
from app.valuations import service as valuations
from app.valuations.schemas import NewValuation
from app.valuations.states import WORKING, ValuationStatus
from app.valuations.tables import Valuation
from app.valuations.work import lifecycle

_STALE_SECONDS = 30.0
# jobs that take longer are rare, and are counted while they are under way
_POSTED_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class WorkerView:
    """One worker process. ``alive``: its last heartbeat is less than half a minute old."""

    name: str
    queue: str
    device: str
    host: str
    pid: int
    shard_id: uuid.UUID | None
    started_at: datetime
    seen_at: datetime
    alive: bool


@dataclass(frozen=True)
class OutboxLine:
    """Messages of one queue that the relay has not sent."""

    queue: str
    unsent: int
    due: int
    oldest_seconds: float
    failing: int


@dataclass(frozen=True)
class WorkLine:
    """Shards of one kind on one queue in one state, and since when the oldest exists."""

    queue: str
    kind: str
    status: str
    shards: int
    oldest_seconds: float


@dataclass(frozen=True)
class Queues:
    """All that waits or is under way."""

    jobs: dict[str, int]
    work: list[WorkLine]
    outbox: list[OutboxLine]


@dataclass(frozen=True)
class FailureView:
    """A failed job: the sentence for its buyer, and the traceback behind it."""

    valuation_id: uuid.UUID
    buyer_id: uuid.UUID
    reason: str | None
    error: str | None
    traceback: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Requeued:
    """The work that was started again: so many shards of the job, or a new job in its place."""

    valuation_id: uuid.UUID
    shards: int
    repeated_as: uuid.UUID | None


def workers(session: Session) -> list[WorkerView]:
    """Every worker with a heartbeat in the last hour."""
    now = jobs.now(session)
    return [
        WorkerView(
            row.name,
            row.queue,
            row.device,
            row.host,
            row.pid,
            row.shard_id,
            row.started_at,
            row.seen_at,
            (now - row.seen_at).total_seconds() < _STALE_SECONDS,
        )
        for row in work_queues.workers(session)
    ]


def queues(session: Session) -> Queues:
    """Jobs, shards and messages that wait or are under way, by state, with the age of the oldest."""
    now = jobs.now(session)
    return Queues(
        jobs={row[0].value: int(row[1]) for row in repository.jobs_by_status(session)},
        work=[
            WorkLine(line.queue, line.kind, line.status, line.shards, (now - line.oldest).total_seconds())
            for line in work_queues.queue(session)
        ],
        outbox=[
            OutboxLine(row[0], int(row[1]), int(row[2]), float(row[3]), int(row[4]))
            for row in repository.outbox_by_queue(session)
        ],
    )


def throughput(session: Session) -> list[Hour]:
    """Jobs under way and ended, hour by hour: of those posted in the last days, and all that have not ended."""
    now = jobs.now(session)
    rows = repository.lifetimes(session, first_id(now - _POSTED_WITHIN))
    lifetimes = [Lifetime(posted, ended, status is ValuationStatus.SUCCEEDED) for posted, ended, status in rows]
    return by_hour(now, lifetimes)


def failures(session: Session, page: PageRequest) -> tuple[list[FailureView], str | None]:
    """Failed jobs, newest first, each with the last traceback of its work."""
    rows, following = repository.failed_jobs(session, page)
    return [
        FailureView(
            row.id,
            row.buyer_id,
            row.reason,
            row.error,
            row.traceback or jobs.last_error(session, row.id),
            row.created_at,
            row.finished_at,
        )
        for row in rows
    ], following


def requeue(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, valuation_id: uuid.UUID
) -> Requeued:
    """Send a working job's free shards again, with all their attempts; repeat a failed job as a new one.

    Raises NotFound, and Conflict for a job that waits its turn, is being cancelled, or ended otherwise than by failing;
    and whatever posting raises, where the buyer's money or a dataset is gone meanwhile.
    """
    valuations.get(session, caller, valuation_id)
    valuation = jobs.lock(session, valuation_id)
    if valuation.status is ValuationStatus.FAILED:
        return Requeued(valuation_id, 0, _repeat(session, blobs, settings, valuation))
    if valuation.status not in WORKING:
        raise Conflict(
            f"valuation val_{valuation_id.hex} is {valuation.status.value}; only a job at work has shards to send "
            "again, and only a failed one can be repeated"
        )
    shards = repository.lock_queued_shards(session, valuation_id)
    for shard in shards:
        lifecycle.send(session, valuation_id, shard.kind, [shard.id], shard.queue)
    repository.forgive(session, [shard.id for shard in shards])
    return Requeued(valuation_id, len(shards), None)


def _repeat(session: Session, blobs: BlobStore, settings: Settings, failed: Valuation) -> uuid.UUID:
    if failed.tops_up is not None:
        raise Conflict(
            f"valuation val_{failed.id.hex} tops up val_{failed.tops_up.hex}; its buyer can top that up again"
        )
    if failed.explores:
        raise Conflict(f"exploration exp_{failed.id.hex} has failed; its buyer can ask for it again")
    spec = dict(failed.spec)
    if failed.deadline is not None and failed.deadline <= datetime.now(UTC):
        spec["deadline"] = None
    labels = {name: text for name, text in failed.labels.items() if name != "repeats"}
    labels = dict(list(labels.items())[:31]) | {"repeats": f"val_{failed.id.hex}"}
    order = NewValuation.stored(spec | {"metadata": labels})
    if (order.payout.dispute_window_seconds or 0) < settings.default_dispute_window_days * 86_400:
        # the job is repeated under the market's window of today, if that is longer than its own
        order.payout.dispute_window_seconds = None
    buyer = Caller(failed.buyer_id, Role.BUYER, frozenset(), key_id=None)
    return valuations.post(session, blobs, settings, buyer, order).id


def gauges(session: Session) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    """The numbers of this moment for the metrics: name -> [(label values, value)]."""
    waiting = queues(session)
    collected = deployments.state(session)
    alive = [worker for worker in workers(session) if worker.alive]
    return {
        "jobs": [((status,), count) for status, count in waiting.jobs.items()],
        "shards": [((line.queue, line.kind, line.status), line.shards) for line in waiting.work],
        "shard_age": [((line.queue, line.kind, line.status), line.oldest_seconds) for line in waiting.work],
        "outbox": [((line.queue,), line.due) for line in waiting.outbox],
        "outbox_age": [((line.queue,), line.oldest_seconds) for line in waiting.outbox],
        "brake": [((), float(collected is not None and collected.brake is not None))],
        "unreferenced": [((), 0 if collected is None else collected.unreferenced)],
        "workers": [
            ((queue,), sum(worker.queue == queue for worker in alive)) for queue in sorted({w.queue for w in alive})
        ],
        **history(session),
    }
