"""SQL of jobs as people see them: posting, reading, listing, players, events. The SQL of work is in ``work/shards``
and ``work/leases``, that of worths in ``work/worths``, that of withdrawals in ``app/erasure``.

Every query on behalf of a caller takes the caller's account: another tenant's job is not found.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Uuid, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased, load_only, undefer

from app.accounts.tables import Account
from app.checkpoints.tables import Checkpoint
from app.datasets.tables import Dataset, DatasetVersion
from app.http.pages import PageRequest
from app.valuations.schemas import NewValuation
from app.valuations.states import NOT_BEGUN, TERMINAL, ShardStatus, ValuationStatus
from app.valuations.tables import (
    BuyerGame,
    DataAccess,
    Round,
    Shard,
    Valuation,
    ValuationDataset,
    ValuationEvent,
    ValuationPlayer,
    WorkerHeartbeat,
)
from contract.document import digest_of
from contract.orders.job import JobInputs
from contract.results.result import StoredResult


@dataclass(frozen=True)
class KeptResult:
    """A job's result and the digest of its JSON, which certificates name."""

    document: StoredResult
    digest: str


@dataclass(frozen=True)
class JobState:
    """What describes a job beside its own row: its game, its players, its last round, the workers that compute for it,
    and the device seconds spent."""

    game_digest: str
    players: int
    last: Round | None
    workers: int
    device_seconds: float


_LISTED = (
    Valuation.id, Valuation.buyer_id, Valuation.status, Valuation.pool_minor, Valuation.currency, Valuation.labels,
    Valuation.created_at, Valuation.finished_at, Valuation.progress,
)  # fmt: skip
_BUSY = (ValuationStatus.PLANNING, ValuationStatus.RUNNING, ValuationStatus.SETTLING, ValuationStatus.CANCELLING)


def datasets_by_id(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Dataset]:
    """Datasets of any provider, locked against being withdrawn or deleted while a job that names them is posted."""
    statement = select(Dataset).where(Dataset.id.in_(ids)).order_by(Dataset.id).with_for_update(read=True)
    return {row.id: row for row in session.scalars(statement)}


def upload_moments(session: Session, datasets: Collection[Dataset]) -> dict[uuid.UUID, datetime]:
    """When the bytes of each dataset were first uploaded to it; where no version says so, when it was created."""
    moments = {dataset.id: dataset.created_at for dataset in datasets}
    digests = {dataset.id: dataset.digest for dataset in datasets}
    rows = session.execute(
        select(DatasetVersion.dataset_id, DatasetVersion.digest, DatasetVersion.created_at).where(
            DatasetVersion.dataset_id.in_(moments)
        )
    )
    for dataset_id, digest, moment in rows:
        if digest == digests[dataset_id]:
            moments[dataset_id] = moment
    return moments


def handed_over(
    session: Session, buyer_id: uuid.UUID, datasets: Collection[Dataset], before: datetime
) -> set[uuid.UUID]:
    """Those of the datasets whose rows a job handed to this buyer before a moment."""
    statement = (
        select(DataAccess.dataset_id)
        .join(Valuation, Valuation.id == DataAccess.valuation_id)
        .where(
            Valuation.buyer_id == buyer_id,
            DataAccess.dataset_id.in_([dataset.id for dataset in datasets]),
            DataAccess.created_at < before,
        )
    )
    return set(session.scalars(statement))


def account_names(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    rows = session.execute(select(Account.id, Account.name).where(Account.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def own_checkpoint(session: Session, buyer_id: uuid.UUID, checkpoint_id: uuid.UUID) -> Checkpoint | None:
    """A buyer's checkpoint, locked against being unlearned while a job that names it is posted."""
    statement = select(Checkpoint).where(Checkpoint.id == checkpoint_id, Checkpoint.buyer_id == buyer_id)
    return session.scalar(statement.with_for_update(read=True).execution_options(populate_existing=True))


def add_game(session: Session, buyer_id: uuid.UUID, digest: str, frozen: dict[str, Any]) -> BuyerGame:
    """The buyer's game of this digest: the one that exists, or a new one."""
    same = select(BuyerGame).where(BuyerGame.buyer_id == buyer_id, BuyerGame.digest == digest)
    if (game := session.scalar(same)) is not None:
        return game
    session.execute(
        upsert(BuyerGame)
        .values(buyer_id=buyer_id, digest=digest, frozen=frozen)
        .on_conflict_do_nothing(index_elements=["buyer_id", "digest"])
    )
    return session.scalars(same).one()


def game_digest(session: Session, game_id: uuid.UUID) -> str:
    return session.scalars(select(BuyerGame.digest).where(BuyerGame.id == game_id)).one()


def get_game(session: Session, game_id: uuid.UUID) -> BuyerGame:
    return session.get_one(BuyerGame, game_id)


def device_known(session: Session, queue: str) -> bool:
    """Whether a worker process that serves a queue has been heard of lately (the sweeper forgets silent ones)."""
    return bool(session.scalar(select(exists().where(WorkerHeartbeat.queue == queue))))


def set_prepared(session: Session, game_id: uuid.UUID, blob: str, facts: dict[str, Any]) -> None:
    """Name the blob of a game's trained models and what planning needs to know of them; the first one stays."""
    session.execute(
        update(BuyerGame)
        .where(BuyerGame.id == game_id, BuyerGame.prepared.is_(None))
        .values(prepared=blob, facts=facts)
    )


def new_valuation(
    order: NewValuation,
    *,
    buyer_id: uuid.UUID,
    game_id: uuid.UUID,
    inputs: JobInputs,
    pool_minor: int,
    **columns: Any,
) -> Valuation:
    """A job of an order, at its beginning: queued, unless ``columns`` say otherwise. It is not added yet."""
    beginning = {
        "status": ValuationStatus.QUEUED,
        "labels": order.metadata,
        "progress": {},
        "round": 0,
        "version": 1,
        "event_seq": 0,
    }
    return Valuation(
        buyer_id=buyer_id,
        game_id=game_id,
        spec=order.model_dump(mode="json", exclude={"metadata"}),
        inputs=inputs.plain(),
        pool_minor=pool_minor,
        currency=order.currency,
        queue=order.device,
        **beginning | columns,
    )


def add_valuation(
    session: Session, valuation: Valuation, players: Sequence[dict[str, Any]], datasets: Sequence[uuid.UUID]
) -> None:
    session.add(valuation)
    session.flush()
    _add_players(session, valuation.id, players, datasets)


def replace_players(
    session: Session, valuation_id: uuid.UUID, players: Sequence[dict[str, Any]], datasets: Sequence[uuid.UUID]
) -> None:
    """Other players and datasets of a job that has not begun."""
    session.execute(delete(ValuationPlayer).where(ValuationPlayer.valuation_id == valuation_id))
    session.execute(delete(ValuationDataset).where(ValuationDataset.valuation_id == valuation_id))
    _add_players(session, valuation_id, players, datasets)


def _add_players(
    session: Session, valuation_id: uuid.UUID, players: Sequence[dict[str, Any]], datasets: Sequence[uuid.UUID]
) -> None:
    session.execute(insert(ValuationPlayer), [{"valuation_id": valuation_id, **player} for player in players])
    session.execute(
        insert(ValuationDataset), [{"valuation_id": valuation_id, "dataset_id": dataset} for dataset in datasets]
    )


def top_ups(session: Session, valuation_id: uuid.UUID) -> Sequence[Valuation]:
    """The jobs that top up this one, oldest first."""
    return session.scalars(select(Valuation).where(Valuation.tops_up == valuation_id).order_by(Valuation.id)).all()


def datasets_of(session: Session, valuation_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """The datasets that a job reads, its test set among them."""
    statement = select(ValuationDataset.dataset_id).where(ValuationDataset.valuation_id == valuation_id)
    return session.scalars(statement.order_by(ValuationDataset.dataset_id)).all()


def lock(session: Session, valuation_id: uuid.UUID) -> Valuation:
    """The job, current and locked until the transaction ends."""
    statement = select(Valuation).where(Valuation.id == valuation_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def lock_buyer(session: Session, buyer_id: uuid.UUID) -> None:
    """One at a time decides how many of a buyer's jobs may run; held until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"valuations of {buyer_id}", 0))))


def of_id(session: Session, valuation_id: uuid.UUID) -> Valuation:
    """The job, for workers and sweepers, who act for the service itself."""
    return session.get_one(Valuation, valuation_id)


def of_buyer(session: Session, buyer_id: uuid.UUID, valuation_id: uuid.UUID) -> Valuation | None:
    """A buyer's job; its explorations are none, since what they found is not told as it is."""
    return session.scalar(_OF_BUYER, {"job": valuation_id, "buyer": buyer_id})


def exploration(session: Session, buyer_id: uuid.UUID, valuation_id: uuid.UUID) -> Valuation | None:
    """A buyer's exploration."""
    return session.scalar(
        select(Valuation).where(Valuation.id == valuation_id, Valuation.buyer_id == buyer_id, Valuation.explores)
    )


def explorations(session: Session, buyer_id: uuid.UUID, page: PageRequest) -> tuple[list[Valuation], str | None]:
    """A buyer's explorations, newest first."""
    statement = select(Valuation).where(Valuation.buyer_id == buyer_id, Valuation.explores)
    return page.fetch(session, statement, Valuation, {"list": "explorations", "buyer": buyer_id})


def any_valuation(session: Session, valuation_id: uuid.UUID) -> Valuation | None:
    """For administrators, the traceback included."""
    return session.scalar(select(Valuation).where(Valuation.id == valuation_id).options(undefer(Valuation.traceback)))


def version_of(session: Session, valuation_id: uuid.UUID) -> tuple[int, ValuationStatus] | None:
    row = session.execute(select(Valuation.version, Valuation.status).where(Valuation.id == valuation_id)).one_or_none()
    return (row[0], row[1]) if row else None


def page_of_buyer(
    session: Session, buyer_id: uuid.UUID | None, statuses: Sequence[ValuationStatus], page: PageRequest
) -> tuple[list[Valuation], str | None]:
    """A buyer's jobs, or all (``None``, administrators only), newest first; only what a list shows of them."""
    statement = select(Valuation).options(load_only(*_LISTED)).where(~Valuation.explores)
    if buyer_id is not None:
        statement = statement.where(Valuation.buyer_id == buyer_id)
    if statuses:
        statement = statement.where(Valuation.status.in_(statuses))
    filters = {"list": "valuations", "buyer": buyer_id, "status": ",".join(sorted(statuses))}
    return page.fetch(session, statement, Valuation, filters)


def page_of_provider(
    session: Session, provider_id: uuid.UUID, page: PageRequest
) -> tuple[list[tuple[Valuation, list[ValuationPlayer]]], str | None]:
    """The jobs in which a provider is a player, newest first, each with this provider's players only."""
    mine = select(ValuationPlayer.valuation_id).where(ValuationPlayer.provider_id == provider_id)
    statement = select(Valuation).where(Valuation.id.in_(mine), ~Valuation.explores)
    jobs, cursor = page.fetch(session, statement, Valuation, {"list": "my-valuations", "provider": provider_id})
    players = session.scalars(
        select(ValuationPlayer)
        .where(ValuationPlayer.provider_id == provider_id, ValuationPlayer.valuation_id.in_([job.id for job in jobs]))
        .order_by(ValuationPlayer.valuation_id, ValuationPlayer.position)
    ).all()
    grouped: dict[uuid.UUID, list[ValuationPlayer]] = {job.id: [] for job in jobs}
    for player in players:
        grouped[player.valuation_id].append(player)
    return [(job, grouped[job.id]) for job in jobs], cursor


def of_provider(
    session: Session, provider_id: uuid.UUID, valuation_id: uuid.UUID
) -> tuple[Valuation, list[ValuationPlayer]] | None:
    """A job in which a provider is a player, with its players; None where it is in none of this id."""
    mine = list(
        session.scalars(
            select(ValuationPlayer)
            .where(ValuationPlayer.provider_id == provider_id, ValuationPlayer.valuation_id == valuation_id)
            .order_by(ValuationPlayer.position)
        )
    )
    if not mine:
        return None
    job = session.scalar(select(Valuation).where(Valuation.id == valuation_id, ~Valuation.explores))
    return None if job is None else (job, mine)


def players(session: Session, valuation_id: uuid.UUID) -> Sequence[ValuationPlayer]:
    """A job's players in canonical order."""
    statement = select(ValuationPlayer).where(ValuationPlayer.valuation_id == valuation_id)
    return session.scalars(statement.order_by(ValuationPlayer.position)).all()


def players_of_provider(session: Session, valuation_id: uuid.UUID, provider_id: uuid.UUID) -> Sequence[ValuationPlayer]:
    """A provider's own players in a job; none where its data is not in it."""
    statement = select(ValuationPlayer).where(
        ValuationPlayer.valuation_id == valuation_id, ValuationPlayer.provider_id == provider_id
    )
    return session.scalars(statement.order_by(ValuationPlayer.position)).all()


def _job_state() -> Select[Any]:
    job = bindparam("job", type_=Uuid())
    workers = select(func.count(Shard.worker.distinct())).where(
        Shard.valuation_id == job, Shard.status == ShardStatus.RUNNING, Shard.lease_until >= func.clock_timestamp()
    )
    spent = select(func.coalesce(func.sum(Round.seconds), 0.0)).where(Round.valuation_id == job)
    players = select(func.count()).where(ValuationPlayer.valuation_id == job)
    last = select(func.max(Round.number)).where(Round.valuation_id == job)
    return (
        select(BuyerGame.digest, players.scalar_subquery(), Round, workers.scalar_subquery(), spent.scalar_subquery())
        .outerjoin(Round, and_(Round.valuation_id == job, Round.number == last.scalar_subquery()))
        .where(BuyerGame.id == bindparam("game", type_=Uuid()))
    )


# made once: jobs are read more often than anything else, and making a statement takes as long as running it
_JOB_STATE = _job_state()
_OF_BUYER = select(Valuation).where(
    Valuation.id == bindparam("job", type_=Uuid()),
    Valuation.buyer_id == bindparam("buyer", type_=Uuid()),
    ~Valuation.explores,
)


def job_state(session: Session, valuation: Valuation) -> JobState:
    """The state of a job now, in one statement."""
    row = session.execute(_JOB_STATE, {"job": valuation.id, "game": valuation.game_id}).one()
    return JobState(row[0], int(row[1]), row[2], int(row[3]), float(row[4]))


def result_of(session: Session, valuation_id: uuid.UUID) -> KeptResult | None:
    """A job's result; None while it has none."""
    plain = session.scalar(select(Valuation.result).where(Valuation.id == valuation_id))
    return None if plain is None else KeptResult(StoredResult.from_dict(plain), digest_of(plain))


def add_event(session: Session, valuation: Valuation, type_: str, data: dict[str, Any]) -> None:
    """Append to a locked job's events; the new version is what readers wait for."""
    valuation.event_seq += 1
    valuation.version += 1
    session.add(ValuationEvent(valuation_id=valuation.id, seq=valuation.event_seq, type=type_, data=data))
    session.flush()


def events(session: Session, valuation_id: uuid.UUID, after: int, limit: int) -> Sequence[ValuationEvent]:
    statement = (
        select(ValuationEvent)
        .where(ValuationEvent.valuation_id == valuation_id, ValuationEvent.seq > after)
        .order_by(ValuationEvent.seq)
        .limit(limit)
    )
    return session.scalars(statement).all()


def room_for_jobs(session: Session, buyer_id: uuid.UUID, usual: int) -> int:
    """How many more of a buyer's jobs may be under way: an administrator's limit for it, or the usual one, less those
    that are."""
    working = Valuation.waits_until.is_(None)  # a job that waits for a top-up leaves room for it
    busy = (
        select(func.count())
        .where(Valuation.buyer_id == buyer_id, Valuation.status.in_(_BUSY), working)
        .scalar_subquery()
    )
    row = session.execute(select(Account.max_running_jobs, busy).where(Account.id == buyer_id)).one()
    return (usual if row[0] is None else int(row[0])) - int(row[1])


def lock_next_queued(session: Session, buyer_id: uuid.UUID) -> Valuation | None:
    """A buyer's oldest waiting job, locked."""
    statement = (
        select(Valuation)
        .where(Valuation.buyer_id == buyer_id, Valuation.status == ValuationStatus.QUEUED)
        .order_by(Valuation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return session.scalar(statement)


def buyers_with_queued_jobs(session: Session) -> Sequence[uuid.UUID]:
    return session.scalars(
        select(Valuation.buyer_id).where(Valuation.status == ValuationStatus.QUEUED).distinct()
    ).all()


def overdue_jobs(session: Session) -> Sequence[uuid.UUID]:
    """Jobs whose deadline has passed while they could still be stopped, and jobs that are being cancelled."""
    stoppable = (*NOT_BEGUN, ValuationStatus.PLANNING, ValuationStatus.RUNNING)
    statement = select(Valuation.id).where(
        Valuation.status.not_in(tuple(TERMINAL)),
        or_(
            and_(Valuation.status.in_(stoppable), Valuation.deadline < func.clock_timestamp()),
            Valuation.status == ValuationStatus.CANCELLING,
        ),
    )
    return session.scalars(statement).all()


def waited_long_enough(session: Session) -> Sequence[uuid.UUID]:
    """Jobs whose wait for a top-up is over, and for which none is under way."""
    top_up = aliased(Valuation)
    under_way = exists().where(top_up.tops_up == Valuation.id, top_up.status.not_in(tuple(TERMINAL)))
    statement = select(Valuation.id).where(
        Valuation.status == ValuationStatus.SETTLING, Valuation.waits_until < func.clock_timestamp(), ~under_way
    )
    return session.scalars(statement).all()


def now(session: Session) -> datetime:
    """The database's clock."""
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment


def last_error(session: Session, valuation_id: uuid.UUID) -> str | None:
    """The latest traceback that a shard of this job left behind."""
    statement = (
        select(Shard.last_error)
        .where(Shard.valuation_id == valuation_id, Shard.last_error.is_not(None))
        .order_by(Shard.finished_at.desc().nulls_last(), Shard.started_at.desc())
        .limit(1)
    )
    return session.scalar(statement)
