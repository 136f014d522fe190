"""Tables of the valuations' room: jobs, their players, games with their worths, rounds, shards, events, workers.

Postgres is the truth about work: who holds which shard under which fencing token, which worths exist, what comes
next. A worth lives in ``evaluations`` under (game, source, coalition) and is inserted once and never updated; a game
belongs to one buyer, so worths are shared between one buyer's jobs and never across tenants.
"""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped, name_of
from app.valuations.attribution_tables import AttributionRequest as AttributionRequest
from app.valuations.attribution_tables import PlayerModel as PlayerModel
from app.valuations.data_tables import DataAccess as DataAccess
from app.valuations.data_tables import DataLink as DataLink
from app.valuations.data_tables import DataPurchase as DataPurchase
from app.valuations.schemas import NewValuation
from app.valuations.states import ConsentStatus, ShardKind, ShardStatus, StandingStatus, ValuationStatus
from contract.orders.game import FrozenGame
from contract.orders.job import JobInputs, JobProgress
from contract.results.delivery import ReleasedModel


class BuyerGame(Base, Timestamped):
    """One buyer's game: everything that determines a worth, under one digest. ``prepared`` is trained once."""

    __tablename__ = "games"
    __table_args__ = (UniqueConstraint("buyer_id", "digest"),)

    id: Mapped[PrimaryKey]
    buyer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    digest: Mapped[str] = mapped_column(String(64))
    frozen: Mapped[dict[str, Any]]
    # blob of the base and full models (safetensors), written once by whoever finished first
    prepared: Mapped[str | None] = mapped_column(String(64))
    # determined together with the models, so that planning needs no data: contract.orders.job.GameFacts
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    @property
    def document(self) -> FrozenGame:
        """The game, as typed data."""
        return FrozenGame.read(self.frozen)


class Valuation(Base, Timestamped):
    """A job: the order, its status, what it holds in escrow, the result."""

    __tablename__ = "valuations"
    __table_args__ = (
        Index("ix_valuations_buyer_id_created_at_id", "buyer_id", "created_at", "id"),
        Index(
            "ix_valuations_active",
            "status",
            "id",
            postgresql_where=text("status IN ('queued', 'planning', 'running', 'settling', 'cancelling')"),
        ),
        Index("ix_valuations_game_id", "game_id"),
        Index("ix_valuations_tops_up", "tops_up"),
    )

    id: Mapped[PrimaryKey]
    buyer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    game_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("games.id"))
    status: Mapped[ValuationStatus] = mapped_column(name_of(ValuationStatus))
    reason: Mapped[str | None] = mapped_column(String(32))
    # a plain sentence for the buyer, and what an administrator needs; never the one in place of the other
    error: Mapped[str | None] = mapped_column(Text)
    traceback: Mapped[str | None] = mapped_column(Text, deferred=True)
    spec: Mapped[dict[str, Any]]
    # which blobs to read, and the terms: contract.orders.job.JobInputs
    inputs: Mapped[dict[str, Any]]
    labels: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    pool_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    queue: Mapped[str] = mapped_column(String(16))
    round: Mapped[int] = mapped_column(server_default=text("0"))
    # goes up by one with every change that a reader may see; the ETag
    version: Mapped[int] = mapped_column(server_default=text("1"))
    event_seq: Mapped[int] = mapped_column(server_default=text("0"))
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    # the engine's whole answer, written when the job begins to settle, shown once it has succeeded
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    deadline: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    # the job that this one goes on with; it divides no pool of its own
    tops_up: Mapped[uuid.UUID | None]
    # an exploration: told coarsely, under /v1/explorations alone
    explores: Mapped[bool] = mapped_column(server_default=text("false"))
    # settling, and it missed its precision: until when it waits for a top-up
    waits_until: Mapped[datetime | None]

    @property
    def order(self) -> NewValuation:
        """The order, as typed data; metadata is beside it, in ``labels``."""
        return NewValuation.stored(self.spec)

    @property
    def job_inputs(self) -> JobInputs:
        """What the job reads and was agreed on, as typed data."""
        return JobInputs.read(self.inputs)

    @property
    def job_progress(self) -> JobProgress:
        """What the last plan knew, as typed data."""
        return JobProgress.read(self.progress)


class ValuationPlayer(Base):
    """One player of one job, in the game's canonical order, with its value and its amount."""

    __tablename__ = "valuation_players"
    __table_args__ = (Index("ix_valuation_players_provider_id_valuation_id", "provider_id", "valuation_id"),)

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(Text)
    datasets: Mapped[list[Any]]
    digest: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float | None]
    stderr: Mapped[float | None]
    value_low: Mapped[float | None]
    value_high: Mapped[float | None]
    # by value; of jobs of the first edition (contract.orders.job.AgreedTerms) what was paid
    share: Mapped[float | None]
    share_low: Mapped[float | None]
    share_high: Mapped[float | None]
    # its part of what was divided, and why it is that
    paid_share: Mapped[float | None]
    reason: Mapped[str | None] = mapped_column(Text)
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)


class ValuationConsent(Base, Timestamped):
    """One provider's consent to a job that names data of its, whose licence demands it: asked when the job is posted,
    answered once. ``datasets`` are those whose licence demands it; ``note`` is what the provider said with it."""

    __tablename__ = "valuation_consents"
    __table_args__ = (
        Index("ix_valuation_consents_provider_id_created_at_id", "provider_id", "created_at", "id"),
        Index("ix_valuation_consents_pending", "answer_until", postgresql_where=text("status = 'pending'")),
        UniqueConstraint("valuation_id", "provider_id"),
    )

    id: Mapped[PrimaryKey]
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"))
    provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    datasets: Mapped[list[Any]]
    status: Mapped[ConsentStatus] = mapped_column(name_of(ConsentStatus), default=ConsentStatus.PENDING)
    answer_until: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)

    @property
    def dataset_ids(self) -> list[uuid.UUID]:
        """``datasets`` as ids."""
        return [uuid.UUID(each) for each in self.datasets]


class ValuationDataset(Base):
    """Which datasets a job reads: a dataset in use by a job cannot be deleted, only withdrawn."""

    __tablename__ = "valuation_datasets"
    __table_args__ = (Index("ix_valuation_datasets_dataset_id", "dataset_id"),)

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)


class Evaluation(Base):
    """One worth. ``coalition`` is the bit set of the players kept (bit i of the game's canonical order), packed."""

    __tablename__ = "evaluations"

    game_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("games.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    coalition: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    worth: Mapped[float]
    seconds: Mapped[float]
    # which work computed it; plain ids, so that the hottest insert of the service checks one foreign key only
    valuation_id: Mapped[uuid.UUID]
    shard_id: Mapped[uuid.UUID]
    fence: Mapped[int]


class StoredAnswers(Base, Timestamped):
    """What the models of some coalitions answered on the test units: a blob of them in the order of ``coalitions``
    (packed, one after the other). Worths under any metric follow from them; ``contract.results.answers``
    reads the blob."""

    __tablename__ = "kept_answers"

    game_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("games.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    coalitions: Mapped[bytes] = mapped_column(LargeBinary)
    count: Mapped[int]


class EvidenceDocument(Base, Timestamped):
    """The blob of what a result of the game rests on (contract.proof.evidence), which the result's certificate
    commits to."""

    __tablename__ = "evidence_documents"

    game_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("games.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)


class StandingOrder(Base, Timestamped):
    """A job that is repeated when its datasets have new versions: the order in ``spec``, the content (hex digest) of
    each dataset in ``basis`` that was valued last, and at most ``cap_minor`` of pools in a month (UTC). ``problem`` is
    why the last repeat was not posted, and ``next_try_at`` when it is tried again."""

    __tablename__ = "standing_orders"
    __table_args__ = (
        Index("ix_standing_orders_buyer_id_created_at_id", "buyer_id", "created_at", "id"),
        Index("ix_standing_orders_active", "next_try_at", postgresql_where=text("status = 'active'")),
    )

    id: Mapped[PrimaryKey]
    buyer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    repeats: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"))
    name: Mapped[str] = mapped_column(String(200))
    spec: Mapped[dict[str, Any]]
    basis: Mapped[dict[str, Any]]
    cap_minor: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[StandingStatus] = mapped_column(name_of(StandingStatus), default=StandingStatus.ACTIVE)
    problem: Mapped[str | None] = mapped_column(Text)
    next_try_at: Mapped[datetime | None]

    @property
    def order(self) -> NewValuation:
        """The order, as typed data."""
        return NewValuation.stored(self.spec)


class StandingRun(Base, Timestamped):
    """A job that a standing order posted."""

    __tablename__ = "standing_runs"

    standing_order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("standing_orders.id"), primary_key=True)
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)


class OtherMetric(Base, Timestamped):
    """The values of a job that has succeeded by a metric that it did not order: asked for, then either a ``result``
    (contract.results.result.StoredResult, as the job's own) or a ``refusal`` in words. ``tries`` counts
    workers that began."""

    __tablename__ = "other_metrics"

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    metric: Mapped[str] = mapped_column(Text, primary_key=True)
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    refusal: Mapped[str | None] = mapped_column(Text)


class ReportLink(Base, Timestamped):
    """A link by which anybody reads a job's report, until it ends or its buyer takes it back."""

    __tablename__ = "report_links"

    id: Mapped[PrimaryKey]
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), index=True)
    ends_at: Mapped[datetime]
    taken_back_at: Mapped[datetime | None]


class Round(Base, Timestamped):
    """One request of the estimator. ``open`` counts its unfinished shards; who brings it to zero records the plan."""

    __tablename__ = "rounds"

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(String(64))
    worths: Mapped[int]
    shards: Mapped[int]
    open: Mapped[int]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    seconds: Mapped[float] = mapped_column(server_default=text("0"))
    finished_at: Mapped[datetime | None]


class Shard(Base, Timestamped):
    """One piece of work under a lease: preparing, planning, a batch of worths, or settling.

    ``fence`` goes up with every claim and stands in the WHERE of every write of the holder. ``attempt`` counts claims
    that did not end well; at the limit the job fails with the cause. ``dispatched_at`` is when its message was last
    recorded; NULL means the shard waits for a place in its job's window.
    """

    __tablename__ = "shards"
    __table_args__ = (
        UniqueConstraint("valuation_id", "round", "kind", "ordinal"),
        Index("ix_shards_valuation_id_status", "valuation_id", "status"),
        Index("ix_shards_lease", "lease_until", postgresql_where=text("status = 'running'")),
        Index(
            "ix_shards_dispatched",
            "queue",
            "dispatched_at",
            postgresql_where=text("status = 'queued' AND dispatched_at IS NOT NULL"),
        ),
        Index(
            "ix_shards_waiting",
            "valuation_id",
            "round",
            "ordinal",
            postgresql_where=text("status = 'queued' AND dispatched_at IS NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"))
    round: Mapped[int]
    kind: Mapped[ShardKind] = mapped_column(name_of(ShardKind))
    ordinal: Mapped[int]
    status: Mapped[ShardStatus] = mapped_column(name_of(ShardStatus))
    queue: Mapped[str] = mapped_column(String(16))
    source: Mapped[str | None] = mapped_column(String(64))
    # m packed coalitions, one after the other
    coalitions: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    count: Mapped[int] = mapped_column(server_default=text("0"))
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    fence: Mapped[int] = mapped_column(server_default=text("0"))
    # who holds it or held it last; of a check that nobody has held yet: who computed what is checked
    worker: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, deferred=True)


class ValuationEvent(Base, Timestamped):
    """What happened to a job, numbered from 1 without gaps."""

    __tablename__ = "valuation_events"

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]]

    @property
    def progress(self) -> JobProgress | None:
        """What the plan knew that this event tells of; None for events that tell of something else."""
        known = self.data.get("progress")
        return None if known is None else JobProgress.read(known)


class WorkerHeartbeat(Base):
    """A worker process that said it was alive at ``seen_at``, by the database's clock."""

    __tablename__ = "worker_heartbeats"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    queue: Mapped[str] = mapped_column(String(16))
    device: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    shard_id: Mapped[uuid.UUID | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Erasure(Base, Timestamped):
    """What was erased when a dataset was withdrawn. ``record`` holds digests and counts only; it is there once what was
    derived is gone, and complete when ``finished_at`` is set. ``to_erase`` are blobs still to be erased."""

    __tablename__ = "erasures"

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    record: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    to_erase: Mapped[list[Any] | None] = mapped_column("doomed", JSONB(none_as_null=True))


class ModelRelease(Base, Timestamped):
    """The model that a job's settlement released to its buyer, or why it released none (``reason``).

    The weights are a checkpoint of the buyer's, so that a withdrawal reaches them as it reaches every checkpoint.
    ``document`` is contract.results.delivery.ReleasedModel, ``package`` the SHA-256 of the manifest that certificates
    name.
    """

    __tablename__ = "model_releases"
    __table_args__ = (Index("ix_model_releases_checkpoint_id", "checkpoint_id"),)

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    checkpoint_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("checkpoints.id"))
    package: Mapped[str | None] = mapped_column(String(64))
    document: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reason: Mapped[str | None] = mapped_column(Text)

    @property
    def released(self) -> ReleasedModel:
        """What was released; to be asked only where something was."""
        return ReleasedModel.read(self.document or {})


class RowValues(Base, Timestamped):
    """The values of one payee's rows in one job: a blob of their table, how they were told apart, and how many rows
    have each finding (``contract.results.row_values``)."""

    __tablename__ = "row_values"

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int] = mapped_column(BigInteger)
    told_by: Mapped[str] = mapped_column(Text)
    findings: Mapped[dict[str, Any]]


class Fitting(Base, Timestamped):
    """The sandbox's answer about a job's files (``orders/fit_task``), by the digest of the question. It serves every
    process for a while, and can always be computed again."""

    __tablename__ = "fittings"
    __table_args__ = (Index("ix_fittings_created_at", "created_at"),)

    question: Mapped[str] = mapped_column(String(64), primary_key=True)
    # the JSON as it came: JSONB would make another number of -0.0, and so another game
    answer: Mapped[str] = mapped_column("told", Text)
