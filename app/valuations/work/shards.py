"""SQL of shards and rounds: written, counted down, dispatched within a job's window, swept. Leases are in
``leases``, worths in ``worths``. All times are the database's.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Double, Row, and_, bindparam, case, cast, exists, func, insert, select, update
from sqlalchemy.orm import Session

from app.db.base import table_of
from app.valuations.states import CHECK, WORKING, ShardStatus, ValuationStatus
from app.valuations.tables import Round, Shard, Valuation, WorkerHeartbeat
from app.valuations.work.leases import CLAIMED, IN_TIME, Claim, seconds_ago, with_known

_NO_SYNC = {"synchronize_session": False}
_NOW = func.clock_timestamp()
_SHARDS, _JOBS, _ROUNDS = table_of(Shard), table_of(Valuation), table_of(Round)
_WORKERS = table_of(WorkerHeartbeat)


def add_round(session: Session, values: dict[str, Any]) -> None:
    session.execute(insert(Round), [values])


def add_shards(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    session.execute(insert(Shard), list(rows))


def _count_down() -> Any:
    counted = (
        update(_ROUNDS)
        .where(_ROUNDS.c.valuation_id == bindparam("job"), _ROUNDS.c.number == bindparam("round_number"))
        .values(
            open=_ROUNDS.c.open - 1,
            done=_ROUNDS.c.done + bindparam("computed"),
            seconds=_ROUNDS.c.seconds + bindparam("spent"),
            finished_at=case((_ROUNDS.c.open == 1, _NOW), else_=None),
        )
        .returning(_ROUNDS.c.open, _ROUNDS.c.valuation_id)
        .cte("counted")
    )
    joined = counted.join(_JOBS, _JOBS.c.id == counted.c.valuation_id)
    return select(counted.c.open, _JOBS.c.status).select_from(joined).with_for_update(of=_JOBS)


_COUNT_DOWN = _count_down()


def count_down(
    session: Session, valuation_id: uuid.UUID, number: int, done: int, seconds: float
) -> tuple[int, ValuationStatus]:
    """One shard of the round is finished; returns how many are still open, and the job's status.

    Holds the round's row and then the job's until the commit, so it comes last: a job's workers queue for it. A
    cancellation either comes before and is seen here, or waits and then sees this shard done.
    """
    values = {"job": valuation_id, "round_number": number, "computed": done, "spent": seconds}
    row = session.execute(_COUNT_DOWN, values).one()
    return int(row[0]), row[1]


def count_worths(session: Session, valuation_id: uuid.UUID, number: int, done: int, seconds: float) -> None:
    """Worths of a round were computed by a shard that stays open."""
    session.execute(
        update(Round)
        .where(Round.valuation_id == valuation_id, Round.number == number)
        .values(done=Round.done + done, seconds=Round.seconds + seconds)
        .execution_options(**_NO_SYNC)
    )


def rounds(session: Session, valuation_id: uuid.UUID) -> Sequence[Round]:
    return session.scalars(select(Round).where(Round.valuation_id == valuation_id).order_by(Round.number)).all()


def _take_room(claiming: bool) -> Any:
    queue, job = bindparam("on_queue", type_=_JOBS.c.queue.type), bindparam("job", type_=_JOBS.c.id.type)
    alive = and_(_WORKERS.c.queue == queue, _WORKERS.c.seen_at > seconds_ago(bindparam("within", type_=Double)))
    computing = and_(_JOBS.c.status.in_((ValuationStatus.PLANNING, ValuationStatus.RUNNING)), _JOBS.c.queue == queue)
    per_buyer = select(func.count().label("jobs")).where(computing).group_by(_JOBS.c.buyer_id).subquery()
    of_job = _SHARDS.c.valuation_id == job
    # two counts, so that each can be answered by an index of its own
    running = select(func.count()).where(of_job, _SHARDS.c.status == ShardStatus.RUNNING)
    sent = select(func.count()).where(
        of_job, _SHARDS.c.status == ShardStatus.QUEUED, _SHARDS.c.dispatched_at.is_not(None)
    )
    rivals = select(
        func.greatest(1, func.count()) * func.greatest(1, func.coalesce(func.max(per_buyer.c.jobs), 1))
    ).select_from(per_buyer)
    workers = select(func.greatest(1, func.count())).where(alive)
    window = func.greatest(2, func.ceil(2.0 * workers.scalar_subquery() / rivals.scalar_subquery()))
    room = window - running.scalar_subquery() - sent.scalar_subquery()
    chosen = (
        select(_SHARDS.c.id, _SHARDS.c.ordinal)
        .where(
            of_job,
            _SHARDS.c.status == ShardStatus.QUEUED,
            _SHARDS.c.dispatched_at.is_(None),
            exists().where(_JOBS.c.id == job, _JOBS.c.status.in_(WORKING), IN_TIME),
        )
        .order_by(_SHARDS.c.round, _SHARDS.c.ordinal)
        .limit(select(cast(func.greatest(0, room), BigInteger)).scalar_subquery())
        .with_for_update(skip_locked=True)
        .cte("chosen")
        # read once: a plan that looked again for each row would lock more than the limit
        .prefix_with("MATERIALIZED")
    )
    moved = update(_SHARDS).where(_SHARDS.c.id == chosen.c.id)
    if not claiming:
        return moved.values(dispatched_at=_NOW).returning(_SHARDS.c.id)
    # a job has one round at a time, so the ordinal alone says which comes first
    first = chosen.c.ordinal == select(func.min(chosen.c.ordinal)).scalar_subquery()
    values = {name: case((first, value), else_=_SHARDS.c[name]) for name, value in CLAIMED.items()}
    claimed = (_SHARDS.c.id.label("shard_id"), *(_SHARDS.c[name] for name in ("status", *_OF_CLAIM[1:])))
    return moved.values(dispatched_at=_NOW, **values).returning(*claimed)


_OF_CLAIM = ("shard_id", "round", "source", "coalitions", "count", "attempt", "fence")
_TAKE_ROOM, _TAKE_ROOM_AND_CLAIM = _take_room(claiming=False), _take_room(claiming=True)


def take_room(session: Session, queue: str, valuation_id: uuid.UUID, within: float) -> Sequence[uuid.UUID]:
    """The next shards of a job for which its window has room, marked as dispatched: their messages are due now.

    The window is the job's part of twice the workers of its queue that were alive ``within`` seconds, shared equally
    among the buyers who compute on it and then among a buyer's jobs; at least two.
    """
    return session.scalars(_TAKE_ROOM, {"on_queue": queue, "job": valuation_id, "within": within}).all()


def take_room_and_claim(
    session: Session, done: Claim, within: float, by: str, lease: float
) -> tuple[Claim | None, Sequence[uuid.UUID]]:
    """``take_room`` for the holder of a shard that is done: it claims the first; the others' messages are due."""
    values = {"on_queue": done.queue, "job": done.valuation_id, "within": within, "by": by, "lease": lease}
    taken = session.execute(_TAKE_ROOM_AND_CLAIM, values).all()
    others = [row.shard_id for row in taken if row.status is not ShardStatus.RUNNING]
    for row in taken:
        if row.status is ShardStatus.RUNNING:
            mine = replace(done, **{name: row._mapping[name] for name in _OF_CLAIM})
            return with_known(session, mine), others
    return None, others


def written_at(session: Session, shard_id: uuid.UUID) -> datetime:
    """When a shard was written."""
    return session.scalars(select(Shard.created_at).where(Shard.id == shard_id)).one()


def waited(session: Session, shard_id: uuid.UUID) -> float:
    """Seconds since a shard was written."""
    age = func.extract("epoch", _NOW - Shard.created_at)
    return float(session.scalars(select(age).where(Shard.id == shard_id)).one())


def waiting_check(session: Session, valuation_id: uuid.UUID, by: str) -> uuid.UUID | None:
    """A free shard of this job that checks the worths of another worker than ``by``, locked."""
    statement = select(Shard.id).where(
        Shard.valuation_id == valuation_id,
        Shard.status == ShardStatus.QUEUED,
        Shard.source.like(f"{CHECK}%"),
        Shard.worker != by,
    )
    return session.scalar(statement.order_by(Shard.ordinal).limit(1).with_for_update(skip_locked=True))


def mark_dispatched(session: Session, shard_ids: Sequence[uuid.UUID]) -> None:
    session.execute(
        update(Shard).where(Shard.id.in_(shard_ids)).values(dispatched_at=_NOW).execution_options(**_NO_SYNC)
    )


def abandon_queued(session: Session, valuation_id: uuid.UUID) -> None:
    """Drop the shards of a job that no worker holds.

    Those that a worker is just taking are skipped: it waits for the job's row, which the caller has locked, and then
    drops them itself; or it claims one, and its heartbeat notices that the job has ended.
    """
    free = (
        select(Shard.id)
        .where(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.QUEUED)
        .with_for_update(skip_locked=True)
        .cte("free")
        .prefix_with("MATERIALIZED")
    )
    session.execute(
        update(Shard)
        .where(Shard.id == free.c.id)
        .values(status=ShardStatus.ABANDONED, finished_at=_NOW)
        .execution_options(**_NO_SYNC)
    )


def abandon_expired(session: Session, valuation_id: uuid.UUID) -> None:
    """Drop the shards of a job whose lease ran out."""
    session.execute(
        update(Shard)
        .where(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.RUNNING, Shard.lease_until < _NOW)
        .values(status=ShardStatus.ABANDONED, finished_at=_NOW, lease_until=None)
        .execution_options(**_NO_SYNC)
    )


def any_held(session: Session, valuation_id: uuid.UUID) -> bool:
    """Whether a worker still holds a lease on a shard of this job."""
    statement = select(
        exists().where(
            Shard.valuation_id == valuation_id, Shard.status == ShardStatus.RUNNING, Shard.lease_until >= _NOW
        )
    )
    return bool(session.scalar(statement))


def lock_expired(session: Session, limit: int) -> Sequence[Shard]:
    """Shards of working jobs whose lease ran out, locked; those another sweeper holds are skipped."""
    statement = (
        select(Shard)
        .join(Valuation, Valuation.id == Shard.valuation_id)
        .where(Shard.status == ShardStatus.RUNNING, Shard.lease_until < _NOW, Valuation.status.in_(WORKING))
        .order_by(Shard.lease_until)
        .limit(limit)
        .with_for_update(of=Shard, skip_locked=True)
    )
    return session.scalars(statement).all()


def requeue_expired(session: Session, shard_id: uuid.UUID) -> None:
    session.execute(
        update(Shard)
        .where(Shard.id == shard_id, Shard.status == ShardStatus.RUNNING, Shard.lease_until < _NOW)
        .values(status=ShardStatus.QUEUED, lease_until=None, dispatched_at=_NOW)
        .execution_options(**_NO_SYNC)
    )


def _dispatched(queue: str, older_than: float) -> Any:
    return and_(
        Shard.queue == queue,
        Shard.status == ShardStatus.QUEUED,
        Shard.dispatched_at < _NOW - timedelta(seconds=older_than),
    )


def count_dispatched(session: Session, queue: str) -> int:
    """How many shards of a queue should have a message underway."""
    statement = select(func.count()).select_from(Shard).join(Valuation, Valuation.id == Shard.valuation_id)
    return int(session.scalar(statement.where(_dispatched(queue, 0.0), Valuation.status.in_(WORKING))) or 0)


def lock_overdue(session: Session, queue: str, older_than: float, limit: int) -> Sequence[Shard]:
    """Shards whose message was recorded long ago and that no worker claimed, locked."""
    statement = (
        select(Shard)
        .join(Valuation, Valuation.id == Shard.valuation_id)
        .where(_dispatched(queue, older_than), Valuation.status.in_(WORKING))
        .order_by(Shard.dispatched_at)
        .limit(limit)
        .with_for_update(of=Shard, skip_locked=True)
    )
    return session.scalars(statement).all()


def jobs_with_waiting_shards(session: Session) -> Sequence[Row[uuid.UUID, str]]:
    """Working jobs, with their queue, that have shards without a place."""
    waiting = exists().where(
        Shard.valuation_id == Valuation.id, Shard.status == ShardStatus.QUEUED, Shard.dispatched_at.is_(None)
    )
    return session.execute(select(Valuation.id, Valuation.queue).where(Valuation.status.in_(WORKING), waiting)).all()
