"""Answers of delivered language models, asked for which providers they leaned on: kept once, computed by a worker.

A message is only a bell: what is asked is a row in Postgres, and a second delivery finds it answered. Where a message
or its worker was lost, whoever looks again rings again. The tokens of an answer are kept until they are answered. A
withdrawal erases the model of the player that has the dataset, and what was found with it. Never commits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.outbox import service as outbox
from app.valuations import repository
from app.valuations.attribution_tables import AttributionRequest, PlayerModel
from app.valuations.tables import ModelRelease, Valuation, ValuationPlayer
from app.valuations.work import lifecycle
from contract.orders.game import FrozenGame
from contract.results.attributions import AloneModel, AskedAnswers, Attribution

TASK = "worker.tasks.attribute"
MOST_TRIES = 3
_RESEND = timedelta(seconds=30)
INTERNAL_ERROR = (
    "the answers could not be attributed: an internal error, which an administrator finds in the workers' log"
)
ERASED = "what was found was erased, because data of a provider was withdrawn; ask again for those who remain"


@dataclass(frozen=True)
class AttributionWork:
    """What a worker needs: the game, the blob of its frozen base, the models of single players, and the answers."""

    game: FrozenGame
    base: str
    models: tuple[AloneModel, ...]
    asked: AskedAnswers


def keep_models(session: Session, valuation_id: uuid.UUID, models: Sequence[AloneModel]) -> None:
    """Keep the models of single players of a job that is being settled; its datasets are held."""
    session.add_all(
        PlayerModel(valuation_id=valuation_id, player=each.player, digest=each.digest, rows=each.rows)
        for each in models
    )
    session.flush()


def models_of(session: Session, valuation_id: uuid.UUID, *, held: bool = False) -> tuple[AloneModel, ...]:
    """The models of single players that a job keeps; ``held``: against erasure until the transaction ends."""
    statement = select(PlayerModel).where(PlayerModel.valuation_id == valuation_id).order_by(PlayerModel.player)
    rows = session.scalars(statement.with_for_update(read=True) if held else statement).all()
    return tuple(AloneModel(player=row.player, digest=row.digest, rows=row.rows) for row in rows)


def named(session: Session, digest: str) -> bool:
    """Whether some player's model is in this blob."""
    return session.scalar(select(PlayerModel.player).where(PlayerModel.digest == digest).limit(1)) is not None


def ask(session: Session, valuation_id: uuid.UUID, asked: AskedAnswers) -> AttributionRequest:
    """Store a request and have a worker answer it."""
    request = AttributionRequest(valuation_id=valuation_id, asked=asked.plain(), result=None, refusal=None)
    session.add(request)
    session.flush()
    _ring(session, request.id)
    session.refresh(request)
    return request


def found(session: Session, valuation_id: uuid.UUID, attribution_id: uuid.UUID) -> AttributionRequest | None:
    """A request of a job; where it is unanswered for long, its message is sent again."""
    request = session.get(AttributionRequest, attribution_id)
    if request is None or request.valuation_id != valuation_id:
        return None
    these = AttributionRequest.id == attribution_id
    lost = _unanswered() & (AttributionRequest.sent_at < func.now() - _RESEND)
    again = update(AttributionRequest).where(these, lost).values(sent_at=func.now()).returning(AttributionRequest.id)
    if session.scalar(again) is not None:
        _ring(session, attribution_id)
    return request


def latest(session: Session, valuation_id: uuid.UUID, most: int = 20) -> Sequence[AttributionRequest]:
    """The newest requests of a job."""
    these = select(AttributionRequest).where(AttributionRequest.valuation_id == valuation_id)
    return session.scalars(these.order_by(AttributionRequest.created_at.desc()).limit(most)).all()


def begin(session: Session, attribution_id: uuid.UUID) -> AttributionWork | None:
    """What is to be computed; None where that is done, where there is no such request, or after too many tries."""
    row = session.get(AttributionRequest, attribution_id, with_for_update=True)
    if row is None or row.result is not None or row.refusal is not None or row.asked is None:
        return None
    valuation = repository.of_id(session, row.valuation_id)
    models, base = models_of(session, row.valuation_id), valuation.job_inputs.base
    if row.tries >= MOST_TRIES or not models or base is None:
        row.refusal, row.asked = (INTERNAL_ERROR if models else ERASED), None
        return None
    row.tries += 1
    game = repository.get_game(session, valuation.game_id).document
    return AttributionWork(game, base, models, AskedAnswers.read(row.asked))


def finish(
    session: Session,
    attribution_id: uuid.UUID,
    models: Sequence[AloneModel],
    result: Attribution | None,
    refusal: str,
) -> None:
    """Keep what was found with these models, or why there is nothing. Where one of them was erased meanwhile nothing of
    it is kept, and a worker begins anew with those that remain."""
    row = session.get_one(AttributionRequest, attribution_id, with_for_update=True)
    if row.result is not None or row.refusal is not None:
        return
    if models_of(session, row.valuation_id, held=True) != tuple(models):
        _ring(session, attribution_id)
        return
    row.asked = None
    if result is not None:
        row.result = result.plain()
    else:
        row.refusal = refusal


def erase(session: Session, dataset_id: uuid.UUID) -> set[str]:
    """Forget the models of all players that have rows of this dataset, and what was found with them; the digests of the
    models' blobs."""
    payees = select(ValuationPlayer.valuation_id, ValuationPlayer.position).where(
        ValuationPlayer.datasets.contains([str(dataset_id)]),
        ValuationPlayer.valuation_id.in_(select(PlayerModel.valuation_id)),
    )
    digests = set[str]()
    for valuation_id, position in session.execute(payees).all():
        player = session.get_one(Valuation, valuation_id).job_inputs.seating[position].player
        if player is None:
            continue
        these = (PlayerModel.valuation_id == valuation_id) & (PlayerModel.player == player)
        gone = set(session.scalars(delete(PlayerModel).where(these).returning(PlayerModel.digest)))
        if gone:
            _erase_results(session, valuation_id)
        digests |= gone
    return digests


def erase_of_model(session: Session, checkpoint_id: uuid.UUID) -> set[str]:
    """Forget every player's model of the job whose delivered model this was, now that it is erased; their blobs."""
    job = select(ModelRelease.valuation_id).where(ModelRelease.checkpoint_id == checkpoint_id)
    these = PlayerModel.valuation_id.in_(job)
    return set(session.scalars(delete(PlayerModel).where(these).returning(PlayerModel.digest)))


def _erase_results(session: Session, valuation_id: uuid.UUID) -> None:
    session.execute(
        update(AttributionRequest)
        .where(AttributionRequest.valuation_id == valuation_id, AttributionRequest.result.is_not(None))
        .values(result=None, refusal=ERASED)
    )


def _unanswered() -> ColumnElement[bool]:
    return AttributionRequest.result.is_(None) & AttributionRequest.refusal.is_(None)


def _ring(session: Session, attribution_id: uuid.UUID) -> None:
    message = {"attribution_id": str(attribution_id)}
    outbox.record(session, TASK, message, queue=lifecycle.CONTROL_QUEUE, priority=outbox.URGENT)
