"""What administrators see over HTTP. Shapes only."""

from datetime import datetime
from typing import Self

from pydantic import Field

from app.admin.searching import Hits
from app.datasets.lifecycle import DatasetStatus
from app.http.ids import AccountId, DatasetId, ShardId, ValuationId
from app.http.schemas import Answer, Body, example
from app.identity import AccountStatus, Role
from app.valuations.states import ValuationStatus

_VAL = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
_NOW = "2026-11-23T12:00:00Z"
_ACC = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_DS = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c"
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


class FoundAccount(Answer):
    """An organisation that a search found."""

    model_config = example(id=_ACC, name="City Hospital", role="buyer", status="active")

    id: AccountId
    name: str
    role: Role
    status: AccountStatus


class FoundDataset(Answer):
    """A dataset that a search found, and whose it is."""

    model_config = example(
        id=_DS, name="ward admissions", status="published", provider_id=_ACC, provider="City Hospital"
    )

    id: DatasetId
    name: str
    status: DatasetStatus
    provider_id: AccountId
    provider: str


class FoundJob(Answer):
    """A job that a search found, and whose it is."""

    model_config = example(id=_VAL, status="succeeded", buyer_id=_ACC, buyer="City Hospital", created_at=_NOW)

    id: ValuationId
    status: ValuationStatus
    buyer_id: AccountId
    buyer: str
    created_at: datetime


class HitsAnswer(Answer):
    """What a search found, newest first, at most 20 of each kind."""

    model_config = example(accounts=[{"id": _ACC, "name": "City Hospital", "role": "buyer", "status": "active"}],
                           datasets=[], jobs=[])  # fmt: skip

    accounts: list[FoundAccount]
    datasets: list[FoundDataset]
    jobs: list[FoundJob]

    @classmethod
    def of(cls, hits: Hits) -> Self:
        """The answer for what was found."""
        return cls(
            accounts=[FoundAccount.model_validate(each) for each in hits.accounts],
            datasets=[
                FoundDataset(
                    id=each.id,
                    name=each.name,
                    status=each.status,
                    provider_id=each.provider_id,
                    provider=hits.names[each.provider_id],
                )
                for each in hits.datasets
            ],
            jobs=[
                FoundJob(
                    id=each.id,
                    status=each.status,
                    buyer_id=each.buyer_id,
                    buyer=hits.names[each.buyer_id],
                    created_at=each.created_at,
                )
                for each in hits.jobs
            ],
        )
