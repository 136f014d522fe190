"""SQL of the deployment's row and of the blobs that wait to be erased. All times are the database's."""

import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import ARRAY, String, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.storage.tables import Deployment, UnreferencedBlob

_NO_SYNC = {"synchronize_session": False}


def identify(session: Session) -> uuid.UUID:
    """The id of this database's deployment, made at the first call."""
    session.execute(upsert(Deployment).values(single=True).on_conflict_do_nothing())
    return session.scalars(select(Deployment.id)).one()


def state(session: Session) -> Deployment | None:
    """The deployment's row; None before the collector has looked for the first time."""
    return session.scalar(select(Deployment))


def tie(session: Session) -> None:
    """The deployment's blob store has been found to be its own."""
    session.execute(
        update(Deployment)
        .where(Deployment.tied_at.is_(None))
        .values(tied_at=func.clock_timestamp())
        .execution_options(**_NO_SYNC)
    )


def note(session: Session, unreferenced: int, brake: str | None) -> None:
    """Record what the collector has found, and why it erases nothing."""
    session.execute(
        update(Deployment)
        .values(collected_at=func.clock_timestamp(), unreferenced=unreferenced, brake=brake)
        .execution_options(**_NO_SYNC)
    )


def mark(session: Session, names: Collection[str]) -> None:
    """These blobs, and no others, are unreferenced; those that were so before keep their time."""
    still = UnreferencedBlob.name == func.any(bindparam("names", sorted(names), ARRAY(String)))
    session.execute(delete(UnreferencedBlob).where(~still).execution_options(**_NO_SYNC))
    if names:
        rows = [{"name": name} for name in sorted(names)]
        session.execute(upsert(UnreferencedBlob).on_conflict_do_nothing(), rows)


def marked_for(session: Session, seconds: float) -> Sequence[str]:
    """The blobs that have been unreferenced for so long."""
    until = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    return session.scalars(
        select(UnreferencedBlob.name).where(UnreferencedBlob.since <= until).order_by(UnreferencedBlob.name)
    ).all()


def unmark(session: Session, name: str) -> None:
    session.execute(delete(UnreferencedBlob).where(UnreferencedBlob.name == name).execution_options(**_NO_SYNC))
