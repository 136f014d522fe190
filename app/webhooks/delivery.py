"""Making one attempt at a delivery: claim it, send it outside of any transaction, write down what happened.

The claim is a conditional update, so of two processes that found the same delivery one sends it and the other nothing;
a process that dies leaves a lease that runs out, and the delivery is due again. A receiver may thus see an event twice,
with the same ``webhook-id``: delivery is at least once, and in no promised order.
"""

import random
import ssl
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import structlog
from sqlalchemy.orm import Session, sessionmaker

from app import tracing
from app.db.session import transaction
from app.settings import Settings
from app.webhooks import events, guard, repository, service, signing, transport
from app.webhooks.events import EventType
from app.webhooks.schedule import ATTEMPTS, delay_after
from app.webhooks.tables import DeliveryStatus, WebhookAttempt, WebhookDelivery, WebhookEndpoint

log = structlog.get_logger(__name__)

# longer than the longest exchange by far: a second request while the first is out would need a worker that stood still
_LEASE = timedelta(seconds=90)
_HTTP_GONE = 410


@dataclass(frozen=True)
class _Attempt:
    """One claimed attempt: everything that is needed to make it without the database."""

    delivery_id: uuid.UUID
    endpoint_id: uuid.UUID
    number: int
    step: int
    event_type: str
    started_at: datetime
    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class DeliveryOptions:
    """How requests go out. The defaults are the product's; tests name other resolvers, certificates and seeds."""

    resolve: guard.Resolver = guard.resolve
    ssl_context: ssl.SSLContext | None = None
    rng: random.Random | None = None
    total_seconds: float = transport.TOTAL_SECONDS


def deliver(
    factory: sessionmaker[Session], settings: Settings, delivery_id: uuid.UUID, options: DeliveryOptions | None = None
) -> DeliveryStatus | None:
    """Make the attempt that is due; returns the delivery's status after it, None where there was nothing to do.

    It opens its own transactions and none is open while the request is out. Never raises for what a receiver does.
    """
    options = options or DeliveryOptions()
    with transaction(factory) as session:
        attempt = _claim(session, settings, delivery_id)
    if not isinstance(attempt, _Attempt):
        return attempt
    with tracing.span("webhook", kind="client", parent=attempt.headers.get("traceparent")) as traced:
        if traced.traceparent is not None:
            attempt.headers["traceparent"] = traced.traceparent
        answer = _send(settings, attempt, options)
    with transaction(factory) as session:
        status = _record(session, settings, attempt, answer, options.rng or random.SystemRandom())
    log.info(
        "webhook.attempt",
        delivery=events.id_text("whd", delivery_id),
        webhook=events.id_text("wh", attempt.endpoint_id),
        attempt=attempt.number,
        answered=answer.status,
        error=answer.error,
        status=status,
    )
    return status


def _claim(session: Session, settings: Settings, delivery_id: uuid.UUID) -> _Attempt | DeliveryStatus | None:
    delivery = repository.claim(session, delivery_id, _LEASE)
    if delivery is None:
        return None
    endpoint = repository.endpoint(session, delivery.endpoint_id)
    if endpoint is None:
        return None
    if not endpoint.enabled:
        return _give_up(session, delivery, "not sent: the webhook is disabled; enable it and redeliver")
    if delivery.step > ATTEMPTS:
        # every claim counts, so that an answer that kills its worker cannot do so for ever
        return _give_up(session, delivery, "the attempts ended without an answer; redeliver to try again")
    event = delivery.event
    now = repository.now(session)
    message_id = events.id_text("evt", event.id)
    body = service.message_body(event)
    signed = signing.signed_headers(message_id, body, service.signing_secrets(settings, endpoint, now), now)
    traced = {"X-Request-ID": event.request_id, "traceparent": event.traceparent}
    headers = signed | {name: value for name, value in traced.items() if value is not None}
    return _Attempt(
        delivery_id=delivery.id,
        endpoint_id=endpoint.id,
        number=delivery.attempts,
        step=delivery.step,
        event_type=event.type,
        started_at=now,
        url=endpoint.url,
        body=body,
        headers=headers,
    )


def _give_up(session: Session, delivery: WebhookDelivery, error: str) -> DeliveryStatus:
    repository.close_delivery(session, delivery.id, delivery.attempts, DeliveryStatus.FAILED, error)
    return DeliveryStatus.FAILED


def _send(settings: Settings, attempt: _Attempt, options: DeliveryOptions) -> transport.ReceiverAnswer:
    policy = guard.policy_of(settings)
    try:
        # again on every attempt: the rules may be stricter today than when the URL was stored
        url: httpx.URL = guard.parse(attempt.url, policy)
    except guard.Refused as refusal:
        return transport.ReceiverAnswer(None, "", f"not sent: {refusal}", None, 0.0)
    return transport.post(
        url,
        attempt.body,
        attempt.headers,
        policy,
        resolve=options.resolve,
        ssl_context=options.ssl_context,
        total_seconds=options.total_seconds,
    )


def _record(
    session: Session, settings: Settings, attempt: _Attempt, answer: transport.ReceiverAnswer, rng: random.Random
) -> DeliveryStatus | None:
    # the endpoint first, as whoever deletes one does: two orders would be a deadlock
    endpoint = repository.endpoint(session, attempt.endpoint_id, lock=True)
    if endpoint is None:
        return None
    status = _outcome(session, settings, endpoint, attempt, answer, rng)
    if status is None:
        log.warning("webhook.attempt_superseded", delivery=events.id_text("whd", attempt.delivery_id))
        return None
    row = WebhookAttempt(
        delivery_id=attempt.delivery_id,
        number=attempt.number,
        started_at=attempt.started_at,
        milliseconds=round(1000 * answer.seconds),
        status=answer.status,
        response=answer.excerpt,
        error=answer.error,
    )
    repository.add(session, row)
    return status


def _outcome(
    session: Session,
    settings: Settings,
    endpoint: WebhookEndpoint,
    attempt: _Attempt,
    answer: transport.ReceiverAnswer,
    rng: random.Random,
) -> DeliveryStatus | None:
    """Write what this attempt means for the delivery and its endpoint; None where another attempt came after it."""
    if answer.succeeded:
        if not repository.close_delivery(session, attempt.delivery_id, attempt.number, DeliveryStatus.SUCCEEDED, None):
            return None
        endpoint.failures = 0
        return DeliveryStatus.SUCCEEDED
    is_ping = attempt.event_type == EventType.WEBHOOK_PING
    gone = answer.status == _HTTP_GONE
    delay = None if is_ping or gone else delay_after(attempt.step, answer.retry_after, rng)
    if delay is not None:
        if not repository.postpone_delivery(session, attempt.delivery_id, attempt.number, answer.error, delay):
            return None
        return DeliveryStatus.PENDING
    if not repository.close_delivery(session, attempt.delivery_id, attempt.number, DeliveryStatus.FAILED, answer.error):
        return None
    if gone:
        _disable(session, endpoint, "the receiver answered 410 Gone")
    elif not is_ping:
        endpoint.failures += 1
        if endpoint.failures >= settings.webhook_failed_events:
            _disable(session, endpoint, f"{endpoint.failures} events in a row could not be delivered")
    return DeliveryStatus.FAILED


def _disable(session: Session, endpoint: WebhookEndpoint, reason: str) -> None:
    """Stop an endpoint and tell the account's other ones; it stays until its owner enables it again."""
    if not endpoint.enabled:
        return
    endpoint.enabled = False
    endpoint.disabled_reason = reason
    endpoint.disabled_at = repository.now(session)
    session.flush()
    service.emit(session, endpoint.account_id, EventType.WEBHOOK_DISABLED, {"id": endpoint.id, "reason": reason})
    log.warning("webhook.disabled", webhook=events.id_text("wh", endpoint.id), reason=reason)
