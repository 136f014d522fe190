"""SQL of administrators' views alone: the outbox by queue, failed jobs with their tracebacks, a job's open work."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Text, cast, distinct, false, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer

from app.accounts.tables import Account, User
from app.datasets.tables import Dataset
from app.http.pages import PageRequest
from app.outbox.tables import OutboxMessage
from app.valuations.states import TERMINAL, ShardStatus, ValuationStatus
from app.valuations.tables import Shard, Valuation, ValuationPlayer


def outbox_by_queue(session: Session) -> Sequence[Row[str, int, int, float, int]]:
    """(queue, unsent, due, seconds that the oldest due message waits, messages that failed to be sent)."""
    due = OutboxMessage.available_at <= func.now()
    waited = func.extract("epoch", func.now() - func.min(OutboxMessage.available_at).filter(due))
    statement = (
        select(
            OutboxMessage.queue,
            func.count(),
            func.count().filter(due),
            func.coalesce(waited, 0.0),
            func.count().filter(OutboxMessage.last_error.is_not(None)),
        )
        .where(OutboxMessage.sent_at.is_(None))
        .group_by(OutboxMessage.queue)
        .order_by(OutboxMessage.queue)
    )
    return session.execute(statement).all()


def jobs_by_status(session: Session) -> Sequence[Row[ValuationStatus, int]]:
    """How many jobs that have not ended are in each state."""
    active = ("awaiting_consent", "queued", "planning", "running", "settling", "cancelling")
    statement = select(Valuation.status, func.count()).where(Valuation.status.in_(active)).group_by(Valuation.status)
    return session.execute(statement).all()


def failed_jobs(session: Session, page: PageRequest) -> tuple[list[Valuation], str | None]:
    """Failed jobs with their tracebacks, newest first."""
    statement = select(Valuation).where(Valuation.status == ValuationStatus.FAILED)
    return page.fetch(session, statement.options(undefer(Valuation.traceback)), Valuation, {"list": "failures"})


def lock_queued_shards(session: Session, valuation_id: uuid.UUID) -> Sequence[Shard]:
    """A job's shards that no worker holds, locked; those that a worker is claiming at this moment are skipped."""
    statement = (
        select(Shard)
        .where(Shard.valuation_id == valuation_id, Shard.status == ShardStatus.QUEUED)
        .order_by(Shard.round, Shard.ordinal)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(statement).all()


def accounts_like(session: Session, words: str, digits: str | None, most: int) -> Sequence[Account]:
    """Organisations of this name or id, or with a person of this address."""
    people = select(User.account_id).where(User.email.icontains(words, autoescape=True), User.removed_at.is_(None))
    alike = or_(Account.name.icontains(words, autoescape=True), Account.id.in_(people), _ends(Account.id, digits))
    return session.scalars(select(Account).where(alike).order_by(Account.id.desc()).limit(most)).all()


def datasets_like(session: Session, words: str, digits: str | None, most: int) -> Sequence[Dataset]:
    """Datasets of this name or id, whoever's and whatever their state."""
    alike = or_(Dataset.name.icontains(words, autoescape=True), _ends(Dataset.id, digits))
    return session.scalars(select(Dataset).where(alike).order_by(Dataset.id.desc()).limit(most)).all()


def jobs_like(session: Session, words: str, digits: str | None, most: int) -> Sequence[Valuation]:
    """Jobs of this id, or that their buyer calls so."""
    called = Valuation.labels["order"].astext.icontains(words, autoescape=True)
    alike = or_(called, _ends(Valuation.id, digits))
    return session.scalars(select(Valuation).where(alike).order_by(Valuation.id.desc()).limit(most)).all()


def account_names(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    rows = session.execute(select(Account.id, Account.name).where(Account.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def _ends(column: InstrumentedAttribute[uuid.UUID], digits: str | None) -> ColumnElement[bool]:
    """Whether an id ends in these hex digits."""
    if digits is None:
        return false()
    if len(digits) == 32:
        return column == uuid.UUID(digits)
    return func.right(func.replace(cast(column, Text), "-", ""), len(digits)) == digits


def forgive(session: Session, shard_ids: Sequence[uuid.UUID]) -> None:
    """Let shards have all their attempts again, and count them as dispatched now."""
    session.execute(
        update(Shard)
        .where(Shard.id.in_(shard_ids))
        .values(attempt=0, dispatched_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def people_of(session: Session, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many people can log in for each organisation; those without any are left out."""
    statement = (
        select(User.account_id, func.count())
        .where(User.account_id.in_(account_ids), User.removed_at.is_(None))
        .group_by(User.account_id)
    )
    return {row[0]: int(row[1]) for row in session.execute(statement)}


def jobs_of_buyers(session: Session, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[int, int]]:
    """Jobs that each has posted, and those of them that have not ended."""
    at_work = func.count().filter(Valuation.status.not_in(TERMINAL))
    statement = (
        select(Valuation.buyer_id, func.count(), at_work)
        .where(Valuation.buyer_id.in_(account_ids))
        .group_by(Valuation.buyer_id)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in session.execute(statement)}


def jobs_of_providers(session: Session, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, tuple[int, int]]:
    """Jobs that each has data in, and those of them that have not ended."""
    job = func.count(distinct(ValuationPlayer.valuation_id))
    statement = (
        select(ValuationPlayer.provider_id, job, job.filter(Valuation.status.not_in(TERMINAL)))
        .join(Valuation, Valuation.id == ValuationPlayer.valuation_id)
        .where(ValuationPlayer.provider_id.in_(account_ids))
        .group_by(ValuationPlayer.provider_id)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in session.execute(statement)}


def lifetimes(session: Session, first: uuid.UUID) -> Sequence[Row[datetime, datetime | None, ValuationStatus]]:
    """When jobs were posted and ended, and as what: those with ids from ``first`` on, and all that have not ended."""
    known = or_(Valuation.id >= first, Valuation.status.not_in(TERMINAL))
    return session.execute(select(Valuation.created_at, Valuation.finished_at, Valuation.status).where(known)).all()
