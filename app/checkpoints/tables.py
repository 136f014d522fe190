"""The table of checkpoints: a buyer's model as an architecture, its hyper-parameters and, if uploaded, its weights."""

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from app.db.base import Base, PrimaryKey, Timestamped, enum_by_value


class Architecture(enum.Enum):
    """The learners of the engine, by the names they have there."""

    LOGISTIC = "logistic"
    MLP = "mlp"
    CNN = "cnn"


class Checkpoint(Timestamped, Base):
    """``digest`` is empty while there are no weights: such a checkpoint is trained by the job that names it.

    ``tensors`` is {parameter name: {"dtype", "shape"}} of the uploaded weights.
    """

    __tablename__ = "checkpoints"
    __table_args__ = (Index("ix_checkpoints_buyer_id_created_at_id", "buyer_id", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    buyer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    architecture: Mapped[Architecture] = mapped_column(enum_by_value(Architecture))
    hyper: Mapped[dict[str, Any]]
    digest: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    tensors: Mapped[dict[str, Any] | None]
    # when its weights were erased because a dataset that they had seen was withdrawn
    erased_at: Mapped[datetime | None]


class CheckpointLineage(Timestamped, Base):
    """A dataset's content that a checkpoint with weights has seen, as its buyer's jobs said."""

    __tablename__ = "checkpoint_lineage"
    __table_args__ = (Index("ix_checkpoint_lineage_dataset_id", "dataset_id"),)

    checkpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("checkpoints.id"), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
