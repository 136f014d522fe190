"""All SQL of webhooks. Due times and leases go by the database's clock. It decides nothing."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.http.pages import PageRequest
from app.webhooks.tables import DeliveryStatus, WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

_PENDING = DeliveryStatus.PENDING


def add(session: Session, row: WebhookEndpoint | WebhookEvent | WebhookAttempt) -> None:
    """Insert now, so that a broken constraint is known here and not at the commit."""
    session.add(row)
    session.flush()


def lock_account(session: Session, account_id: uuid.UUID) -> None:
    """Until the transaction ends, nobody else adds endpoints to this account: the limit holds under concurrency."""
    number = int.from_bytes(account_id.bytes[-8:], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(number)))


def count_endpoints(session: Session, account_id: uuid.UUID) -> int:
    statement = select(func.count()).where(WebhookEndpoint.account_id == account_id)
    return int(session.scalar(statement) or 0)


def own_endpoint(
    session: Session, account_id: uuid.UUID, endpoint_id: uuid.UUID, *, lock: bool = False
) -> WebhookEndpoint | None:
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.account_id == account_id
    )
    if lock:
        # does not hold up those who only refer to it: emit, and other deliveries
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalar(statement)


def own_endpoints(
    session: Session, account_id: uuid.UUID, page: PageRequest
) -> tuple[list[WebhookEndpoint], str | None]:
    statement = select(WebhookEndpoint).where(WebhookEndpoint.account_id == account_id)
    return page.fetch(session, statement, WebhookEndpoint, {"list": "webhooks", "account": account_id})


def remove_endpoint(session: Session, endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint with its deliveries; events stay until they are old, other endpoints may have them."""
    session.delete(endpoint)
    session.flush()


def listening(session: Session, account_id: uuid.UUID, event_type: str) -> Sequence[uuid.UUID]:
    """The enabled endpoints of an account whose filter has this type, kept from being deleted until we have ended."""
    statement = (
        select(WebhookEndpoint.id)
        .where(
            WebhookEndpoint.account_id == account_id,
            WebhookEndpoint.enabled,
            or_(WebhookEndpoint.events.is_(None), WebhookEndpoint.events.any_() == event_type),
        )
        .order_by(WebhookEndpoint.id)
        .with_for_update(read=True, key_share=True)
    )
    return session.scalars(statement).all()


def add_deliveries(session: Session, event_id: uuid.UUID, targets: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Insert pending deliveries of an event; ``targets`` are pairs of delivery id and endpoint id."""
    rows = [
        {"id": id_, "event_id": event_id, "endpoint_id": endpoint_id, "status": _PENDING}
        for id_, endpoint_id in targets
    ]
    session.execute(insert(WebhookDelivery), rows)


def own_deliveries(
    session: Session, endpoint_id: uuid.UUID, status: DeliveryStatus | None, page: PageRequest
) -> tuple[list[WebhookDelivery], str | None]:
    statement = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    filters = {"list": "deliveries", "endpoint": endpoint_id, "status": status}
    return page.fetch(session, statement, WebhookDelivery, filters)


def own_delivery(
    session: Session, endpoint_id: uuid.UUID, delivery_id: uuid.UUID, *, lock: bool = False
) -> WebhookDelivery | None:
    statement = select(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id
    )
    if lock:
        statement = statement.with_for_update(of=WebhookDelivery).execution_options(populate_existing=True)
    return session.scalar(statement)


def attempts_of(session: Session, delivery_id: uuid.UUID) -> Sequence[WebhookAttempt]:
    """The attempts of a delivery, last first."""
    statement = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id)
    return session.scalars(statement.order_by(WebhookAttempt.number.desc())).all()


def now(session: Session) -> datetime:
    """The database's clock at this moment, not at the transaction's start."""
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def claim(session: Session, delivery_id: uuid.UUID, lease: timedelta) -> WebhookDelivery | None:
    """Take a delivery that is due and that nobody holds; None otherwise. The conditional update alone decides."""
    statement = (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.status == _PENDING,
            WebhookDelivery.next_attempt_at <= func.clock_timestamp(),
            or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until < func.clock_timestamp()),
        )
        .values(
            attempts=WebhookDelivery.attempts + 1,
            step=WebhookDelivery.step + 1,
            lease_until=func.clock_timestamp() + lease,
        )
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(statement) is None:
        return None
    return session.scalar(
        select(WebhookDelivery).where(WebhookDelivery.id == delivery_id).execution_options(populate_existing=True)
    )


def endpoint(session: Session, endpoint_id: uuid.UUID, *, lock: bool = False) -> WebhookEndpoint | None:
    """An endpoint whoever owns it; for deliveries, never for callers."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    if lock:
        # does not hold up those who only refer to it: emit, and other deliveries
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalar(statement)


def close_delivery(
    session: Session, delivery_id: uuid.UUID, attempt: int, status: DeliveryStatus, error: str | None
) -> bool:
    """Finish a delivery if ``attempt`` is still its last one; returns whether it was."""
    values = {"status": status, "error": error, "next_attempt_at": None, "finished_at": func.clock_timestamp()}
    return _write(session, delivery_id, attempt, values)


def postpone_delivery(session: Session, delivery_id: uuid.UUID, attempt: int, error: str | None, delay: float) -> bool:
    """Let a delivery wait ``delay`` seconds if ``attempt`` is still its last one; returns whether it was."""
    moment = func.clock_timestamp() + timedelta(seconds=delay)
    return _write(session, delivery_id, attempt, {"error": error, "next_attempt_at": moment})


def _write(session: Session, delivery_id: uuid.UUID, attempt: int, values: dict[str, Any]) -> bool:
    statement = (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.attempts == attempt,
            WebhookDelivery.lease_until.is_not(None),
        )
        .values(lease_until=None, **values)
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def due(session: Session, limit: int, busy: Collection[uuid.UUID]) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
    """The longest due delivery of each endpoint that is not ``busy``: pairs of delivery id and endpoint id."""
    first = (
        select(WebhookDelivery.id, WebhookDelivery.endpoint_id, WebhookDelivery.next_attempt_at)
        .where(
            WebhookDelivery.status == _PENDING,
            WebhookDelivery.next_attempt_at <= func.clock_timestamp(),
            or_(WebhookDelivery.lease_until.is_(None), WebhookDelivery.lease_until < func.clock_timestamp()),
            WebhookDelivery.endpoint_id.not_in(busy),
        )
        .ext(distinct_on(WebhookDelivery.endpoint_id))
        .order_by(WebhookDelivery.endpoint_id, WebhookDelivery.next_attempt_at)
        .subquery()
    )
    rows = session.execute(select(first.c.id, first.c.endpoint_id).order_by(first.c.next_attempt_at).limit(limit))
    return [(row[0], row[1]) for row in rows]


def purge_events(session: Session, older_than: timedelta) -> int:
    """Delete events of long ago with their deliveries, except where one is still pending; returns how many."""
    pending = select(WebhookDelivery.id).where(
        WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.status == _PENDING
    )
    gone = session.execute(
        delete(WebhookEvent)
        .where(WebhookEvent.created_at < func.now() - older_than, ~pending.exists())
        .returning(WebhookEvent.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())
