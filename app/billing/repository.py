"""SQL of billing: an organisation's details, and documents that were issued."""

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing.tables import BillingDetails, IssuedDocument


def details(session: Session, account_id: uuid.UUID) -> BillingDetails | None:
    return session.get(BillingDetails, account_id, populate_existing=True)


def put_details(session: Session, account_id: uuid.UUID, said: Mapping[str, Any]) -> None:
    statement = insert(BillingDetails).values(account_id=account_id, **said)
    session.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=dict(said)))


def issued(session: Session, owner_id: uuid.UUID, month: date, currency: str) -> IssuedDocument | None:
    return session.scalar(
        select(IssuedDocument).where(
            IssuedDocument.owner_id == owner_id, IssuedDocument.month == month, IssuedDocument.currency == currency
        )
    )


def lock_series(session: Session, seller_id: uuid.UUID | None) -> None:
    """One at a time takes a number of a seller's; held until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"documents of {seller_id}", 0))))


def next_ordinal(session: Session, seller_id: uuid.UUID | None, year: int) -> int:
    """The number after a seller's last of a year; to be asked under ``lock_series``."""
    last = select(func.coalesce(func.max(IssuedDocument.ordinal), 0)).where(
        IssuedDocument.seller_id.is_not_distinct_from(seller_id), IssuedDocument.year == year
    )
    return int(session.scalars(last).one()) + 1


def add_issued(session: Session, document: IssuedDocument) -> None:
    session.add(document)
    session.flush()
