"""Releasing a model at settlement, and finding it again. Never commits, trains nothing.

What a worker trained becomes a checkpoint of the buyer's that has seen the datasets it is trained on: a withdrawal then
makes it forget them like any other. The release is in the transaction that settles the job, or not at all.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.checkpoints import repository as checkpoints
from app.checkpoints.tables import Checkpoint
from app.datasets.tables import Dataset, DatasetStatus
from app.http.ids import public_id
from app.valuations.delivery.package import digest_of_package
from app.valuations.delivery.training import NOBODY
from app.valuations.tables import ModelRelease, Valuation, ValuationPlayer
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod
from contract.results.delivery import ReleasedModel, TrainedModel, Training


class OtherTraining(Exception):
    """The model at hand is trained on other players than those who are paid now; it is trained again."""


def hold_datasets(session: Session, valuation_id: uuid.UUID) -> None:
    """Lock the datasets of a job against withdrawal until the transaction ends: before the job itself is locked, as a
    withdrawal locks them."""
    named = select(ValuationPlayer.datasets).where(ValuationPlayer.valuation_id == valuation_id)
    ids = {uuid.UUID(dataset) for datasets in session.scalars(named) for dataset in datasets}
    session.execute(select(Dataset.id).where(Dataset.id.in_(ids)).order_by(Dataset.id).with_for_update(read=True))


def release(
    session: Session,
    valuation: Valuation,
    players: Sequence[ValuationPlayer],
    training: Training,
    trained: TrainedModel | None,
) -> bool:
    """Release ``trained`` to a locked job's buyer; where it cannot be, note why. Returns whether it was released;
    raises OtherTraining."""
    contents = _contents(session, [players[position] for position in training.trained_on])
    if (why := _why_not(training, contents)) is not None:
        session.add(
            ModelRelease(valuation_id=valuation.id, checkpoint_id=None, package=None, document=None, reason=why)
        )
        return False
    if trained is None or trained.kept != training.kept:
        raise OtherTraining(f"job {valuation.id} releases a model of other players than the one that was trained")
    checkpoint = Checkpoint(
        buyer_id=valuation.buyer_id,
        name=f"model of {public_id('val', valuation.id)}",
        architecture=Architecture(trained.config.learner),
        hyper=dict(trained.config.hyper),
        digest=trained.weights,
        size_bytes=trained.size,
        tensors={name: tensor.plain() for name, tensor in trained.tensors.items()},
        base_id=_base_of(session, valuation),
        facts=None if trained.facts is None else trained.facts.plain(),
        tokenizer_digest=None,
        statistics_digest=trained.statistics,
        erased_at=None,
        version=1,
        # nobody has to be asked first: trained anew where the other rows are here, else what measured best
        unlearning=WithdrawalMethod.AUTO,
    )
    checkpoints.add(session, checkpoint)
    checkpoints.add_lineage(session, checkpoint.id, {dataset.id: dataset.digest or "" for dataset in contents})
    kept = trained.model_dump(include=set(ReleasedModel.model_fields) - {"training"})
    document = ReleasedModel.model_validate({**kept, "training": training})
    session.add(
        ModelRelease(
            valuation_id=valuation.id,
            checkpoint_id=checkpoint.id,
            package=digest_of_package(trained.files),
            document=document.plain(),
            reason=None,
        )
    )
    return True


def of_job(session: Session, valuation_id: uuid.UUID) -> ModelRelease | None:
    """A job's release; None where its order asked for none, or it has not settled."""
    return session.get(ModelRelease, valuation_id)


def is_released(session: Session, checkpoint_id: uuid.UUID) -> bool:
    """Whether a checkpoint is a model that a job released."""
    statement = select(ModelRelease.valuation_id).where(ModelRelease.checkpoint_id == checkpoint_id)
    return session.scalar(statement.limit(1)) is not None


def start_of(session: Session, checkpoint_id: uuid.UUID) -> tuple[Valuation, ReleasedModel] | None:
    """The job that released a checkpoint, and what it released; None where none did."""
    statement = select(ModelRelease).where(ModelRelease.checkpoint_id == checkpoint_id).limit(1)
    release = session.scalar(statement)
    return None if release is None else (session.get_one(Valuation, release.valuation_id), release.released)


def sees_withdrawn(session: Session, checkpoint_id: uuid.UUID) -> bool:
    """Whether a checkpoint has seen, and not forgotten, a dataset that is withdrawn."""
    seen = [row.dataset_id for row in checkpoints.seen_by(session, checkpoint_id)]
    gone = select(Dataset.id).where(Dataset.id.in_(seen), Dataset.status == DatasetStatus.WITHDRAWN)
    return session.scalar(gone.limit(1)) is not None


def _why_not(training: Training, contents: Sequence[Dataset]) -> str | None:
    if not training.trained_on:
        return NOBODY
    if any(dataset.status is DatasetStatus.WITHDRAWN for dataset in contents):
        return "a dataset that it would be trained on was withdrawn while the job was being settled"
    return None


def _contents(session: Session, players: Sequence[ValuationPlayer]) -> Sequence[Dataset]:
    ids = {uuid.UUID(dataset) for player in players for dataset in player.datasets}
    return session.scalars(select(Dataset).where(Dataset.id.in_(ids)).order_by(Dataset.id)).all()


def _base_of(session: Session, valuation: Valuation) -> uuid.UUID | None:
    """The buyer's frozen model that the job's models stand on."""
    order = valuation.order
    if order.base is not None or order.checkpoint is None:
        return order.base
    named: Checkpoint = checkpoints.lock(session, order.checkpoint)
    return named.base_id
