"""All SQL on checkpoints. Every query takes the owner."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint, CheckpointLineage
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


def add_lineage(session: Session, checkpoint_id: uuid.UUID, seen: Mapping[uuid.UUID, str]) -> None:
    """Note that a checkpoint's weights have seen these datasets, each by the digest of its content."""
    rows = [{"checkpoint_id": checkpoint_id, "dataset_id": each, "digest": digest} for each, digest in seen.items()]
    session.execute(upsert(CheckpointLineage).on_conflict_do_nothing(), rows)


def lineage(session: Session, checkpoint_id: uuid.UUID) -> Sequence[CheckpointLineage]:
    """What a checkpoint has seen, oldest first."""
    statement = select(CheckpointLineage).where(CheckpointLineage.checkpoint_id == checkpoint_id)
    return session.scalars(statement.order_by(CheckpointLineage.created_at, CheckpointLineage.dataset_id)).all()


def that_have_seen(session: Session, dataset_id: uuid.UUID) -> Sequence[Checkpoint]:
    """Checkpoints with weights that have seen a dataset, of any buyer, locked."""
    seen = select(CheckpointLineage.checkpoint_id).where(CheckpointLineage.dataset_id == dataset_id)
    statement = select(Checkpoint).where(Checkpoint.id.in_(seen), Checkpoint.digest.is_not(None))
    return session.scalars(statement.order_by(Checkpoint.id).with_for_update()).all()


def names_of_weights(session: Session, digest: str) -> int:
    """How many checkpoints name these weights."""
    return len(session.scalars(select(Checkpoint.id).where(Checkpoint.digest == digest)).all())
