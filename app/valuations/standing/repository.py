"""SQL on standing orders and the jobs that they posted."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.datasets.tables import Dataset
from app.http.pages import PageRequest
from app.valuations.states import StandingStatus, ValuationStatus
from app.valuations.tables import StandingOrder, StandingRun, Valuation

# jobs that ended so gave their pool back
_GAVE_BACK = (ValuationStatus.FAILED, ValuationStatus.CANCELLED, ValuationStatus.EXPIRED)


def add(session: Session, row: StandingOrder | StandingRun) -> None:
    session.add(row)
    session.flush()


def own(session: Session, buyer_id: uuid.UUID, order_id: uuid.UUID, *, lock: bool = False) -> StandingOrder | None:
    statement = select(StandingOrder).where(StandingOrder.id == order_id, StandingOrder.buyer_id == buyer_id)
    statement = statement.execution_options(populate_existing=True)
    return session.scalar(statement.with_for_update() if lock else statement)


def locked(session: Session, order_id: uuid.UUID) -> StandingOrder | None:
    """A standing order; None while another process has it."""
    statement = select(StandingOrder).where(StandingOrder.id == order_id).with_for_update(skip_locked=True)
    return session.scalar(statement.execution_options(populate_existing=True))


def page_of(session: Session, buyer_id: uuid.UUID, page: PageRequest) -> tuple[list[StandingOrder], str | None]:
    """A buyer's, newest first."""
    statement = select(StandingOrder).where(StandingOrder.buyer_id == buyer_id)
    return page.fetch(session, statement, StandingOrder, {"list": "standing", "buyer": buyer_id})


def count(session: Session, buyer_id: uuid.UUID) -> int:
    """A buyer's that were not cancelled."""
    left = (StandingOrder.buyer_id == buyer_id) & (StandingOrder.status != StandingStatus.CANCELLED)
    return session.scalar(select(func.count()).select_from(StandingOrder).where(left)) or 0


def active(session: Session, limit: int) -> Sequence[StandingOrder]:
    """Those that may post a job now."""
    due = or_(StandingOrder.next_try_at.is_(None), StandingOrder.next_try_at <= func.clock_timestamp())
    statement = select(StandingOrder).where(StandingOrder.status == StandingStatus.ACTIVE, due)
    return session.scalars(statement.order_by(StandingOrder.id).limit(limit)).all()


def contents(session: Session, dataset_ids: Collection[uuid.UUID]) -> dict[str, str]:
    """Dataset id in hex -> the digest of its newest version."""
    rows = session.execute(select(Dataset.id, Dataset.digest).where(Dataset.id.in_(dataset_ids)))
    return {dataset_id.hex: digest for dataset_id, digest in rows if digest is not None}


def jobs(session: Session, order_id: uuid.UUID, limit: int) -> Sequence[uuid.UUID]:
    """Jobs that a standing order posted, the newest first."""
    posted = select(StandingRun.valuation_id).where(StandingRun.standing_order_id == order_id)
    return session.scalars(posted.order_by(StandingRun.created_at.desc()).limit(limit)).all()


def spent_since(session: Session, order_id: uuid.UUID, since: datetime) -> int:
    """Pools of its jobs since a moment, but for those that gave theirs back."""
    statement = (
        select(func.coalesce(func.sum(Valuation.pool_minor), 0))
        .join(StandingRun, StandingRun.valuation_id == Valuation.id)
        .where(StandingRun.standing_order_id == order_id, Valuation.created_at >= since)
        .where(Valuation.status.not_in(_GAVE_BACK))
    )
    return int(session.scalar(statement) or 0)
