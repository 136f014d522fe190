"""The audit log: one row for every change that anybody made, written in the transaction of the change itself.

Append-only by trigger (``audit_ddl``): not even this application can change or delete a row. Ids are bare, without
foreign keys, because a row outlives what it speaks of.
"""

import uuid
from typing import Any

from sqlalchemy import Connection, Index, String, Text, event, text
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import audit_ddl
from app.db.base import Base, PrimaryKey, Timestamped


class AuditEntry(Timestamped, Base):
    """Who did what to which object, when, from where."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_created_at_id", "created_at", "id"),
        Index("ix_audit_log_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_audit_log_subject_id_created_at_id", "subject_id", "created_at", "id"),
    )

    id: Mapped[PrimaryKey]
    # who acted: an organisation by a key or a user; all NULL is somebody without an account, or the service itself
    account_id: Mapped[uuid.UUID | None]
    key_id: Mapped[uuid.UUID | None]
    user_id: Mapped[uuid.UUID | None]
    # the organisation that it was done to, where that is another one
    subject_id: Mapped[uuid.UUID | None]
    # the operation's name in the OpenAPI document
    action: Mapped[str] = mapped_column(String(100))
    # public id of what was changed
    object: Mapped[str | None] = mapped_column(String(200))
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(128))
    # what was asked, secrets left out
    detail: Mapped[dict[str, Any]]
    note: Mapped[str | None] = mapped_column(Text)


def _add_trigger(_table: Any, connection: Connection, **_: Any) -> None:
    for statement in audit_ddl.UPGRADE:
        connection.execute(text(statement))


event.listen(AuditEntry.__table__, "after_create", _add_trigger)
