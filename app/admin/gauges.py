"""The numbers of the deployment that metrics show, read from Postgres at each scrape: what waits, what ended lately,
and what stands still that should not. Statements read an index's end or what is open, but for the transfers outside the
ledger's chain, which any of them may be.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.disclosure.tables import Disclosure
from app.payouts import seal_repository
from app.valuations import repository as jobs
from app.valuations.states import TERMINAL, ShardStatus, ValuationStatus
from app.valuations.tables import Shard, Valuation
from app.webhooks.tables import DeliveryStatus, WebhookDelivery

LATELY = timedelta(hours=24)

Samples = list[tuple[tuple[str, ...], float]]


def history(session: Session) -> dict[str, Samples]:
    """What ended lately and what stands still: name -> [(label values, value)]."""
    now = jobs.now(session)
    first = first_id(now - LATELY)
    unsealed = seal_repository.unsealed(session, 1)
    deliveries, waited = _deliveries(session)
    points = select(func.coalesce(func.sum(Disclosure.points), 0)).where(Disclosure.id >= first)
    retried = select(func.count()).where(Shard.status.in_([ShardStatus.QUEUED, ShardStatus.RUNNING]), Shard.attempt > 1)
    return {
        "ended": [((row[0].value, str(row[1] or "")), float(row[2])) for row in _ended(session, first)],
        "retried": [((), session.scalar(retried) or 0)],
        "unsealed_age": [((), (now - unsealed[0].created_at).total_seconds() if unsealed else 0.0)],
        "deliveries": [((), deliveries)],
        "delivery_age": [((), waited)],
        "disclosed": [((), session.scalar(points) or 0)],
    }


def first_id(moment: datetime) -> uuid.UUID:
    """The least version-7 id of that moment, so that what is younger is read off the primary key."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def _ended(session: Session, first: uuid.UUID) -> Sequence[Row[ValuationStatus, str | None, int]]:
    statement = (
        select(Valuation.status, Valuation.reason, func.count())
        .where(Valuation.id >= first, Valuation.status.in_(TERMINAL))
        .group_by(Valuation.status, Valuation.reason)
        .order_by(Valuation.status, Valuation.reason)
    )
    return session.execute(statement).all()


def _deliveries(session: Session) -> tuple[int, float]:
    """Events that are due and not delivered, and how long the oldest waits."""
    waited = func.extract("epoch", func.clock_timestamp() - func.min(WebhookDelivery.next_attempt_at))
    row = session.execute(
        select(func.count(), func.coalesce(waited, 0.0)).where(
            WebhookDelivery.status == DeliveryStatus.PENDING,
            WebhookDelivery.next_attempt_at <= func.clock_timestamp(),
        )
    ).one()
    return int(row[0]), float(row[1])
