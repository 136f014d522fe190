"""The table of what an organisation's invoices and credit notes say of it."""

import uuid
from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamped


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
