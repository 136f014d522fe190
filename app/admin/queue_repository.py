"""All SQL of ``queues``: unfinished shards, and workers. It reads only."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.valuations.states import WORKING, ShardKind, ShardStatus
from app.valuations.tables import Shard, Valuation, WorkerHeartbeat


def unfinished(session: Session) -> Sequence[Row[str, ShardKind, ShardStatus, int, datetime]]:
    """(queue, kind, status, how many, oldest) of the shards of working jobs that are not done."""
    open_ = (ShardStatus.QUEUED, ShardStatus.RUNNING)
    statement = (
        select(Shard.queue, Shard.kind, Shard.status, func.count(), func.min(Shard.created_at))
        .join(Valuation, Valuation.id == Shard.valuation_id)
        .where(Shard.status.in_(open_), Valuation.status.in_(WORKING))
        .group_by(Shard.queue, Shard.kind, Shard.status)
    )
    return session.execute(statement.order_by(Shard.queue, Shard.kind, Shard.status)).all()


def known_workers(session: Session) -> Sequence[WorkerHeartbeat]:
    """Every worker whose heartbeat is still kept, by name."""
    return session.scalars(select(WorkerHeartbeat).order_by(WorkerHeartbeat.name)).all()
