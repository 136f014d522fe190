"""The tables of checkpoints: a buyer's model as an architecture, its hyper-parameters and, if uploaded, its weights;
which data the weights have seen; and the duties to unlearn some of it again.

A model folder (a base language model, an encoder of texts, a backbone of images) is a checkpoint of its own; an adapter
or a head names the one that it stands on as its ``base_id``.
"""

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from app.db.base import Base, PrimaryKey, Timestamped, name_of
from contract.architectures.model_folder import ModelFacts, TensorFacts
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod


class UnlearningStatus(enum.Enum):
    """The states of a duty to unlearn; the last two are final."""

    WAITING = "waiting"
    RUNNING = "running"
    UNLEARNED = "unlearned"
    ERASED = "erased"


class Checkpoint(Timestamped, Base):
    """``digest`` is empty while there are no weights: such a checkpoint is trained by the job that names it.

    ``tensors`` is {parameter name: {"dtype", "shape"}} of the weights. ``version`` counts the weights that there were:
    1 as uploaded, one more each time that they were unlearned.
    Of a model folder the content is an archive of its files in one fixed order, ``facts`` what they say of the model,
    ``tokenizer_digest`` the blob of its tokenizer alone. ``statistics_digest``: of weights that were trained here, the
    blob of the curvature of all rows that they have seen (``worker.engine.evaluation.forgetting.statistics``), which
    workers read for partial mode and nobody is given.
    """

    __tablename__ = "checkpoints"
    __table_args__ = (
        Index("ix_checkpoints_buyer_id_created_at_id", "buyer_id", "created_at", "id"),
        Index("ix_checkpoints_base_id", "base_id"),
    )

    id: Mapped[PrimaryKey]
    buyer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    architecture: Mapped[Architecture] = mapped_column(name_of(Architecture))
    hyper: Mapped[dict[str, Any]]
    digest: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    tensors: Mapped[dict[str, Any] | None]
    base_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("checkpoints.id", ondelete="RESTRICT"))
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    tokenizer_digest: Mapped[str | None] = mapped_column(String(64))
    statistics_digest: Mapped[str | None] = mapped_column(String(64))
    # when its weights were erased because a dataset that they had seen was withdrawn
    erased_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    # the owner's choice of method; None: the owner has not chosen, and is given time to
    unlearning: Mapped[WithdrawalMethod | None] = mapped_column(name_of(WithdrawalMethod))

    @property
    def weights(self) -> dict[str, TensorFacts]:
        """``tensors`` as typed data; none where there are no weights."""
        return {name: TensorFacts.read(facts) for name, facts in (self.tensors or {}).items()}

    @property
    def model_facts(self) -> ModelFacts:
        """What the model folder says; raises where there is none, which is checked before."""
        if self.facts is None:
            raise AssertionError(f"checkpoint {self.id} is no model folder, or has no weights")
        return ModelFacts.read(self.facts)


class CheckpointLineage(Timestamped, Base):
    """A dataset's content that a checkpoint with weights has seen, by its buyer's jobs; and when it forgot it."""

    __tablename__ = "checkpoint_lineage"
    __table_args__ = (Index("ix_checkpoint_lineage_dataset_id", "dataset_id"),)

    checkpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("checkpoints.id"), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    forgotten_at: Mapped[datetime | None]
    # by which method; "erase" where the weights went
    forgotten_by: Mapped[str | None] = mapped_column(String(32))


class UnlearningDuty(Timestamped, Base):
    """The duty to make one checkpoint forget one withdrawn dataset, under a lease while a worker does it.

    ``before`` and ``after`` are digests of weights, kept when the weights are gone (so no column for digests of blobs:
    the collector must not take them for references). ``record`` is what the certificate says; null until the end.
    """

    __tablename__ = "unlearnings"
    __table_args__ = (
        UniqueConstraint("checkpoint_id", "dataset_id"),
        Index("ix_unlearnings_dataset_id", "dataset_id"),
        # one at a time makes a checkpoint's next weights
        Index("uq_unlearnings_running", "checkpoint_id", unique=True, postgresql_where=text("status = 'running'")),
        Index("ix_unlearnings_open", "due_at", postgresql_where=text("status IN ('waiting', 'running')")),
        Index("ix_unlearnings_before", "before"),
        CheckConstraint(
            "(status IN ('unlearned', 'erased')) = (record IS NOT NULL AND finished_at IS NOT NULL)",
            name="an_end_has_a_record",
        ),
    )

    id: Mapped[PrimaryKey]
    checkpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("checkpoints.id"))
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"))
    # the job that says how the dataset's rows became numbers
    reference_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("valuations.id"))
    status: Mapped[UnlearningStatus] = mapped_column(name_of(UnlearningStatus))
    # from when a worker may begin; None while jobs still use the dataset
    due_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    fence: Mapped[int] = mapped_column(server_default=text("0"))
    worker: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, deferred=True)
    before: Mapped[str | None] = mapped_column(String(64))
    after: Mapped[str | None] = mapped_column(String(64))
    finished_at: Mapped[datetime | None]
    record: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
