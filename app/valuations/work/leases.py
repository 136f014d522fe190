"""SQL of leases: claiming a shard, keeping and ending its lease, and who is alive to hold one.

All times are the database's (``clock_timestamp()``): a worker whose clock is off by an hour changes nothing. Every
write of a shard's holder carries the fence; when it touches no row, the holder has lost its lease. These statements run
for every shard, so they are built once, speak of tables and not of objects, and each is one round trip.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ARRAY,
    Double,
    LargeBinary,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.db.base import table_of
from app.valuations.states import WORKING, ShardKind, ShardStatus
from app.valuations.tables import Evaluation, Shard, Valuation, WorkerHeartbeat
from app.valuations.work import worths as worth_repository

_NOW = func.clock_timestamp()
_SHARDS, _JOBS, _WORTHS = table_of(Shard), table_of(Valuation), table_of(Evaluation)
_WORKERS = table_of(WorkerHeartbeat)


@dataclass(frozen=True)
class Claim:
    """What the holder of a lease knows about its shard.

    ``coalitions`` are ``count`` packed bit sets in a row; ``known`` those of them that had a worth at the claim.
    """

    shard_id: uuid.UUID
    valuation_id: uuid.UUID
    game_id: uuid.UUID
    kind: ShardKind
    round: int
    queue: str
    source: str | None
    coalitions: bytes | None
    count: int
    attempt: int
    fence: int
    known: frozenset[bytes] = frozenset()

    def packed(self) -> list[bytes]:
        """The packed coalitions, one by one."""
        whole = self.coalitions or b""
        width = len(whole) // max(1, self.count)
        return [whole[start : start + width] for start in range(0, len(whole), max(1, width))]


def seconds_ago(seconds: Any) -> Any:
    """A moment by the database's clock."""
    return _NOW - seconds * literal_column("interval '1 second'")


_LEASE_ENDS = seconds_ago(-bindparam("lease", type_=Double))
IN_TIME = or_(_JOBS.c.deadline.is_(None), _JOBS.c.deadline > _NOW)
_HELD = and_(
    _SHARDS.c.id == bindparam("shard"),
    _SHARDS.c.fence == bindparam("fence_held"),
    _SHARDS.c.status == ShardStatus.RUNNING,
)
# what every claim of a shard writes, by the worker ``by``
CLAIMED: dict[str, Any] = {
    "status": ShardStatus.RUNNING,
    "fence": _SHARDS.c.fence + 1,
    "attempt": _SHARDS.c.attempt + 1,
    "lease_until": _LEASE_ENDS,
    "worker": bindparam("by"),
    "started_at": _NOW,
}
_CLAIM = (
    update(_SHARDS)
    .where(
        _SHARDS.c.id == bindparam("shard"),
        or_(
            _SHARDS.c.status == ShardStatus.QUEUED,
            and_(_SHARDS.c.status == ShardStatus.RUNNING, _SHARDS.c.lease_until < _NOW),
        ),
        _SHARDS.c.attempt < bindparam("max_attempts"),
        _JOBS.c.id == _SHARDS.c.valuation_id,
        _JOBS.c.status.in_(WORKING),
        IN_TIME,
    )
    .values(CLAIMED)
    .returning(
        _SHARDS.c.id.label("shard_id"), _SHARDS.c.valuation_id, _JOBS.c.game_id, _SHARDS.c.kind, _SHARDS.c.round,
        _SHARDS.c.queue, _SHARDS.c.source, _SHARDS.c.coalitions, _SHARDS.c.count, _SHARDS.c.attempt, _SHARDS.c.fence,
    )
)  # fmt: skip


def claim(session: Session, shard_id: uuid.UUID, worker: str, lease: float, max_attempts: int) -> Claim | None:
    """Take the lease of a shard that is free, or whose holder let it run out; None when there is nothing to take."""
    row = session.execute(
        _CLAIM, {"shard": shard_id, "by": worker, "lease": lease, "max_attempts": max_attempts}
    ).one_or_none()
    if row is None:
        return None
    return with_known(session, Claim(**row._mapping))


def with_known(session: Session, claim: Claim) -> Claim:
    """The claim, and which of its worths are stored by now."""
    if claim.source is None:
        return claim
    known = worth_repository.stored_among(session, claim.game_id, claim.source, claim.packed())
    return replace(claim, known=frozenset(known))


_EXTEND = update(_SHARDS).where(_HELD).values(lease_until=_LEASE_ENDS).returning(_SHARDS.c.id)


def extend(session: Session, shard_id: uuid.UUID, fence: int, lease: float) -> bool:
    """Push the lease forward; False when another worker holds it now."""
    return _touched(session, _EXTEND, shard_id, fence, lease=lease)


_MAY_GO_ON = select(exists().where(_HELD, _JOBS.c.id == _SHARDS.c.valuation_id, _JOBS.c.status.in_(WORKING), IN_TIME))


def may_go_on(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Whether the lease is still held and the job needs the work: not cancelled, not ended, not past its deadline."""
    return bool(session.scalar(_MAY_GO_ON, {"shard": shard_id, "fence_held": fence}))


_FINISH = (
    update(_SHARDS)
    .where(_HELD)
    .values(status=ShardStatus.DONE, finished_at=_NOW, lease_until=None)
    .returning(_SHARDS.c.id)
)


def finish(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Mark a held shard as done; False when the lease was lost, and then nothing else may be written."""
    return _touched(session, _FINISH, shard_id, fence)


def _insert_worths(shard: Any, source: Any) -> Any:
    """Insert a shard's worths; one that is stored already stays as it is."""
    computed = (
        func.unnest(
            bindparam("computed_coalitions", type_=ARRAY(LargeBinary)),
            bindparam("computed_worths", type_=ARRAY(Double)),
            bindparam("computed_seconds", type_=ARRAY(Double)),
        )
        .table_valued("coalition", "worth", "seconds")
        .render_derived(name="computed")
    )
    same = {
        "game_id": bindparam("game", type_=_WORTHS.c.game_id.type),
        "source": bindparam("source_of", type_=_WORTHS.c.source.type),
        "valuation_id": bindparam("job", type_=_WORTHS.c.valuation_id.type),
        "fence": bindparam("fence_held", type_=_WORTHS.c.fence.type),
    }
    origin = computed if source is None else source.join(computed, literal_column("true"))
    rows = select(*same.values(), shard, computed.c.coalition, computed.c.worth, computed.c.seconds).select_from(origin)
    columns = [*same, "shard_id", "coalition", "worth", "seconds"]
    return upsert(_WORTHS).from_select(columns, rows).on_conflict_do_nothing()


def _finish_with_worths() -> Any:
    held = _FINISH.cte("held")
    return select(held.c.id).add_cte(_insert_worths(held.c.id, held).cte("stored"))


_STORE = _insert_worths(bindparam("shard", type_=_WORTHS.c.shard_id.type), None)
_FINISH_WITH_WORTHS = _finish_with_worths()


def finish_with_worths(
    session: Session, claim: Claim, coalitions: Sequence[bytes], worths: Sequence[float], seconds: Sequence[float]
) -> bool:
    """``finish``, and store the worths, where the lease is still held; a worth that is stored already stays."""
    values = _worth_values(claim, coalitions, worths, seconds)
    return _touched(session, _FINISH_WITH_WORTHS, claim.shard_id, claim.fence, **values)


def store_worths(
    session: Session, claim: Claim, coalitions: Sequence[bytes], worths: Sequence[float], seconds: Sequence[float]
) -> None:
    """Store worths of a claim whose shard goes on; the caller has made sure that the lease is held."""
    values = _worth_values(claim, coalitions, worths, seconds)
    session.execute(_STORE, {"shard": claim.shard_id, "fence_held": claim.fence, **values})


def _worth_values(
    claim: Claim, coalitions: Sequence[bytes], worths: Sequence[float], seconds: Sequence[float]
) -> dict[str, Any]:
    same = {"game": claim.game_id, "source_of": claim.source, "job": claim.valuation_id}
    return same | {
        "computed_coalitions": list(coalitions),
        "computed_worths": list(worths),
        "computed_seconds": list(seconds),
    }


_ABANDON = (
    update(_SHARDS)
    .where(_HELD)
    .values(status=ShardStatus.ABANDONED, finished_at=_NOW, lease_until=None)
    .returning(_SHARDS.c.id)
)


def abandon_held(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Let go of a shard whose job has ended."""
    return _touched(session, _ABANDON, shard_id, fence)


_GIVE_BACK = (
    update(_SHARDS)
    .where(_HELD)
    .values(status=ShardStatus.QUEUED, attempt=_SHARDS.c.attempt - 1, lease_until=None, dispatched_at=_NOW)
    .returning(_SHARDS.c.id)
)


def give_back(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Return a held shard to the queue; the attempt does not count, since nothing went wrong with it."""
    return _touched(session, _GIVE_BACK, shard_id, fence)


def fail_attempt(
    session: Session, shard_id: uuid.UUID, fence: int, error: str, max_attempts: int, delay: float
) -> ShardStatus | None:
    """Record a failed attempt; the shard is queued again, or FAILED at the limit. None when the lease was lost."""
    spent = _SHARDS.c.attempt >= max_attempts
    statement = (
        update(_SHARDS)
        .where(_HELD)
        .values(
            status=case((spent, ShardStatus.FAILED), else_=ShardStatus.QUEUED),
            last_error=error,
            lease_until=None,
            dispatched_at=seconds_ago(-delay),
            finished_at=case((spent, _NOW), else_=None),
        )
        .returning(_SHARDS.c.status)
    )
    status: ShardStatus | None = session.scalar(statement, {"shard": shard_id, "fence_held": fence})
    return status


def _touched(session: Session, statement: Any, shard_id: uuid.UUID, fence: int, **values: Any) -> bool:
    touched = session.execute(statement, {"shard": shard_id, "fence_held": fence, **values})
    return touched.one_or_none() is not None


def live_workers(session: Session, queue: str, within: float) -> int:
    """How many worker processes of a queue were alive within the last seconds."""
    seen = _WORKERS.c.seen_at > seconds_ago(within)
    return int(session.scalar(select(func.count()).where(_WORKERS.c.queue == queue, seen)) or 0)


def beat(session: Session, values: dict[str, Any]) -> None:
    """Record that a worker process is alive and what it holds."""
    changing = {key: value for key, value in values.items() if key != "name"} | {"seen_at": _NOW}
    statement = upsert(_WORKERS).values(**values, seen_at=_NOW)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changing))


def forget_worker(session: Session, name: str) -> None:
    session.execute(delete(_WORKERS).where(_WORKERS.c.name == name))


def purge_workers(session: Session, older_than: float) -> None:
    """Forget workers whose last heartbeat is so many seconds old; those that another sweeper has locked are skipped."""
    stale = (
        select(_WORKERS.c.name).where(_WORKERS.c.seen_at < seconds_ago(older_than)).with_for_update(skip_locked=True)
    )
    session.execute(delete(_WORKERS).where(_WORKERS.c.name.in_(stale.scalar_subquery())))
