"""All SQL on checkpoints. Every query takes the owner."""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint
from app.http.pages import PageRequest


def add(session: Session, checkpoint: Checkpoint) -> None:
    session.add(checkpoint)
    session.flush()


def own(session: Session, owner: uuid.UUID, checkpoint_id: uuid.UUID, *, lock: bool = False) -> Checkpoint | None:
    """The owner's checkpoint; with ``lock`` nobody else changes it until the transaction ends."""
    statement = select(Checkpoint).where(Checkpoint.id == checkpoint_id, Checkpoint.buyer_id == owner)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def own_page(session: Session, owner: uuid.UUID, page: PageRequest) -> tuple[list[Checkpoint], str | None]:
    """The owner's checkpoints, newest first."""
    statement = select(Checkpoint).where(Checkpoint.buyer_id == owner)
    return page.fetch(session, statement, Checkpoint, {"list": "checkpoints", "owner": owner})
