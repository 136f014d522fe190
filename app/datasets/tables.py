"""The tables of datasets: what providers offer or buyers test on, its versions, and what workers found in them.

The bytes are blobs; a row only names them by their digest.
"""

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.datasets.lifecycle import DatasetStatus as DatasetStatus
from app.db.base import Base, PrimaryKey, Timestamped, name_of
from contract.orders.asking import Asking
from contract.rows.files import FileColumn
from contract.rows.formats import INSTALLED


class DatasetKind(enum.Enum):
    """What a dataset is for: to be valued (a provider's), or to measure with (a buyer's test set)."""

    TRAIN = "train"
    TEST = "test"


class DatasetFormat(enum.Enum):
    """The file formats that the readers know; those of installed packages are among them."""

    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    NPZ = "npz"
    JSONL = "jsonl"
    JSON = "json"
    XLSX = "xlsx"
    TEXT = "text"
    ZIP = "zip"
    # no file: what an agent says of a table that stays with its owner (``contract.agents.Registration``)
    AGENT = "agent"

    @classmethod
    def add(cls, name: str) -> None:
        """One member more, for a format of an installed package: it is in what the API takes and lists as any other."""
        member = object.__new__(cls)
        member._name_, member._value_ = name.upper(), name
        cls._member_names_.append(member._name_)
        cls._member_map_[member._name_] = cls._value2member_map_[name] = member


for _name in INSTALLED:
    DatasetFormat.add(_name)


class Modality(enum.Enum):
    """What one row is: named values, a vector of numbers, a document, or an image."""

    TABULAR = "tabular"
    ARRAY = "array"
    TEXT = "text"
    IMAGE = "image"


class ProfileStatus(enum.Enum):
    """Whether a worker has looked at a version. ``failed``: it tried often enough."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


# weights: a word in the name counts more than one in the description, and that more than one in a column's name
_SEARCH = (
    "setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', description), 'B') || "
    "setweight(jsonb_to_tsvector('simple', coalesce(columns, '[]'::jsonb), '[\"string\"]'::jsonb), 'C')"
)


class Dataset(Timestamped, Base):
    """One dataset of one account. What the bytes tell (``digest`` to ``columns``) is that of its newest version.

    ``columns`` is [{"name", "type"}] in file order, target included. ``licence`` is ``Licence.to_json()``.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        Index("ix_datasets_provider_id_created_at_id", "provider_id", "created_at", "id"),
        Index("ix_datasets_digest", "digest"),
        Index("ix_datasets_published", "created_at", "id", postgresql_where=text("status = 'published'")),
        Index("ix_datasets_search", "search", postgresql_using="gin"),
        CheckConstraint(
            "status NOT IN ('ready', 'published') OR (digest IS NOT NULL AND size_bytes IS NOT NULL"
            " AND rows IS NOT NULL AND columns IS NOT NULL AND format IS NOT NULL)",
            name="ready_is_complete",
        ),
        CheckConstraint("(reserve_minor IS NULL) = (reserve_currency IS NULL)", name="reserve_has_currency"),
        CheckConstraint("reserve_minor >= 0", name="reserve_is_no_debt"),
    )

    id: Mapped[PrimaryKey]
    provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    kind: Mapped[DatasetKind] = mapped_column(name_of(DatasetKind))
    status: Mapped[DatasetStatus] = mapped_column(name_of(DatasetStatus), default=DatasetStatus.DRAFT)
    # None: documents without labels
    target: Mapped[str | None] = mapped_column(String(200))
    modality: Mapped[Modality | None] = mapped_column(name_of(Modality))
    format: Mapped[DatasetFormat | None] = mapped_column(name_of(DatasetFormat))
    # 0 while there are no bytes
    version: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    digest: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    columns: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    # ``Reading.plain()`` without what is null: what the owner declared of the newest version's bytes
    reading: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    # what was noticed when the newest version was read: ``Finding.plain()`` each
    findings: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default=text("'[]'::jsonb"))
    licence: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reserve_minor: Mapped[int | None] = mapped_column(BigInteger)
    reserve_currency: Mapped[str | None] = mapped_column(String(3))
    # contract.orders.asking.Asking: prices of uses beyond the value
    asking: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # how many rows anybody may see
    preview_rows: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    published_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    # why an administrator took the listing down; it cannot be published while this stands
    taken_down: Mapped[str | None] = mapped_column(Text)
    search: Mapped[Any] = mapped_column(TSVECTOR, Computed(_SEARCH, persisted=True), deferred=True)

    @property
    def prices(self) -> Asking | None:
        """``asking`` as typed data; None where nothing is asked."""
        return None if self.asking is None else Asking.read(self.asking)

    @property
    def file_columns(self) -> list[FileColumn]:
        """``columns`` as typed data; none where there is no content."""
        return [FileColumn.read(column) for column in self.columns or []]


class DatasetVersion(Timestamped, Base):
    """One content of a dataset, numbered from 1; it never changes. Jobs name the digest of the one they use.

    ``profile`` and ``preview`` are a worker's (see ``profile``); ``preview`` is [[value, ...], ...] in column order.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (
        UniqueConstraint("dataset_id", "digest"),
        Index("ix_dataset_versions_digest", "digest"),
        Index("ix_dataset_versions_pending", "profile_due_at", postgresql_where=text("profile_status = 'pending'")),
    )

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    format: Mapped[DatasetFormat] = mapped_column(name_of(DatasetFormat))
    modality: Mapped[Modality] = mapped_column(name_of(Modality))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[list[Any]]
    reading: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    findings: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default=text("'[]'::jsonb"))
    # the address that the bytes were fetched from, without its query; None: they were sent
    origin: Mapped[str | None] = mapped_column(Text)
    profile_status: Mapped[ProfileStatus] = mapped_column(name_of(ProfileStatus), default=ProfileStatus.PENDING)
    # when the task counts as lost and is sent again
    profile_due_at: Mapped[datetime | None]
    profile_attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    profile: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    preview: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)


class ResumableUpload(Timestamped, Base):
    """A file that comes in parts: ``received`` of its ``length`` bytes are here. ``sha256_declared`` is what all of
    them must hash to (None: nothing was declared); ``reading`` what the owner declares of how they are read. It becomes
    the content of a dataset or of a checkpoint, one of them.

    A file that its owner sends to the store itself has the store's ``multipart_id`` and ``part_bytes``; what has come
    of it the store knows, and ``received`` stays 0."""

    __tablename__ = "resumable_uploads"
    __table_args__ = (
        Index("ix_resumable_uploads_dataset_id", "dataset_id"),
        Index("ix_resumable_uploads_checkpoint_id", "checkpoint_id"),
        Index("ix_resumable_uploads_expires_at", "expires_at"),
        CheckConstraint("received BETWEEN 0 AND length", name="received"),
        CheckConstraint("(multipart_id IS NULL) = (part_bytes IS NULL)", name="direct"),
        CheckConstraint("(dataset_id IS NULL) <> (checkpoint_id IS NULL)", name="destination"),
    )

    id: Mapped[PrimaryKey]
    dataset_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    checkpoint_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("checkpoints.id", ondelete="CASCADE"))
    length: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    sha256_declared: Mapped[str | None] = mapped_column(String(64))
    reading: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    expires_at: Mapped[datetime]
    multipart_id: Mapped[str | None] = mapped_column(Text)
    part_bytes: Mapped[int | None] = mapped_column(BigInteger)


class UploadPart(Base):
    """Some bytes of a resumable upload: the blob of them, at ``start``."""

    __tablename__ = "upload_parts"
    __table_args__ = (Index("ix_upload_parts_digest", "digest"),)

    upload_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("resumable_uploads.id", ondelete="CASCADE"), primary_key=True
    )
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class DatasetSignature(Base):
    """The MinHash of one version's rows: what finds copies without looking at the rows again.

    ``hashes`` are the smallest hashes, ascending; ``distinct`` is how many there were, exact while all are kept.
    """

    __tablename__ = "dataset_signatures"
    __table_args__ = (
        ForeignKeyConstraint(
            ["dataset_id", "number"],
            ["dataset_versions.dataset_id", "dataset_versions.number"],
            name="fk_dataset_signatures_version",
            ondelete="CASCADE",
        ),
        Index("ix_dataset_signatures_hashes", "hashes", postgresql_using="gin"),
    )

    dataset_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    hashes: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    distinct: Mapped[int] = mapped_column(BigInteger)
