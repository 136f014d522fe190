"""SQL of withdrawals: which erasures are due, which jobs and bytes they concern, and the erasing of a game's worths.

It serves ``erasing`` and ``unlearning``, and the workers' games in memory.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint, UnlearningDuty, UnlearningStatus
from app.datasets.tables import Dataset, DatasetStatus, DatasetVersion
from app.http.ids import public_id
from app.valuations.results import row_values
from app.valuations.tables import BuyerGame, Erasure, ModelRelease, Valuation, ValuationDataset
from app.valuations.work import answers, attributions, evidence, worths


def unerased(session: Session, resend: timedelta, limit: int) -> Sequence[uuid.UUID]:
    """Withdrawn datasets whose erasure has not been sent, or was sent long ago and is not finished."""
    statement = (
        select(Dataset.id)
        .outerjoin(Erasure, Erasure.dataset_id == Dataset.id)
        .where(
            Dataset.status == DatasetStatus.WITHDRAWN,
            Erasure.finished_at.is_(None),
            or_(Erasure.sent_at.is_(None), Erasure.sent_at < func.clock_timestamp() - resend),
        )
        .limit(limit)
    )
    return session.scalars(statement).all()


def mark_erasure_sent(session: Session, dataset_id: uuid.UUID) -> None:
    moment = func.clock_timestamp()
    statement = upsert(Erasure).values(dataset_id=dataset_id, sent_at=moment)
    session.execute(statement.on_conflict_do_update(index_elements=["dataset_id"], set_={"sent_at": moment}))


def lock_erasure(session: Session, dataset_id: uuid.UUID) -> Erasure | None:
    """The erasure, locked: one worker at a time erases a dataset."""
    return session.scalar(select(Erasure).where(Erasure.dataset_id == dataset_id).with_for_update())


def erasure_of(session: Session, dataset_id: uuid.UUID) -> Erasure | None:
    return session.get(Erasure, dataset_id)


def digests_of_dataset(session: Session, dataset_id: uuid.UUID) -> set[str]:
    """Digests of every content that a dataset ever had."""
    current = select(Dataset.digest).where(Dataset.id == dataset_id, Dataset.digest.is_not(None))
    versions = select(DatasetVersion.digest).where(DatasetVersion.dataset_id == dataset_id)
    return {digest for digest in [*session.scalars(current), *session.scalars(versions)] if digest}


def others_with_content(session: Session, dataset_id: uuid.UUID, digests: Collection[str]) -> set[str]:
    """Those of the digests that another dataset, not withdrawn or still needed to unlearn it, has as well."""
    needed = exists().where(
        UnlearningDuty.dataset_id == Dataset.id,
        UnlearningDuty.status.in_((UnlearningStatus.WAITING, UnlearningStatus.RUNNING)),
    )
    still_used = and_(Dataset.id != dataset_id, or_(Dataset.status != DatasetStatus.WITHDRAWN, needed))
    current = select(Dataset.digest).where(still_used, Dataset.digest.in_(digests))
    before = (
        select(DatasetVersion.digest)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(still_used, DatasetVersion.digest.in_(digests))
    )
    return {digest for digest in [*session.scalars(current), *session.scalars(before)] if digest}


def in_use(session: Session, dataset_id: uuid.UUID, digest: str) -> bool:
    """Whether a blob that a withdrawal would erase is used elsewhere: another's dataset, weights, a game's models."""
    if others_with_content(session, dataset_id, [digest]) or names_of_prepared(session, digest):
        return True
    if answers.named(session, digest) or row_values.named(session, digest) or attributions.named(session, digest):
        return True
    named = or_(Checkpoint.digest == digest, Checkpoint.statistics_digest == digest)
    return session.scalar(select(Checkpoint.id).where(named).limit(1)) is not None


def jobs_with_dataset(session: Session, dataset_id: uuid.UUID) -> Sequence[Valuation]:
    """Every job that names a dataset, oldest first."""
    named = select(ValuationDataset.valuation_id).where(ValuationDataset.dataset_id == dataset_id)
    return session.scalars(select(Valuation).where(Valuation.id.in_(named)).order_by(Valuation.id)).all()


def jobs_with_checkpoints(session: Session, checkpoint_ids: Collection[uuid.UUID]) -> Sequence[Valuation]:
    """Every job that names one of these checkpoints, or whose settlement released it, oldest first."""
    names = [public_id("ck", checkpoint_id) for checkpoint_id in checkpoint_ids]
    released = select(ModelRelease.valuation_id).where(ModelRelease.checkpoint_id.in_(checkpoint_ids))
    named = or_(Valuation.spec["checkpoint"].astext.in_(names), Valuation.id.in_(released))
    return session.scalars(select(Valuation).where(named).order_by(Valuation.id)).all()


def loaded_and_withdrawn(session: Session, game_ids: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Those of the games that read a dataset which has been withdrawn, or have weights that had seen one."""
    read_withdrawn = (
        select(Valuation.game_id)
        .join(ValuationDataset, ValuationDataset.valuation_id == Valuation.id)
        .join(Dataset, Dataset.id == ValuationDataset.dataset_id)
        .where(Valuation.game_id.in_(game_ids), Dataset.status == DatasetStatus.WITHDRAWN)
    )
    unlearned = select(UnlearningDuty.before).where(UnlearningDuty.before.is_not(None))
    have_old_weights = select(BuyerGame.id).where(
        BuyerGame.id.in_(game_ids), BuyerGame.frozen["checkpoint"].astext.in_(unlearned)
    )
    return session.scalars(read_withdrawn.union(have_old_weights)).all()


def forget_game(session: Session, game_id: uuid.UUID) -> tuple[str | None, set[str], int]:
    """Erase a game's models' name, its facts, its models' answers, its worths and the evidence of its results; the
    models' blob, the blobs of answers and evidence, and how many worths there were."""
    game = session.scalars(select(BuyerGame).where(BuyerGame.id == game_id).with_for_update()).one()
    blob, game.prepared, game.facts = game.prepared, None, None
    derived = answers.erase(session, game_id) | evidence.erase(session, game_id)
    return blob, derived, worths.erase(session, game_id)


def names_of_prepared(session: Session, blob: str) -> int:
    """How many games name these trained models."""
    session.flush()
    return int(session.scalar(select(func.count()).select_from(BuyerGame).where(BuyerGame.prepared == blob)) or 0)
