"""The tables of what an organisation's invoices and credit notes say of it, and of those that were issued."""

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, ForeignKey, Numeric, String, Text, UniqueConstraint, event, text
from sqlalchemy.orm import Mapped, mapped_column

from app.billing import billing_ddl
from app.db.base import Base, PrimaryKey, Timestamped


class IssuedDocument(Timestamped, Base):
    """A document that was issued: it never changes. ``seller_id`` None is the market; ``ordinal`` counts from 1 for
    each seller and year, without gaps, because it is taken under a lock in the transaction that adds the row."""

    __tablename__ = "billing_documents"
    __table_args__ = (
        UniqueConstraint("owner_id", "month", "currency"),
        UniqueConstraint("seller_id", "year", "ordinal", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[PrimaryKey]
    owner_id: Mapped[uuid.UUID]
    month: Mapped[date] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(String(3))
    seller_id: Mapped[uuid.UUID | None]
    year: Mapped[int]
    ordinal: Mapped[int]
    # documents.BillingDocument
    content: Mapped[dict[str, Any]]


class BillingDetails(Timestamped, Base):
    """Whom documents are made out to, and how value added tax is counted in its amounts."""

    __tablename__ = "billing_details"

    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    address: Mapped[str] = mapped_column(Text)
    country: Mapped[str] = mapped_column(String(2))
    vat_id: Mapped[str | None] = mapped_column(String(20))
    vat_percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    vat_note: Mapped[str | None] = mapped_column(String(300))


@event.listens_for(Base.metadata.tables["billing_documents"], "after_create")
def _keep_documents(_target: Any, connection: Any, **_: Any) -> None:
    for statement in billing_ddl.STATEMENTS:
        connection.execute(text(statement))
