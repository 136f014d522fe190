"""The table of datasets: what is known of each file that providers offer or buyers test on. The bytes are blobs."""

import enum
import uuid
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from app.db.base import Base, PrimaryKey, Timestamped, enum_by_value


class DatasetKind(enum.Enum):
    """What a dataset is for: to be valued (a provider's), or to measure with (a buyer's test set)."""

    TRAIN = "train"
    TEST = "test"


class DatasetStatus(enum.Enum):
    """draft: no bytes yet; ready: validated bytes are stored; withdrawn: no new job may name it."""

    DRAFT = "draft"
    READY = "ready"
    WITHDRAWN = "withdrawn"


class DatasetFormat(enum.Enum):
    """The file formats that the readers know."""

    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    NPZ = "npz"


class Dataset(Timestamped, Base):
    """One file of one account. ``columns`` is [{"name", "type"}] in file order, target included."""

    __tablename__ = "datasets"
    __table_args__ = (
        Index("ix_datasets_provider_id_created_at_id", "provider_id", "created_at", "id"),
        Index("ix_datasets_digest", "digest"),
        CheckConstraint(
            "status <> 'ready' OR (digest IS NOT NULL AND size_bytes IS NOT NULL AND rows IS NOT NULL"
            " AND columns IS NOT NULL AND format IS NOT NULL)",
            name="ready_is_complete",
        ),
    )

    id: Mapped[PrimaryKey]
    provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[DatasetKind] = mapped_column(enum_by_value(DatasetKind))
    status: Mapped[DatasetStatus] = mapped_column(enum_by_value(DatasetStatus), default=DatasetStatus.DRAFT)
    target: Mapped[str] = mapped_column(String(200))
    format: Mapped[DatasetFormat | None] = mapped_column(enum_by_value(DatasetFormat))
    digest: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    columns: Mapped[list[Any] | None]
