"""Tables of webhooks: endpoints, events, deliveries (one for each endpoint and event) and their attempts.

An endpoint's secret is not here: only the salt that it is derived from together with the deployment's pepper.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, SmallInteger, String, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.base import Base, PrimaryKey, Timestamped, name_of


class DeliveryStatus(StrEnum):
    """Where a delivery stands. Redelivery makes a finished one pending again."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class WebhookEndpoint(Timestamped, Base):
    """One URL of an account's. ``events`` is its filter, NULL for all types, later ones included."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("ix_webhook_endpoints_account_id_created_at_id", "account_id", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(String(200))
    events: Mapped[list[str] | None] = mapped_column(ARRAY(String(64)))
    enabled: Mapped[bool]
    # why the service disabled it; NULL while enabled, and where the owner did
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    disabled_at: Mapped[datetime | None]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    # the secret before the last rotation signs too, until then
    previous_salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    # events in a row that could not be delivered at all
    failures: Mapped[int] = mapped_column(server_default=text("0"))


class WebhookEvent(Timestamped, Base):
    """What happened to an account: written with its deliveries, only where an endpoint listens; never changed."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        Index("ix_webhook_events_account_id", "account_id"),
        Index("ix_webhook_events_created_at", "created_at"),
    )

    id: Mapped[PrimaryKey]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]]
    # the request that caused it, so that a receiver's log and ours can be laid side by side
    request_id: Mapped[str | None] = mapped_column(String(128))
    traceparent: Mapped[str | None] = mapped_column(String(55))


class WebhookDelivery(Timestamped, Base):
    """One event on its way to one endpoint.

    ``attempts`` counts all claims and is the fencing token: what an attempt found is written only while it is still the
    last one. ``step`` counts claims since the delivery was (re)started and is the place in the table of retries.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        Index("ix_webhook_deliveries_endpoint_id_created_at_id", "endpoint_id", "created_at", "id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[PrimaryKey]
    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    endpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    status: Mapped[DeliveryStatus] = mapped_column(name_of(DeliveryStatus))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    step: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    # by the database's clock; NULL once it is finished
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    # why it is not (yet) delivered, for its owner
    error: Mapped[str | None] = mapped_column(Text)

    event: Mapped[WebhookEvent] = relationship(lazy="joined", innerjoin=True)


class WebhookAttempt(Base):
    """One request that was made, and what came back. ``response`` is the beginning of the body."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime]
    milliseconds: Mapped[int]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    response: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
