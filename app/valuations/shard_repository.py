"""All SQL of the work protocol: claims, leases, fenced writes, worths, rounds, dispatch and sweeping.

All times are the database's (``clock_timestamp()``): a worker whose clock is off by an hour changes nothing. Every
write of a shard's holder carries ``fence = :fence``; when it touches no row, the holder has lost its lease.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    Double,
    LargeBinary,
    Row,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from app.valuations.quotes import Measured
from app.valuations.states import WORKING, ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import Evaluation, Game, Round, Shard, Valuation, ValuationPlayer, WorkerHeartbeat

_NO_SYNC = {"synchronize_session": False}
_NOW = func.clock_timestamp()


@dataclass(frozen=True)
class Claim:
    """What the holder of a lease knows about its shard. ``coalitions`` are ``count`` packed bit sets in a row."""

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


@dataclass(frozen=True)
class Crowd:
    """Live workers of a queue, buyers who compute on it, the most jobs of one of them, a job's shards in flight."""

    workers: int
    buyers: int
    most_jobs: int
    in_flight: int


def _after(seconds: float) -> Any:
    return _NOW + timedelta(seconds=seconds)


def claim(session: Session, shard_id: uuid.UUID, worker: str, lease: float, max_attempts: int) -> Claim | None:
    """Take the lease of a shard that is free, or whose holder let it run out; None when there is nothing to take."""
    free = or_(
        Shard.status == ShardStatus.QUEUED,
        and_(Shard.status == ShardStatus.RUNNING, Shard.lease_until < _NOW),
    )
    statement = (
        update(Shard)
        .where(Shard.id == shard_id, free, Shard.attempt < max_attempts)
        .where(Valuation.id == Shard.valuation_id, Valuation.status.in_(WORKING))
        .where(or_(Valuation.deadline.is_(None), Valuation.deadline > _NOW))
        .values(
            status=ShardStatus.RUNNING,
            fence=Shard.fence + 1,
            attempt=Shard.attempt + 1,
            lease_until=_after(lease),
            worker=worker,
            started_at=_NOW,
        )
        .returning(
            Shard.id.label("shard_id"), Shard.valuation_id, Valuation.game_id, Shard.kind, Shard.round, Shard.queue,
            Shard.source, Shard.coalitions, Shard.count, Shard.attempt, Shard.fence,
        )
        .execution_options(**_NO_SYNC)
    )  # fmt: skip
    row = session.execute(statement).one_or_none()
    return Claim(**row._mapping) if row else None


def _held(shard_id: uuid.UUID, fence: int) -> Any:
    return and_(Shard.id == shard_id, Shard.fence == fence, Shard.status == ShardStatus.RUNNING)


def extend(session: Session, shard_id: uuid.UUID, fence: int, lease: float) -> bool:
    """Push the lease forward; False when it is no longer ours."""
    statement = update(Shard).where(_held(shard_id, fence)).values(lease_until=_after(lease)).returning(Shard.id)
    return session.execute(statement.execution_options(**_NO_SYNC)).one_or_none() is not None


def may_go_on(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Whether the lease is ours and the job still wants the work: not cancelled, not ended, not past its deadline."""
    statement = select(
        exists().where(
            _held(shard_id, fence),
            Valuation.id == Shard.valuation_id,
            Valuation.status.in_(WORKING),
            or_(Valuation.deadline.is_(None), Valuation.deadline > _NOW),
        )
    )
    return bool(session.scalar(statement))


def finish(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Mark a held shard as done; False when the lease is no longer ours, and then nothing else may be written."""
    statement = (
        update(Shard)
        .where(_held(shard_id, fence))
        .values(status=ShardStatus.DONE, finished_at=_NOW, lease_until=None)
        .returning(Shard.id)
        .execution_options(**_NO_SYNC)
    )
    return session.execute(statement).one_or_none() is not None


def abandon_held(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Let go of a shard whose job has ended."""
    statement = (
        update(Shard)
        .where(_held(shard_id, fence))
        .values(status=ShardStatus.ABANDONED, finished_at=_NOW, lease_until=None)
        .returning(Shard.id)
        .execution_options(**_NO_SYNC)
    )
    return session.execute(statement).one_or_none() is not None


def give_back(session: Session, shard_id: uuid.UUID, fence: int) -> bool:
    """Return a held shard to the queue; the attempt does not count, since nothing went wrong with it."""
    statement = (
        update(Shard)
        .where(_held(shard_id, fence))
        .values(status=ShardStatus.QUEUED, attempt=Shard.attempt - 1, lease_until=None, dispatched_at=_NOW)
        .returning(Shard.id)
        .execution_options(**_NO_SYNC)
    )
    return session.execute(statement).one_or_none() is not None


def fail_attempt(
    session: Session, shard_id: uuid.UUID, fence: int, error: str, max_attempts: int, delay: float
) -> ShardStatus | None:
    """Record a failed attempt; the shard is queued again, or FAILED at the limit. None when the lease was lost."""
    spent = Shard.attempt >= max_attempts
    statement = (
        update(Shard)
        .where(_held(shard_id, fence))
        .values(
            status=case((spent, ShardStatus.FAILED), else_=ShardStatus.QUEUED),
            last_error=error,
            lease_until=None,
            dispatched_at=_after(delay),
            finished_at=case((spent, _NOW), else_=None),
        )
        .returning(Shard.status)
        .execution_options(**_NO_SYNC)
    )
    return session.scalar(statement)


def store_worths(
    session: Session, claim: Claim, coalitions: Sequence[bytes], worths: Sequence[float], seconds: Sequence[float]
) -> None:
    """Insert the worths of a claim with one statement; one that is there already stays as it is."""
    arrays = (
        literal(list(coalitions), ARRAY(LargeBinary)),
        literal(list(worths), ARRAY(Double)),
        literal(list(seconds), ARRAY(Double)),
    )
    found = func.unnest(*arrays).table_valued("coalition", "worth", "seconds").render_derived(name="found")
    same = (claim.game_id, claim.source, claim.valuation_id, claim.shard_id, claim.fence)
    rows = select(*(literal(each) for each in same), found.c.coalition, found.c.worth, found.c.seconds)
    columns = ["game_id", "source", "valuation_id", "shard_id", "fence", "coalition", "worth", "seconds"]
    session.execute(upsert(Evaluation).from_select(columns, rows).on_conflict_do_nothing())


def stored_worths(session: Session, game_id: uuid.UUID) -> Sequence[Row[str, bytes, bytes, bytes]]:
    """All worths of a game by source: coalitions, worths and device seconds, each joined to one string of bytes.

    Row by row, a hundred thousand worths take a second to read. Numbers are in Postgres's own binary form (big-endian
    doubles), so they come back bit for bit.
    """
    statement = select(
        Evaluation.source,
        cast(func.string_agg(Evaluation.coalition, b""), LargeBinary),
        cast(func.string_agg(func.float8send(Evaluation.worth), b""), LargeBinary),
        cast(func.string_agg(func.float8send(Evaluation.seconds), b""), LargeBinary),
    )
    return session.execute(statement.where(Evaluation.game_id == game_id).group_by(Evaluation.source)).all()


def measured(session: Session, learner: str) -> Measured:
    """Device seconds per worth and training row of finished rounds with this learner, of all jobs."""
    job_rows = (
        select(ValuationPlayer.valuation_id, func.sum(ValuationPlayer.rows).label("rows"))
        .group_by(ValuationPlayer.valuation_id)
        .subquery()
    )
    name = Game.frozen["learner"]["name"].astext
    family = func.split_part(Round.source, ":", 1)
    rounds = session.execute(
        select(family, func.sum(Round.seconds), func.sum(Round.done * job_rows.c.rows), func.count())
        .join(Valuation, Valuation.id == Round.valuation_id)
        .join(Game, Game.id == Valuation.game_id)
        .join(job_rows, job_rows.c.valuation_id == Round.valuation_id)
        .where(name == learner, Round.done > 0)
        .group_by(family)
    ).all()
    of_learner = (
        select(Valuation.id).join(Game, Game.id == Valuation.game_id).where(name == learner, Game.facts.is_not(None))
    )
    prepared = session.execute(
        select(func.sum(Game.facts["seconds"].as_float()), func.sum(job_rows.c.rows), func.count())
        .join(Valuation, Valuation.game_id == Game.id)
        .join(job_rows, job_rows.c.valuation_id == Valuation.id)
        .where(Valuation.id.in_(of_learner))
    ).one()
    per_row = {row[0]: float(row[1]) / float(row[2]) for row in rounds if row[2]}
    if prepared[1]:
        per_row["prepare"] = float(prepared[0]) / float(prepared[1])
    return Measured(per_row, int(prepared[2]))


def stored_in_both(session: Session, game_id: uuid.UUID, source: str, other: str) -> Sequence[Row[bytes, float, float]]:
    """(coalition, worth by ``source``, worth by ``other``) of the coalitions that have both."""
    one, two = aliased(Evaluation), aliased(Evaluation)
    same = and_(two.game_id == game_id, two.source == other, two.coalition == one.coalition)
    statement = select(one.coalition, one.worth, two.worth).join(two, same)
    return session.execute(statement.where(one.game_id == game_id, one.source == source)).all()


def stored_among(session: Session, game_id: uuid.UUID, source: str, coalitions: Sequence[bytes]) -> set[bytes]:
    """Which of these coalitions have a worth already."""
    statement = select(Evaluation.coalition).where(
        Evaluation.game_id == game_id, Evaluation.source == source, Evaluation.coalition.in_(coalitions)
    )
    return set(session.scalars(statement))


def add_round(session: Session, values: dict[str, Any]) -> None:
    session.execute(insert(Round), [values])


def add_shards(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    session.execute(insert(Shard), list(rows))


def count_down(session: Session, valuation_id: uuid.UUID, number: int, done: int, seconds: float) -> int:
    """One shard of the round is finished; returns how many are still open. Holds the round's row until the commit."""
    statement = (
        update(Round)
        .where(Round.valuation_id == valuation_id, Round.number == number)
        .values(
            open=Round.open - 1,
            done=Round.done + done,
            seconds=Round.seconds + seconds,
            finished_at=case((Round.open == 1, _NOW), else_=None),
        )
        .returning(Round.open)
        .execution_options(**_NO_SYNC)
    )
    return int(session.scalars(statement).one())


def count_found(session: Session, valuation_id: uuid.UUID, number: int, done: int, seconds: float) -> None:
    """Worths of a round were found by a shard that stays open."""
    session.execute(
        update(Round)
        .where(Round.valuation_id == valuation_id, Round.number == number)
        .values(done=Round.done + done, seconds=Round.seconds + seconds)
        .execution_options(**_NO_SYNC)
    )


def rounds(session: Session, valuation_id: uuid.UUID) -> Sequence[Round]:
    return session.scalars(select(Round).where(Round.valuation_id == valuation_id).order_by(Round.number)).all()


def live_workers(session: Session, queue: str, within: float) -> int:
    """How many worker processes of a queue were alive within the last seconds."""
    seen = WorkerHeartbeat.seen_at > _NOW - timedelta(seconds=within)
    return int(session.scalar(select(func.count()).where(WorkerHeartbeat.queue == queue, seen)) or 0)


def crowd(session: Session, queue: str, valuation_id: uuid.UUID, within: float) -> Crowd:
    """Who shares a queue, in one statement."""
    computing = and_(
        Valuation.status.in_((ValuationStatus.PLANNING, ValuationStatus.RUNNING)), Valuation.queue == queue
    )
    per_buyer = select(func.count().label("jobs")).where(computing).group_by(Valuation.buyer_id).subquery()
    alive = WorkerHeartbeat.seen_at > _NOW - timedelta(seconds=within)
    # two counts, so that each can be answered by an index of its own
    running = and_(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.RUNNING)
    sent = and_(
        Shard.valuation_id == valuation_id, Shard.status == ShardStatus.QUEUED, Shard.dispatched_at.is_not(None)
    )
    row = session.execute(
        select(
            select(func.count()).where(WorkerHeartbeat.queue == queue, alive).scalar_subquery(),
            select(func.count()).select_from(per_buyer).scalar_subquery(),
            select(func.coalesce(func.max(per_buyer.c.jobs), 0)).scalar_subquery(),
            select(func.count()).where(running).scalar_subquery() + select(func.count()).where(sent).scalar_subquery(),
        )
    ).one()
    return Crowd(*(int(each) for each in row))


def take_waiting(session: Session, valuation_id: uuid.UUID, limit: int) -> Sequence[uuid.UUID]:
    """The next shards of a job that wait for a place, marked as dispatched; their messages must be recorded now."""
    chosen = (
        select(Shard.id)
        .where(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.QUEUED, Shard.dispatched_at.is_(None))
        .order_by(Shard.round, Shard.ordinal)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
        # read once: a plan that looked again for each row would lock more than ``limit``
        .prefix_with("MATERIALIZED")
    )
    taken = update(Shard).where(Shard.id == chosen.c.id).values(dispatched_at=_NOW).returning(Shard.id)
    return session.scalars(taken.execution_options(**_NO_SYNC)).all()


def mark_dispatched(session: Session, shard_ids: Sequence[uuid.UUID]) -> None:
    session.execute(
        update(Shard).where(Shard.id.in_(shard_ids)).values(dispatched_at=_NOW).execution_options(**_NO_SYNC)
    )


def abandon_queued(session: Session, valuation_id: uuid.UUID) -> None:
    """Drop the shards of a job that nobody holds."""
    session.execute(
        update(Shard)
        .where(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.QUEUED)
        .values(status=ShardStatus.ABANDONED, finished_at=_NOW)
        .execution_options(**_NO_SYNC)
    )


def abandon_expired(session: Session, valuation_id: uuid.UUID) -> None:
    """Drop the shards of a job whose holder let the lease run out."""
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
    return int(session.scalar(select(func.count()).where(_dispatched(queue, 0.0))) or 0)


def lock_overdue(session: Session, queue: str, older_than: float, limit: int) -> Sequence[Shard]:
    """Shards whose message was recorded long ago and that nobody claimed, locked."""
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


def beat(session: Session, values: dict[str, Any]) -> None:
    """Say that a worker process is alive and what it holds."""
    changing = {key: value for key, value in values.items() if key != "name"} | {"seen_at": _NOW}
    statement = upsert(WorkerHeartbeat).values(**values, seen_at=_NOW)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changing))


def forget_worker(session: Session, name: str) -> None:
    worker = session.get(WorkerHeartbeat, name)
    if worker is not None:
        session.delete(worker)


def purge_workers(session: Session, older_than: float) -> None:
    stale = select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < _NOW - timedelta(seconds=older_than))
    for worker in session.scalars(stale.with_for_update(skip_locked=True)):
        session.delete(worker)
