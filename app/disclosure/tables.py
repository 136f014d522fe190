"""The table of what each asker was told of each dataset: one row for every question that cost something."""

import enum
import uuid

from sqlalchemy import ForeignKey, Index, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped, name_of


class DisclosureKind(enum.Enum):
    """What was asked: a quote, a job, an exploration, a job that has ended by another metric, which providers answers
    of its model leaned on, or how much of one's own upload another listing has."""

    QUOTE = "quote"
    JOB = "job"
    EXPLORATION = "exploration"
    METRIC = "metric"
    ATTRIBUTION = "attribution"
    LISTING = "listing"


class Disclosure(Timestamped, Base):
    """An answer that depends on a dataset's rows was given to somebody else; ``question`` is the question's digest.

    The same question again has the same answer and is not charged again, so it has one row.
    """

    __tablename__ = "disclosures"
    __table_args__ = (
        UniqueConstraint("asker_id", "dataset_id", "question"),
        Index("ix_disclosures_dataset_id_created_at", "dataset_id", "created_at"),
    )

    id: Mapped[PrimaryKey]
    asker_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    question: Mapped[str] = mapped_column(String(64))
    kind: Mapped[DisclosureKind] = mapped_column(name_of(DisclosureKind))
    points: Mapped[int] = mapped_column(SmallInteger)
