"""What a buyer takes home from a job that has settled: its model, as a package, and what is said of it. Never commits.

Nobody but the job's buyer gets it. A model that is being made to forget withdrawn data is not handed over until it has.
"""

import uuid
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from app.checkpoints import repository as checkpoints
from app.checkpoints.tables import Checkpoint, UnlearningStatus
from app.datasets.licences import Licence
from app.errors import Conflict
from app.http.ids import public_id
from app.identity import Caller
from app.payouts import money
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository, service
from app.valuations.delivery import data as delivered_data
from app.valuations.delivery import releases
from app.valuations.delivery.card import CardFacts, CardPayee, card, interval
from app.valuations.delivery.data import DeliveredDataset
from app.valuations.delivery.package import digest_of_package, digests_of, files_of
from app.valuations.delivery.settled import refuse_unsettled
from app.valuations.results.data_schemas import DeliveredDataAnswer
from app.valuations.results.delivery_schemas import (
    ForgottenAnswer,
    JobDeliveryAnswer,
    LeftOutAnswer,
    ModelAnswer,
)
from app.valuations.tables import ModelRelease, Valuation, ValuationPlayer
from contract.orders.grants import Grant
from contract.results.delivery import ReleasedModel


@dataclass(frozen=True)
class ModelPackage:
    """A released model's files and card, and the digest that its manifest has now."""

    files: dict[str, bytes]
    card: str
    digest: str


def model_package(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, valuation_id: uuid.UUID
) -> ModelPackage:
    """The model of the caller's job; raises NotFound for anybody else's, Conflict with the reason where there is none
    to hand over (yet)."""
    valuation = service.get(session, caller, valuation_id)
    release, checkpoint = released_model(session, valuation)
    released = release.released
    files = files_of(released.config, released.preprocessing, blobs.get(checkpoint.digest or ""))
    digest = digest_of_package(digests_of(files))
    game = repository.get_game(session, valuation.game_id).document
    facts = CardFacts(
        valuation=public_id("val", valuation.id),
        metric=valuation.order.measured_by,
        reads=game.reads,
        payees=_payees(session, valuation, released),
        certificate=str(service.certificate(session, settings, caller, valuation_id)["digest"]),
        package=digest,
        forgotten=tuple(public_id("ul", each.unlearning_id) for each in _forgotten(session, checkpoint)),
    )
    return ModelPackage(files, card(released, facts), digest)


def delivery(session: Session, caller: Caller, valuation_id: uuid.UUID) -> JobDeliveryAnswer:
    """What the caller's job delivers, and how that stands; raises NotFound, and Conflict before it has settled."""
    valuation = service.get(session, caller, valuation_id)
    offered = valuation.job_inputs.terms.rows
    if not valuation.order.deliver and not offered:
        return JobDeliveryAnswer(valuation_id=valuation_id, model=None, data=None)
    refuse_unsettled(valuation)
    model, data = None, None
    if Grant.MODEL in valuation.order.delivered:
        release = _release(session, valuation)
        model = ModelAnswer(status="none", reason=release.reason)
        if release.checkpoint_id is not None:
            model = _described(session, valuation, release)
    if Grant.DATA in valuation.order.delivered or offered:
        data = [
            _data_answer(each)
            for each in delivered_data.of_job(session, valuation, repository.players(session, valuation_id))
        ]
    return JobDeliveryAnswer(valuation_id=valuation_id, model=model, data=data)


def _data_answer(delivered: DeliveredDataset) -> DeliveredDataAnswer:
    offer = delivered.offer
    priced = offer is not None and offer.price is not None
    return DeliveredDataAnswer(
        dataset_id=delivered.dataset.id,
        provider=delivered.payee,
        content=delivered.content,
        format=delivered.format,
        reason=delivered.why_not,
        price=money.plain(offer.price, offer.currency) if offer is not None and offer.price is not None else None,
        currency=offer.currency if offer is not None and priced else None,
        share=None if offer is None else offer.share,
        for_sale=delivered.for_sale,
        bought_at=None if delivered.bought is None else delivered.bought.created_at,
    )


def _described(session: Session, valuation: Valuation, release: ModelRelease) -> ModelAnswer:
    if release.checkpoint_id is None:
        raise AssertionError(f"job {valuation.id} released no model that could be described")
    released, checkpoint = release.released, checkpoints.lock(session, release.checkpoint_id)
    names = {player.position: player.name for player in repository.players(session, valuation.id)}
    status, reason = _erasure_state(session, checkpoint)
    return ModelAnswer(
        status=status,
        reason=reason,
        package_digest=release.package,
        checkpoint_id=checkpoint.id,
        learner=released.config.learner,
        retrained=released.retrained,
        rows=released.rows,
        score=released.score,
        score_ci=interval(released),
        units=released.units,
        trained_on=[names[position] for position in released.training.trained_on],
        left_out=[
            LeftOutAnswer(provider=names[each.position], reason=each.reason) for each in released.training.left_out
        ],
        forgotten=_forgotten(session, checkpoint),
    )


def released_model(session: Session, valuation: Valuation) -> tuple[ModelRelease, Checkpoint]:
    """A release that can be handed over, and its weights."""
    name = public_id("val", valuation.id)
    if Grant.MODEL not in valuation.order.delivered:
        raise Conflict(
            f"valuation {name} was ordered without its model; order one with deliver: [model], which the licences of "
            "its datasets must grant"
        )
    release = _release(session, valuation)
    if release.checkpoint_id is None:
        raise Conflict(f"valuation {name} released no model: {release.reason}")
    checkpoint = checkpoints.lock(session, release.checkpoint_id)
    _, reason = _erasure_state(session, checkpoint)
    if reason is not None:
        raise Conflict(f"the model of valuation {name} {reason}")
    return release, checkpoint


def _release(session: Session, valuation: Valuation) -> ModelRelease:
    name = public_id("val", valuation.id)
    refuse_unsettled(valuation)
    release = releases.of_job(session, valuation.id)
    if release is None:
        raise AssertionError(f"valuation {name} asked for its model and settled without saying what became of it")
    return release


def _erasure_state(
    session: Session, checkpoint: Checkpoint
) -> tuple[Literal["ready", "forgetting", "erased"], str | None]:
    """How a released model stands, and why it cannot be handed over, if it cannot."""
    name = public_id("ck", checkpoint.id)
    if checkpoints.is_unlearning(session, checkpoint.id):
        return "forgetting", (
            f"is being made to forget a dataset that was withdrawn; ask again when GET /v1/checkpoints/{name}/"
            "unlearnings says that it is done"
        )
    if checkpoint.digest is None:
        return "erased", (
            "was erased, because a dataset that it had seen was withdrawn and it could not be made to forget it; the "
            f"certificate is under /v1/checkpoints/{name}/unlearnings"
        )
    if releases.sees_withdrawn(session, checkpoint.id):
        # its duty to forget is not open yet: the jobs that use the dataset are being stopped first
        return "forgetting", "has seen a dataset that was withdrawn a moment ago; ask again in a minute"
    return "ready", None


def _forgotten(session: Session, checkpoint: Checkpoint) -> list[ForgottenAnswer]:
    over = (UnlearningStatus.UNLEARNED, UnlearningStatus.ERASED)
    return [
        ForgottenAnswer(
            unlearning_id=duty.id,
            dataset_id=duty.dataset_id,
            outcome=duty.status.value,
            weights_after=duty.after,
            finished_at=duty.finished_at,
        )
        for duty in checkpoints.unlearnings(session, checkpoint.id)
        if duty.status in over
    ]


def _payees(session: Session, valuation: Valuation, released: ReleasedModel) -> tuple[CardPayee, ...]:
    out = {each.position: each.reason for each in released.training.left_out}
    return tuple(
        CardPayee(
            name=player.name,
            rows=player.rows,
            licences=_licences(session, player),
            share="none" if player.paid_share is None else f"{100 * player.paid_share:.2f} %",
            left_out=out.get(player.position),
        )
        for player in repository.players(session, valuation.id)
    )


def _licences(session: Session, player: ValuationPlayer) -> tuple[str, ...]:
    datasets = repository.datasets_by_id(session, {uuid.UUID(dataset) for dataset in player.datasets})
    return tuple(sorted({Licence.from_json(each.licence).spdx for each in datasets.values() if each.licence}))
