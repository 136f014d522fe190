"""Tables of wanted ads: what a buyer lacks, and which listings were found to fit."""

import enum
import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.datasets.tables import Modality
from app.db.base import Base, PrimaryKey, Timestamped, name_of


class AdStatus(enum.Enum):
    """Whether providers still see an ad."""

    OPEN = "open"
    CLOSED = "closed"


class WantedAd(Timestamped, Base):
    """What a buyer looks for. ``words`` are searched as in the catalogue; ``price_minor`` is what it would pay for a
    job with such data. Listings that were published or changed before ``looked_at`` have been looked at."""

    __tablename__ = "wanted_ads"
    __table_args__ = (
        Index("ix_wanted_ads_open", "created_at", "id", postgresql_where=text("status = 'open'")),
        Index("ix_wanted_ads_buyer_id_created_at_id", "buyer_id", "created_at", "id"),
        CheckConstraint("(price_minor IS NULL) = (currency IS NULL)", name="price_has_currency"),
    )

    id: Mapped[PrimaryKey]
    buyer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    words: Mapped[str | None] = mapped_column(String(200))
    modality: Mapped[Modality | None] = mapped_column(name_of(Modality))
    target: Mapped[str | None] = mapped_column(String(200))
    min_rows: Mapped[int | None] = mapped_column(BigInteger)
    price_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    status: Mapped[AdStatus] = mapped_column(name_of(AdStatus), default=AdStatus.OPEN)
    looked_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class AdMatch(Base):
    """A listing that fits an ad; its provider was told, once."""

    __tablename__ = "wanted_matches"
    __table_args__ = (Index("ix_wanted_matches_dataset_id", "dataset_id"),)

    ad_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("wanted_ads.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
