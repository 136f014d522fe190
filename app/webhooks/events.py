"""What webhooks send: the event types and the shape of each one's ``data``. Pure; no other type can be sent.

Events are thin: they name the thing and its state, and the receiver asks the API for the rest with its own key. So a
receiver's URL that leaks, leaks no values and no money.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from app.http.ids import (
    AccountId,
    AdId,
    CheckpointId,
    DatasetId,
    ExplorationId,
    StandingOrderId,
    UnlearningId,
    ValuationId,
    WebhookId,
)
from app.http.schemas import Body, example

_VALUATION = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_DATASET = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c"
_CHECKPOINT = "ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d"
_UNLEARNING = "ul_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f"
_ACCOUNT = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a10"
_STANDING = "so_019ab5f0c1d27e3f8a4b5c6d7e8f9a11"
_WEBHOOK = "wh_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"


class EventType(StrEnum):
    """The types of events; what an endpoint's filter is made of."""

    VALUATION_SUCCEEDED = "valuation.succeeded"
    VALUATION_FAILED = "valuation.failed"
    VALUATION_CANCELLED = "valuation.cancelled"
    VALUATION_EXPIRED = "valuation.expired"
    EXPLORATION_ENDED = "exploration.ended"
    DATASET_WITHDRAWN = "dataset.withdrawn"
    DATASET_NAMED = "dataset.named"
    CONSENT_REQUESTED = "consent.requested"
    CONSENT_ANSWERED = "consent.answered"
    DATASET_DISCLOSED = "dataset.disclosed"
    DATASET_UNREADABLE_FOR_ORDER = "dataset.unreadable_for_order"
    DATASET_DOWNLOADED = "dataset.downloaded"
    DATASET_SOLD = "dataset.sold"
    DATASET_TAKEN_DOWN = "dataset.taken_down"
    DATASET_TAKE_DOWN_LIFTED = "dataset.take_down_lifted"
    CHECKPOINT_UNLEARNED = "checkpoint.unlearned"
    CHECKPOINT_ERASED = "checkpoint.erased"
    STANDING_POSTED = "standing.posted"
    STANDING_HELD = "standing.held"
    WANTED_MATCHED = "wanted.matched"
    PAYOUT_AVAILABLE = "payout.available"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_PING = "webhook.ping"


class ValuationEnded(Body):
    """A valuation came to its end. ``precision_met`` false: it has a result that is less sure than was asked for."""

    model_config = example(id=_VALUATION, status="succeeded", reason=None, precision_met=True)

    id: ValuationId
    status: str
    reason: str | None = None
    precision_met: bool | None = None


class ExplorationEnded(Body):
    """An exploration came to its end."""

    model_config = example(id="exp_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", status="succeeded")

    id: ExplorationId
    status: str


class DatasetWithdrawn(Body):
    """A provider withdrew a dataset; ``checkpoints`` names those of the receiver that have seen it, which will be made
    to forget it. Until ``answer_until`` the receiver can say how (null: it has, for each of them)."""

    model_config = example(id=_DATASET, checkpoints=[_CHECKPOINT], answer_until="2026-11-23T13:00:00Z")

    id: DatasetId
    checkpoints: list[CheckpointId] = Field(default_factory=list)
    answer_until: datetime | None = None


class DatasetNamed(Body):
    """A job was posted that values datasets of the receiver's. The buyer, the purpose, the terms and the pool are at
    ``/v1/me/valuations/{valuation_id}``."""

    model_config = example(ids=[_DATASET], valuation_id=_VALUATION)

    ids: list[DatasetId]
    valuation_id: ValuationId


class ConsentRequested(Body):
    """A job was posted that names datasets of the receiver's whose licence demands approval of each job. It waits for
    ``POST /v1/me/consents/{valuation_id}/approve`` (or ``refuse``) until ``answer_until``; buyer, purpose, terms and
    price are at ``/v1/me/consents/{valuation_id}``."""

    model_config = example(ids=[_DATASET], valuation_id=_VALUATION, answer_until="2026-11-26T12:00:00Z")

    ids: list[DatasetId]
    valuation_id: ValuationId
    answer_until: datetime


class ConsentAnswered(Body):
    """A provider answered whether its data may be used in the receiver's job, or its time ran out: ``status`` is
    approved, refused or lapsed. ``pending`` says how many have not answered."""

    model_config = example(valuation_id=_VALUATION, provider_id=_ACCOUNT, status="approved", pending=1)

    valuation_id: ValuationId
    provider_id: AccountId
    status: str
    pending: int


class DatasetDisclosed(Body):
    """Somebody asked a question whose answer depends on rows of the receiver's datasets: ``kind`` is quote, job,
    exploration, metric, attribution or listing, and each of the datasets in ``ids`` was charged ``points`` of the
    asker's budget for it."""

    model_config = example(ids=[_DATASET], kind="quote", points=2)

    ids: list[DatasetId]
    kind: str
    points: int


class DatasetUnreadable(Body):
    """A job was posted that named a dataset of the receiver's and went on without it: its columns, or what is in them,
    do not fit the job's other files. Which these are, and what the test set has, is not told."""

    model_config = example(id=_DATASET)

    id: DatasetId


class DatasetDownloaded(Body):
    """The buyer of a job that paid for a dataset of the receiver's was given its rows, as the licence grants."""

    model_config = example(id=_DATASET, valuation_id=_VALUATION)

    id: DatasetId
    valuation_id: ValuationId


class DatasetSold(Body):
    """The buyer of a settled job bought the rows of a dataset of the receiver's, for the price that is asked; the money
    is at ``/v1/me/statement``."""

    model_config = example(id=_DATASET, valuation_id=_VALUATION)

    id: DatasetId
    valuation_id: ValuationId


class DatasetTakenDown(Body):
    """An administrator took a listing of the receiver's down, for ``reason``, or lifted that (``reason`` is null): it
    can be published again."""

    model_config = example(id=_DATASET, reason="it shows names of patients")

    id: DatasetId
    reason: str | None = None


class CheckpointForgot(Body):
    """A checkpoint of the receiver's has forgotten a withdrawn dataset: by ``method``, which is ``erase`` where its
    weights were erased. The certificate is under ``/v1/checkpoints/{id}/unlearnings/{unlearning_id}``."""

    model_config = example(id=_CHECKPOINT, unlearning_id=_UNLEARNING, dataset_id=_DATASET, method="retrain")

    id: CheckpointId
    unlearning_id: UnlearningId
    dataset_id: DatasetId
    method: str


class StandingOrderPosted(Body):
    """A standing order of the receiver's posted a job, because a dataset has a new version."""

    model_config = example(id=_STANDING, valuation_id=_VALUATION)

    id: StandingOrderId
    valuation_id: ValuationId


class StandingOrderHeld(Body):
    """A standing order of the receiver's could not post its next job, for ``problem``; it is tried again then."""

    model_config = example(
        id=_STANDING, problem="the cap of 3000.00 EUR a month leaves 0.00 EUR, which is less than the pool",
        next_try_at="2026-12-01T00:00:00Z",
    )  # fmt: skip

    id: StandingOrderId
    problem: str
    next_try_at: datetime


class WantedMatched(Body):
    """Listings of the receiver's fit a buyer's wanted ad, which is at ``/v1/wanted-ads/{id}``."""

    model_config = example(id="ad_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", datasets=[_DATASET])

    id: AdId
    datasets: list[DatasetId]


class PayoutAvailable(Body):
    """Money of the receiver's can be withdrawn; ``amount`` is a decimal string in ``currency`` (ISO 4217)."""

    model_config = example(amount="1250.00", currency="EUR", valuation_id=_VALUATION)

    amount: str = Field(pattern=r"^[0-9]+(\.[0-9]+)?$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    valuation_id: ValuationId | None = None


class WebhookDisabled(Body):
    """Another endpoint of the receiver's account was disabled by the service."""

    model_config = example(id=_WEBHOOK, reason="5 events in a row could not be delivered")

    id: WebhookId
    reason: str


class WebhookPing(Body):
    """Sent on request, to see whether an endpoint works; tried once, and never counted as a failure."""

    model_config = example(id=_WEBHOOK)

    id: WebhookId


DATA: dict[EventType, type[Body]] = {
    EventType.VALUATION_SUCCEEDED: ValuationEnded,
    EventType.VALUATION_FAILED: ValuationEnded,
    EventType.VALUATION_CANCELLED: ValuationEnded,
    EventType.VALUATION_EXPIRED: ValuationEnded,
    EventType.EXPLORATION_ENDED: ExplorationEnded,
    EventType.DATASET_WITHDRAWN: DatasetWithdrawn,
    EventType.DATASET_NAMED: DatasetNamed,
    EventType.CONSENT_REQUESTED: ConsentRequested,
    EventType.CONSENT_ANSWERED: ConsentAnswered,
    EventType.DATASET_DISCLOSED: DatasetDisclosed,
    EventType.DATASET_UNREADABLE_FOR_ORDER: DatasetUnreadable,
    EventType.DATASET_DOWNLOADED: DatasetDownloaded,
    EventType.DATASET_SOLD: DatasetSold,
    EventType.DATASET_TAKEN_DOWN: DatasetTakenDown,
    EventType.DATASET_TAKE_DOWN_LIFTED: DatasetTakenDown,
    EventType.CHECKPOINT_UNLEARNED: CheckpointForgot,
    EventType.CHECKPOINT_ERASED: CheckpointForgot,
    EventType.STANDING_POSTED: StandingOrderPosted,
    EventType.STANDING_HELD: StandingOrderHeld,
    EventType.WANTED_MATCHED: WantedMatched,
    EventType.PAYOUT_AVAILABLE: PayoutAvailable,
    EventType.WEBHOOK_DISABLED: WebhookDisabled,
    EventType.WEBHOOK_PING: WebhookPing,
}

SUMMARIES: dict[EventType, str] = {
    EventType.VALUATION_SUCCEEDED: "A valuation has values, shares and a certificate; sent to its buyer.",
    EventType.VALUATION_FAILED: "A valuation ended without a result and nothing was charged; sent to its buyer.",
    EventType.VALUATION_CANCELLED: "A valuation was cancelled by its buyer and nothing was charged.",
    EventType.VALUATION_EXPIRED: "A valuation's deadline passed before it had a result and nothing was charged.",
    EventType.EXPLORATION_ENDED: "An exploration has ended: it ranks datasets, or says why it does not.",
    EventType.DATASET_WITHDRAWN: "A provider withdrew a dataset that the receiver's jobs or checkpoints have used.",
    EventType.DATASET_NAMED: "A job was posted that values datasets of the receiver's.",
    EventType.CONSENT_REQUESTED: "A job waits for the receiver's consent, which the licence of its data demands.",
    EventType.CONSENT_ANSWERED: "A provider answered whether its data may be used in the receiver's job.",
    EventType.DATASET_DISCLOSED: "A question was answered that depends on rows of the receiver's datasets.",
    EventType.DATASET_DOWNLOADED: "A buyer was given the rows of a dataset of the receiver's that it paid for.",
    EventType.DATASET_SOLD: "A buyer bought the rows of a dataset of the receiver's.",
    EventType.DATASET_TAKEN_DOWN: "An administrator took a listing of the receiver's down, with a reason.",
    EventType.DATASET_TAKE_DOWN_LIFTED: "A listing of the receiver's that was taken down can be published again.",
    EventType.DATASET_UNREADABLE_FOR_ORDER: "A job went on without a dataset of the receiver's that does not fit.",
    EventType.CHECKPOINT_UNLEARNED: "A checkpoint of the receiver's has forgotten a dataset that was withdrawn.",
    EventType.CHECKPOINT_ERASED: "A checkpoint's weights were erased: they had seen a dataset that was withdrawn.",
    EventType.STANDING_POSTED: "A standing order of the receiver's posted a job.",
    EventType.STANDING_HELD: "A standing order of the receiver's could not post its next job.",
    EventType.WANTED_MATCHED: "Listings of the receiver's fit a buyer's wanted ad.",
    EventType.PAYOUT_AVAILABLE: "An amount of the receiver's can be withdrawn.",
    EventType.WEBHOOK_DISABLED: "The service disabled another endpoint of the same account.",
    EventType.WEBHOOK_PING: "A test, sent on request to one endpoint whatever its filter.",
}


def shaped(event_type: EventType, data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` as HTTP shows it (public ids); raises pydantic's ValidationError where it breaks the type's shape.

    UUIDs are taken as they are, so that callers inside the service need not know the public form of ids.
    """
    model: BaseModel = DATA[event_type].model_validate(dict(data))
    return model.model_dump(mode="json")


def id_text(prefix: str, value: uuid.UUID) -> str:
    """The public form of an event's or a delivery's id."""
    return f"{prefix}_{value.hex}"
