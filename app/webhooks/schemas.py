"""What HTTP sees of webhooks. A secret appears in the answer that makes it and nowhere else."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from app.http.ids import DeliveryId, EventId, WebhookId
from app.http.schemas import Answer, Body, example
from app.webhooks.events import EventType
from app.webhooks.guard import MAX_URL_LENGTH
from app.webhooks.tables import DeliveryStatus, WebhookAttempt, WebhookDelivery

_WEBHOOK = "wh_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_DELIVERY = "whd_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c"
_EVENT = "evt_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d"
_VALUATION = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
_NOW = "2026-11-23T12:00:00Z"
_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105  an example
_ENDPOINT: dict[str, Any] = {
    "id": _WEBHOOK,
    "url": "https://hooks.example.com/cherish",
    "description": "production",
    "events": ["valuation.failed", "valuation.succeeded"],
    "enabled": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failures": 0,
    "previous_secret_until": None,
    "created_at": _NOW,
}
_SENT: dict[str, Any] = {
    "id": _DELIVERY,
    "event_id": _EVENT,
    "type": "valuation.succeeded",
    "status": "succeeded",
    "attempts": 1,
    "next_attempt_at": None,
    "error": None,
    "created_at": _NOW,
    "finished_at": _NOW,
}

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="Where events are POSTed: https, a public host, no user name, no fragment.",
    ),
]
Description = Annotated[str, Field(max_length=200, description="Your own note.")]
Filter = Annotated[
    list[EventType],
    Field(min_length=1, max_length=50, description="The types to send; null sends all, later ones included."),
]


class WebhookBody(Body):
    """A new endpoint."""

    model_config = example(
        url="https://hooks.example.com/cherish",
        events=["valuation.succeeded", "valuation.failed"],
        description="production",
    )

    url: Url
    events: Filter | None = None
    description: Description = ""
    enabled: bool = True


class WebhookPatch(Body):
    """Changes to an endpoint; what is absent stays."""

    model_config = example(enabled=True, events=None)

    url: Url | None = None
    events: Filter | None = None
    description: Description | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _null_means_all_only_for_events(self) -> Self:
        for name in ("url", "description", "enabled"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out to keep it as it is")
        return self


class WebhookAnswer(Answer):
    """One endpoint. ``failures`` counts the events in a row that could not be delivered."""

    model_config = example(**_ENDPOINT)

    id: WebhookId
    url: str
    description: str
    events: list[EventType] | None
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failures: int
    previous_secret_until: datetime | None = Field(validation_alias="previous_until")
    created_at: datetime


class WebhookWithSecret(WebhookAnswer):
    """An endpoint with its new secret, shown this once; null when the answer is replayed."""

    model_config = example(**_ENDPOINT, secret=_SECRET)

    secret: str | None


class RotateBody(Body):
    """How long the present secret goes on signing beside the new one."""

    model_config = example(overlap_hours=24)

    overlap_hours: float = Field(default=24, ge=0, le=168, description="0 ends the present secret at once.")


class DeliveryAnswer(Answer):
    """One event on its way to one endpoint. ``error`` says why it is not delivered, or not yet."""

    model_config = example(**_SENT)

    id: DeliveryId
    event_id: EventId
    type: EventType
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: WebhookDelivery) -> "DeliveryAnswer":
        """The answer for a row and its event."""
        return cls(**_columns(row))


class AttemptAnswer(Answer):
    """One request that was made; ``response`` is the beginning of what came back."""

    model_config = example(number=1, started_at=_NOW, milliseconds=87, status=200, response="ok", error=None)

    number: int
    started_at: datetime
    milliseconds: int
    status: int | None
    response: str
    error: str | None


class DeliveryDetail(DeliveryAnswer):
    """One delivery with what was sent and every attempt, last first."""

    model_config = example(
        **_SENT,
        data={"id": _VALUATION, "status": "succeeded", "reason": None},
        log=[{"number": 1, "started_at": _NOW, "milliseconds": 87, "status": 200, "response": "ok", "error": None}],
    )

    data: dict[str, Any]
    log: list[AttemptAnswer]

    @classmethod
    def with_log(cls, row: WebhookDelivery, attempts: list[WebhookAttempt]) -> Self:
        """The answer for a row, its event and its attempts."""
        log = [AttemptAnswer.model_validate(attempt) for attempt in attempts]
        return cls(**_columns(row), data=row.event.data, log=log)


def _columns(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_id": row.event_id,
        "type": row.event.type,
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": row.next_attempt_at,
        "error": row.error,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }
