"""SQL of questions to agents. What an agent may see is restricted to its organisation's datasets here."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, undefer

from app.agents.tables import AgentPresence, AskedQuestion, QuestionStatus
from app.datasets.tables import Dataset, DatasetStatus
from app.db.base import uuid7
from contract.openings import AskedQuestion as Question

_NOW = func.clock_timestamp()


def ask(session: Session, dataset_id: uuid.UUID, question: Question, models: bytes) -> None:
    """Ask a question, if it has not been asked; the same one is answered once."""
    statement = upsert(AskedQuestion).values(
        id=uuid7(),
        dataset_id=dataset_id,
        digest=question.digest,
        question=question.plain(),
        models=models,
        status=QuestionStatus.WAITING,
    )
    session.execute(statement.on_conflict_do_nothing(index_elements=["dataset_id", "digest"]))


def stored_question(session: Session, dataset_id: uuid.UUID, digest: str) -> AskedQuestion | None:
    """A question with its answer, if there is one."""
    statement = select(AskedQuestion).where(AskedQuestion.dataset_id == dataset_id, AskedQuestion.digest == digest)
    return session.scalar(statement.options(undefer(AskedQuestion.answer)).execution_options(populate_existing=True))


def answered(
    session: Session, dataset_id: uuid.UUID, game: str, since: datetime, until: datetime
) -> Sequence[tuple[str, str]]:
    """The digests of one game's questions that were answered between these moments, each with what it asks for."""
    asks = AskedQuestion.question.op("->>")("asks")
    statement = select(AskedQuestion.digest, asks).where(
        AskedQuestion.dataset_id == dataset_id,
        AskedQuestion.status == QuestionStatus.ANSWERED,
        AskedQuestion.question.op("->>")("game") == game,
        AskedQuestion.answered_at > since,
        AskedQuestion.answered_at <= until,
    )
    return [(digest, asked) for digest, asked in session.execute(statement.order_by(AskedQuestion.id))]


def with_answers(session: Session, dataset_id: uuid.UUID, digests: Sequence[str]) -> Sequence[AskedQuestion]:
    """Questions with their models and answers."""
    statement = select(AskedQuestion).where(AskedQuestion.dataset_id == dataset_id, AskedQuestion.digest.in_(digests))
    loaded = statement.options(undefer(AskedQuestion.models), undefer(AskedQuestion.answer))
    return session.scalars(loaded.order_by(AskedQuestion.id)).all()


def keep(session: Session, question_ids: Sequence[uuid.UUID], how_long: timedelta) -> None:
    """Keep answers whose provider may have them looked at again."""
    statement = update(AskedQuestion).where(AskedQuestion.id.in_(question_ids))
    session.execute(statement.values(keep_until=_NOW + how_long))


def kept(session: Session, dataset_id: uuid.UUID, game: str) -> Sequence[AskedQuestion]:
    """The answers of one game that are kept to be looked at again, with models and answers."""
    statement = select(AskedQuestion).where(
        AskedQuestion.dataset_id == dataset_id,
        AskedQuestion.question.op("->>")("game") == game,
        AskedQuestion.keep_until > _NOW,
    )
    loaded = statement.options(undefer(AskedQuestion.models), undefer(AskedQuestion.answer))
    return session.scalars(loaded.order_by(AskedQuestion.id)).all()


def waiting(
    session: Session, provider_id: uuid.UUID, dataset_ids: Sequence[uuid.UUID], limit: int
) -> Sequence[AskedQuestion]:
    """Questions that wait for an answer, oldest first, of datasets of this provider that are in the catalogue."""
    statement = (
        select(AskedQuestion)
        .join(Dataset, Dataset.id == AskedQuestion.dataset_id)
        .where(
            Dataset.provider_id == provider_id,
            Dataset.status != DatasetStatus.WITHDRAWN,
            AskedQuestion.dataset_id.in_(dataset_ids),
            AskedQuestion.status == QuestionStatus.WAITING,
        )
        .order_by(AskedQuestion.id)
        .limit(limit)
        .options(undefer(AskedQuestion.models))
    )
    return session.scalars(statement).all()


def own(session: Session, provider_id: uuid.UUID, question_id: uuid.UUID) -> AskedQuestion | None:
    """One question about a dataset of this provider, locked."""
    statement = (
        select(AskedQuestion)
        .join(Dataset, Dataset.id == AskedQuestion.dataset_id)
        .where(AskedQuestion.id == question_id, Dataset.provider_id == provider_id)
        .with_for_update(of=AskedQuestion)
        .execution_options(populate_existing=True)
        .options(undefer(AskedQuestion.answer))
    )
    return session.scalar(statement)


def saw(session: Session, dataset_ids: Sequence[uuid.UUID], protocol: int) -> None:
    """Note that the agent of these datasets is there."""
    for dataset_id in sorted(dataset_ids):
        values = {"dataset_id": dataset_id, "protocol": protocol, "seen_at": _NOW}
        statement = upsert(AgentPresence).values(**values)
        session.execute(statement.on_conflict_do_update(index_elements=["dataset_id"], set_=values))


def seen(session: Session, dataset_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """When the agent of each dataset was last there; datasets whose agent never was are left out."""
    statement = select(AgentPresence.dataset_id, AgentPresence.seen_at).where(AgentPresence.dataset_id.in_(dataset_ids))
    return dict(session.execute(statement).tuples().all())


def forget_before(session: Session, age: timedelta) -> int:
    """Drop questions and answers that are older and not kept for a dispute; a job that still needs one asks again."""
    kept = func.coalesce(AskedQuestion.keep_until > _NOW, False)
    deletion = session.execute(delete(AskedQuestion).where(AskedQuestion.created_at < _NOW - age, ~kept))
    return int(getattr(deletion, "rowcount", 0))


def forget_dataset(session: Session, dataset_id: uuid.UUID) -> int:
    """Drop everything that the agent of a dataset answered."""
    deletion = session.execute(delete(AskedQuestion).where(AskedQuestion.dataset_id == dataset_id))
    return int(getattr(deletion, "rowcount", 0))
