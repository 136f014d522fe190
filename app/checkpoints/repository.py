"""All SQL on checkpoints. Every query on behalf of a caller takes the owner; the work on unlearning has its own module,
``app.erasure.unlearning_repository``."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint, CheckpointLineage, UnlearningDuty, UnlearningStatus
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


def stored_bytes(session: Session, owner: uuid.UUID) -> int:
    """Of all weights that the owner has here."""
    own = select(func.coalesce(func.sum(Checkpoint.size_bytes), 0)).where(Checkpoint.buyer_id == owner)
    return int(session.scalar(own.where(Checkpoint.digest.is_not(None))) or 0)


def add_lineage(session: Session, checkpoint_id: uuid.UUID, seen: Mapping[uuid.UUID, str]) -> None:
    """Note that a checkpoint's weights have seen these datasets, each by the digest of its content."""
    rows = [
        {"checkpoint_id": checkpoint_id, "dataset_id": dataset_id, "digest": digest}
        for dataset_id, digest in seen.items()
    ]
    session.execute(upsert(CheckpointLineage).on_conflict_do_nothing(), rows)


def lineage(session: Session, checkpoint_id: uuid.UUID) -> Sequence[CheckpointLineage]:
    """What a checkpoint has seen, oldest first."""
    statement = select(CheckpointLineage).where(CheckpointLineage.checkpoint_id == checkpoint_id)
    return session.scalars(statement.order_by(CheckpointLineage.created_at, CheckpointLineage.dataset_id)).all()


def that_have_seen(session: Session, dataset_id: uuid.UUID) -> Sequence[Checkpoint]:
    """Checkpoints with weights that have seen a dataset and not forgotten it, of any buyer, locked, by id.

    The same weights under another name of the same buyer have seen it as well, and their lineage then says so. Another
    buyer's do not count: the lineage of one buyer's weights decides nothing about another's.
    """
    seen = select(CheckpointLineage.checkpoint_id).where(
        CheckpointLineage.dataset_id == dataset_id, CheckpointLineage.forgotten_at.is_(None)
    )
    direct = session.scalars(select(Checkpoint).where(Checkpoint.id.in_(seen), Checkpoint.digest.is_not(None))).all()
    original = {(checkpoint.buyer_id, checkpoint.digest): checkpoint.id for checkpoint in direct}
    same = tuple_(Checkpoint.buyer_id, Checkpoint.digest).in_(original)
    statement = select(Checkpoint).where(same).order_by(Checkpoint.id).with_for_update()
    alike = session.scalars(statement.execution_options(populate_existing=True)).all() if original else []
    named = {checkpoint.id for checkpoint in direct}
    for twin in alike:
        source = original.get((twin.buyer_id, twin.digest))
        if twin.id not in named and source is not None:
            rows = [row for row in lineage(session, source) if row.forgotten_at is None]
            for row in rows:
                add_lineage(session, twin.id, {row.dataset_id: row.digest})
    return [twin for twin in alike if twin.digest is not None]


def twins(session: Session, checkpoint: Checkpoint) -> Sequence[uuid.UUID]:
    """The buyer's checkpoints with the same weights, itself included."""
    statement = select(Checkpoint.id).where(
        Checkpoint.buyer_id == checkpoint.buyer_id, Checkpoint.digest == checkpoint.digest
    )
    return session.scalars(statement.order_by(Checkpoint.id)).all()


def lock(session: Session, checkpoint_id: uuid.UUID) -> Checkpoint:
    """A checkpoint of any buyer, current and locked, for workers and sweepers."""
    statement = select(Checkpoint).where(Checkpoint.id == checkpoint_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def seen_by(session: Session, checkpoint_id: uuid.UUID) -> Sequence[CheckpointLineage]:
    """What a checkpoint has seen and not forgotten, oldest first."""
    return [row for row in lineage(session, checkpoint_id) if row.forgotten_at is None]


def forget_lineage(
    session: Session, checkpoint_id: uuid.UUID, dataset_id: uuid.UUID, method: str, moment: datetime
) -> None:
    """Note that a checkpoint's weights have forgotten a dataset, every version of it."""
    session.execute(
        update(CheckpointLineage)
        .where(
            CheckpointLineage.checkpoint_id == checkpoint_id,
            CheckpointLineage.dataset_id == dataset_id,
            CheckpointLineage.forgotten_at.is_(None),
        )
        .values(forgotten_at=moment, forgotten_by=method)
    )


def forgotten_weights(session: Session, owner: uuid.UUID, digest: str) -> bool:
    """Whether these bytes were weights of the owner's that had seen a dataset which was withdrawn."""
    statement = (
        select(UnlearningDuty.id)
        .join(Checkpoint, Checkpoint.id == UnlearningDuty.checkpoint_id)
        .where(Checkpoint.buyer_id == owner, UnlearningDuty.before == digest)
    )
    return session.scalar(statement.limit(1)) is not None


def unlearnings(session: Session, checkpoint_id: uuid.UUID) -> Sequence[UnlearningDuty]:
    """A checkpoint's duties to unlearn, oldest first."""
    statement = select(UnlearningDuty).where(UnlearningDuty.checkpoint_id == checkpoint_id)
    return session.scalars(statement.order_by(UnlearningDuty.created_at, UnlearningDuty.id)).all()


def is_unlearning(session: Session, checkpoint_id: uuid.UUID) -> bool:
    """Whether a checkpoint has a duty to unlearn that is not done."""
    open_ = (UnlearningStatus.WAITING, UnlearningStatus.RUNNING)
    statement = select(UnlearningDuty.id).where(
        UnlearningDuty.checkpoint_id == checkpoint_id, UnlearningDuty.status.in_(open_)
    )
    return session.scalar(statement.limit(1)) is not None
