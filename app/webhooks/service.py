"""The rules of webhooks as their owners see them: endpoints, secrets, the log, redelivery, and emitting events.

Never commits and sends nothing: what ``emit`` decides to send becomes rows of the caller's transaction, which
``app.webhooks.deliverer`` finds there.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.db.base import uuid7
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.http.pages import PageRequest
from app.logs import request_facts
from app.settings import Settings
from app.webhooks import events, guard, repository, signing
from app.webhooks.events import EventType
from app.webhooks.schemas import WebhookPatch
from app.webhooks.tables import DeliveryStatus, WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

MAX_ENDPOINTS = 20


def create_endpoint(
    session: Session,
    settings: Settings,
    account_id: uuid.UUID,
    *,
    url: str,
    description: str = "",
    event_types: Sequence[EventType] | None = None,
    enabled: bool = True,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret; raises InvalidInput for a URL that is not allowed, Conflict at the limit."""
    _check_url(settings, url)
    repository.lock_account(session, account_id)
    if repository.count_endpoints(session, account_id) >= MAX_ENDPOINTS:
        raise Conflict(f"your account has {MAX_ENDPOINTS} webhooks, which is the limit; delete one first")
    endpoint = WebhookEndpoint(
        account_id=account_id,
        url=url,
        description=description,
        events=_names(event_types),
        enabled=enabled,
        salt=signing.new_salt(),
    )
    repository.add(session, endpoint)
    return endpoint, signing.secret_of(settings.key_pepper.get_secret_value(), endpoint.salt)


def list_endpoints(
    session: Session, account_id: uuid.UUID, page: PageRequest
) -> tuple[list[WebhookEndpoint], str | None]:
    """An account's endpoints, newest first."""
    return repository.own_endpoints(session, account_id, page)


def get_endpoint(
    session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID, *, lock: bool = False
) -> WebhookEndpoint:
    """One endpoint of an account; raises NotFound for anybody else's."""
    endpoint = repository.own_endpoint(session, account_id, endpoint_id, lock=lock)
    if endpoint is None:
        raise NotFound(f"no webhook wh_{endpoint_id.hex} of yours; list them with GET /v1/webhooks")
    return endpoint


def change_endpoint(
    session: Session, settings: Settings, account_id: uuid.UUID, endpoint_id: uuid.UUID, change: WebhookPatch
) -> WebhookEndpoint:
    """Change what ``change`` names; what it leaves out stays. Enabling restarts the count of failures."""
    endpoint = get_endpoint(session, account_id, endpoint_id, lock=True)
    if change.url is not None:
        _check_url(settings, change.url)
        endpoint.url = change.url
    if change.description is not None:
        endpoint.description = change.description
    if "events" in change.model_fields_set:  # null means all of them
        endpoint.events = _names(change.events)
    if change.enabled is not None and change.enabled != endpoint.enabled:
        endpoint.enabled = change.enabled
        endpoint.failures = 0
        endpoint.disabled_reason = None
        endpoint.disabled_at = None if endpoint.enabled else repository.now(session)
    session.flush()
    return endpoint


def delete_endpoint(session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID) -> None:
    """Delete an endpoint with its log; what is under way may still arrive once."""
    repository.remove_endpoint(session, get_endpoint(session, account_id, endpoint_id, lock=True))


def rotate_secret(
    session: Session, settings: Settings, account_id: uuid.UUID, endpoint_id: uuid.UUID, overlap: timedelta
) -> tuple[WebhookEndpoint, str]:
    """A new secret; the present one signs beside it for ``overlap``. One before that stops at once."""
    endpoint = get_endpoint(session, account_id, endpoint_id, lock=True)
    if overlap > timedelta(0):
        endpoint.previous_salt = endpoint.salt
        endpoint.previous_until = repository.now(session) + overlap
    else:
        endpoint.previous_salt = endpoint.previous_until = None
    endpoint.salt = signing.new_salt()
    session.flush()
    return endpoint, signing.secret_of(settings.key_pepper.get_secret_value(), endpoint.salt)


def signing_secrets(settings: Settings, endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The secrets that sign at this moment, the present one first."""
    pepper = settings.key_pepper.get_secret_value()
    secrets = [signing.secret_of(pepper, endpoint.salt)]
    if endpoint.previous_salt is not None and endpoint.previous_until is not None and now < endpoint.previous_until:
        secrets.append(signing.secret_of(pepper, endpoint.previous_salt))
    return secrets


def emit(session: Session, account_id: uuid.UUID, event_type: EventType | str, data: Mapping[str, Any]) -> int:
    """Tell an account that something happened, in the caller's transaction; returns how many endpoints listen.

    ``data`` has the shape of ``events.DATA[event_type]``; ids may be UUIDs. Raises ValueError for a type that does not
    exist or data of another shape: both are mistakes of the calling room. Where nobody listens, nothing is written.
    """
    kind = EventType(event_type)
    shaped = events.shaped(kind, data)
    endpoint_ids = repository.listening(session, account_id, kind)
    if endpoint_ids:
        _write_event(session, account_id, kind, shaped, endpoint_ids)
    return len(endpoint_ids)


def ping(session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID) -> WebhookDelivery:
    """Send a test event to one endpoint; raises Conflict where it is disabled."""
    endpoint = get_endpoint(session, account_id, endpoint_id)
    _insist_on_enabled(endpoint)
    data = events.shaped(EventType.WEBHOOK_PING, {"id": endpoint.id})
    (delivery_id,) = _write_event(session, account_id, EventType.WEBHOOK_PING, data, [endpoint.id])
    return _delivery(session, endpoint, delivery_id)


def list_deliveries(
    session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID, status: DeliveryStatus | None, page: PageRequest
) -> tuple[list[WebhookDelivery], str | None]:
    """The log of an endpoint, newest first."""
    endpoint = get_endpoint(session, account_id, endpoint_id)
    return repository.own_deliveries(session, endpoint.id, status, page)


def get_delivery(
    session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID, delivery_id: uuid.UUID
) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]]:
    """One delivery and its attempts, last first; raises NotFound for anybody else's."""
    delivery = _delivery(session, get_endpoint(session, account_id, endpoint_id), delivery_id)
    return delivery, repository.attempts_of(session, delivery.id)


def redeliver(
    session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID, delivery_id: uuid.UUID
) -> WebhookDelivery:
    """Send an event again now, with the whole table of retries before it; raises Conflict while a request is out."""
    endpoint = get_endpoint(session, account_id, endpoint_id)
    _insist_on_enabled(endpoint)
    delivery = _delivery(session, endpoint, delivery_id, lock=True)
    now = repository.now(session)
    if delivery.lease_until is not None and delivery.lease_until > now:
        raise Conflict("this delivery is being sent at this moment; look at its attempts first", retry_after=5)
    delivery.status = DeliveryStatus.PENDING
    delivery.step = 0
    delivery.next_attempt_at = now
    delivery.finished_at = delivery.error = delivery.lease_until = None
    session.flush()
    return delivery


def message_body(event: WebhookEvent) -> bytes:
    """The bytes that are sent and signed, the same on every attempt: ``{"type", "timestamp", "data"}``."""
    message = {
        "type": event.type,
        "timestamp": event.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": event.data,
    }
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def _write_event(
    session: Session, account_id: uuid.UUID, kind: EventType, data: dict[str, Any], endpoint_ids: Sequence[uuid.UUID]
) -> list[uuid.UUID]:
    request = request_facts()
    event = WebhookEvent(
        account_id=account_id,
        type=kind.value,
        data=data,
        request_id=request.request_id,
        traceparent=request.traceparent,
    )
    repository.add(session, event)
    ids = [uuid7() for _ in endpoint_ids]
    repository.add_deliveries(session, event.id, list(zip(ids, endpoint_ids, strict=True)))
    return ids


def _delivery(
    session: Session, endpoint: WebhookEndpoint, delivery_id: uuid.UUID, *, lock: bool = False
) -> WebhookDelivery:
    delivery = repository.own_delivery(session, endpoint.id, delivery_id, lock=lock)
    if delivery is None:
        raise NotFound(
            f"no delivery whd_{delivery_id.hex} of this webhook; "
            f"list them with GET /v1/webhooks/wh_{endpoint.id.hex}/deliveries"
        )
    return delivery


def _insist_on_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise Conflict(f"webhook wh_{endpoint.id.hex} is disabled; enable it first with PATCH and enabled: true")


def _check_url(settings: Settings, url: str) -> None:
    try:
        guard.parse(url, guard.policy_of(settings))
    except guard.Refused as refusal:
        raise InvalidInput(str(refusal), errors=[FieldError("/url", str(refusal), "webhook_url")]) from None


def _names(event_types: Sequence[EventType] | None) -> list[str] | None:
    return None if event_types is None else sorted({EventType(kind).value for kind in event_types})
