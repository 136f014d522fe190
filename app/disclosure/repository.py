"""SQL of disclosures."""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.db.base import uuid7
from app.disclosure.tables import Disclosure, DisclosureKind


@dataclass(frozen=True)
class Charge:
    """Points to be recorded for one question about one dataset."""

    dataset_id: uuid.UUID
    question: str
    points: int


@dataclass(frozen=True)
class AskerTotal:
    """What one asker was told of a dataset: points that count now, questions ever, the last one."""

    asker_id: uuid.UUID
    spent: int
    questions: int
    last_at: datetime


def now(session: Session) -> datetime:
    """The database's time."""
    moment: datetime = session.execute(select(func.now())).scalar_one()
    return moment


def lock(session: Session, asker_id: uuid.UUID) -> None:
    """Nobody else charges this asker until the transaction ends."""
    number = int.from_bytes(hashlib.sha256(b"disclosures" + asker_id.bytes).digest()[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(number)))


def known(session: Session, asker_id: uuid.UUID, questions: Collection[tuple[uuid.UUID, str]]) -> set[uuid.UUID]:
    """The datasets of which the asker was told the answer to this question before."""
    by_dataset = dict(questions)
    rows = session.execute(
        select(Disclosure.dataset_id, Disclosure.question).where(
            Disclosure.asker_id == asker_id,
            Disclosure.dataset_id.in_(by_dataset),
            Disclosure.question.in_(by_dataset.values()),
        )
    )
    return {dataset_id for dataset_id, question in rows if by_dataset[dataset_id] == question}


def spent(
    session: Session,
    asker_id: uuid.UUID,
    dataset_ids: Collection[uuid.UUID],
    kinds: Collection[DisclosureKind],
    since: datetime,
) -> dict[uuid.UUID, int]:
    """The points that the asker has spent on each dataset since a moment."""
    rows = session.execute(
        select(Disclosure.dataset_id, func.sum(Disclosure.points))
        .where(
            Disclosure.asker_id == asker_id,
            Disclosure.dataset_id.in_(dataset_ids),
            Disclosure.kind.in_(kinds),
            Disclosure.created_at > since,
        )
        .group_by(Disclosure.dataset_id)
    )
    return {dataset_id: int(points) for dataset_id, points in rows}


def charges_of(
    session: Session, asker_id: uuid.UUID, dataset_id: uuid.UUID, kinds: Collection[DisclosureKind], since: datetime
) -> Sequence[tuple[datetime, int]]:
    """When the asker spent how much on a dataset since a moment, oldest first."""
    rows = session.execute(
        select(Disclosure.created_at, Disclosure.points)
        .where(
            Disclosure.asker_id == asker_id,
            Disclosure.dataset_id == dataset_id,
            Disclosure.kind.in_(kinds),
            Disclosure.created_at > since,
        )
        .order_by(Disclosure.created_at)
    )
    return [(moment, points) for moment, points in rows]


def add(session: Session, asker_id: uuid.UUID, kind: DisclosureKind, charges: Sequence[Charge]) -> None:
    rows = [
        {
            "id": uuid7(),
            "asker_id": asker_id,
            "dataset_id": charge.dataset_id,
            "question": charge.question,
            "kind": kind,
            "points": charge.points,
        }
        for charge in charges
    ]
    session.execute(insert(Disclosure), rows)


def asker_totals(session: Session, dataset_id: uuid.UUID, since: datetime, limit: int) -> list[AskerTotal]:
    """Who was told something of a dataset, latest first."""
    last = func.max(Disclosure.created_at)
    counted = func.coalesce(func.sum(Disclosure.points).filter(Disclosure.created_at > since), 0)
    rows = session.execute(
        select(Disclosure.asker_id, counted, func.count(), last)
        .where(Disclosure.dataset_id == dataset_id)
        .group_by(Disclosure.asker_id)
        .order_by(last.desc(), Disclosure.asker_id)
        .limit(limit)
    )
    return [AskerTotal(asker, int(points), count, moment) for asker, points, count, moment in rows]
