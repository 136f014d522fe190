"""What administrators see over HTTP. Shapes only."""

from datetime import datetime

from pydantic import Field

from app.http.ids import AccountId, ShardId, ValuationId
from app.http.schemas import Answer, Body, example

_VAL = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
_NOW = "2026-11-23T12:00:00Z"
_WORKER = {
    "name": "cpu@host-1:4711",
    "queue": "cpu",
    "device": "cpu",
    "host": "host-1",
    "pid": 4711,
    "shard_id": None,
    "started_at": _NOW,
    "seen_at": _NOW,
    "alive": True,
}
_OUTBOX = {"queue": "cpu", "unsent": 3, "due": 2, "oldest_seconds": 0.4, "failing": 0}
_WORK = {"queue": "cpu", "kind": "evaluate", "status": "queued", "shards": 12, "oldest_seconds": 3.5}


class WorkerAnswer(Answer):
    """One worker process and the shard it holds; ``alive`` when its last heartbeat is less than 30 seconds old."""

    model_config = example(**_WORKER)

    name: str
    queue: str
    device: str
    host: str
    pid: int
    shard_id: ShardId | None
    started_at: datetime
    seen_at: datetime
    alive: bool


class WorkersAnswer(Answer):
    """Every worker with a heartbeat in the last hour."""

    model_config = example(items=[_WORKER])

    items: list[WorkerAnswer]


class OutboxAnswer(Answer):
    """Messages of one queue that the relay has not sent; ``failing`` ones were tried."""

    model_config = example(**_OUTBOX)

    queue: str
    unsent: int
    due: int
    oldest_seconds: float
    failing: int


class WorkAnswer(Answer):
    """Shards of one kind on one queue in one state."""

    model_config = example(**_WORK)

    queue: str
    kind: str
    status: str
    shards: int
    oldest_seconds: float


class QueuesAnswer(Answer):
    """Jobs by state, shards by queue, kind and state, and the outbox by queue."""

    model_config = example(jobs={"running": 2}, work=[_WORK], outbox=[_OUTBOX])

    jobs: dict[str, int]
    work: list[WorkAnswer]
    outbox: list[OutboxAnswer]


class FailureAnswer(Answer):
    """A failed job: what its buyer reads, and the traceback behind it."""

    model_config = example(
        valuation_id=_VAL,
        buyer_id="acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f",
        reason="evaluation_failed",
        error="a part of the computation failed 3 times; nothing was charged",
        traceback="Traceback (most recent call last): …",
        created_at=_NOW,
        finished_at=_NOW,
    )

    valuation_id: ValuationId
    buyer_id: AccountId
    reason: str | None
    error: str | None
    traceback: str | None
    created_at: datetime
    finished_at: datetime | None


class RequeuedAnswer(Answer):
    """How many shards of the job were sent again, or the new job that repeats it."""

    model_config = example(valuation_id=_VAL, shards=3, repeated_as=None)

    valuation_id: ValuationId
    shards: int
    repeated_as: ValuationId | None


class TakeDownBody(Body):
    """Why a listing is taken down."""

    model_config = example(reason="it shows names of patients")

    reason: str = Field(min_length=1, max_length=500, description="Its provider is told.")
