"""The outbox table: messages that a transaction decided to send, kept until the relay has handed them on."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, SmallInteger, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamped


class OutboxMessage(Base, Timestamped):
    """One task to be sent by name. ``lane`` groups messages that must not crowd others out (a job)."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_unsent", "priority", "id", postgresql_where=text("sent_at IS NULL")),
        Index("ix_outbox_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task: Mapped[str] = mapped_column(String(128))
    args: Mapped[dict[str, Any]]
    queue: Mapped[str] = mapped_column(String(16))
    # 0 goes first; planning and settling overtake computing
    priority: Mapped[int] = mapped_column(SmallInteger)
    lane: Mapped[str | None] = mapped_column(String(64))
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(Text)
