"""Tables of rows that a job's buyer may have: what was bought, the links by which others fetch them, each access."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped


class DataPurchase(Base, Timestamped):
    """A buyer paid the price that is asked for a dataset's rows, in the version that its job valued."""

    __tablename__ = "data_purchases"
    __table_args__ = (
        Index("ix_data_purchases_dataset_id", "dataset_id"),
        CheckConstraint("amount_minor > 0 AND fee_minor BETWEEN 0 AND amount_minor", name="amounts"),
    )

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    content: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))


class DataLink(Base, Timestamped):
    """A link by which whoever has it fetches a dataset that a job delivers, until it ends or is taken back."""

    __tablename__ = "data_links"
    __table_args__ = (Index("ix_data_links_valuation_id", "valuation_id"),)

    id: Mapped[PrimaryKey]
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"))
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"))
    ends_at: Mapped[datetime]
    taken_back_at: Mapped[datetime | None]


class DataAccess(Base, Timestamped):
    """A buyer was given the rows of a dataset that a job of its valued and paid; ``content`` names the version's bytes
    and is no reference to them. ``seed`` drew the order of the rows of this copy (None: they are as they were
    uploaded), and ``copy_digest`` is the SHA-256 of what was sent. ``link_id``: it was fetched by a link."""

    __tablename__ = "data_accesses"
    __table_args__ = (
        Index("ix_data_accesses_provider_id_created_at_id", "provider_id", "created_at", "id"),
        Index("ix_data_accesses_dataset_id", "dataset_id"),
    )

    id: Mapped[PrimaryKey]
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"))
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"))
    provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    content: Mapped[str] = mapped_column(String(64))
    seed: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    copy_digest: Mapped[str | None] = mapped_column(String(64))
    link_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("data_links.id"))
