"""All SQL of the audit log: adding rows and reading them. There is no other, and the database refuses any other."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from app.audit.tables import AuditEntry
from app.http.pages import PageRequest


def add(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(insert(AuditEntry).values(**values))


def page(
    session: Session,
    own: uuid.UUID | None,
    filters: Mapping[str, str | uuid.UUID],
    since: datetime | None,
    until: datetime | None,
    page: PageRequest,
) -> tuple[list[AuditEntry], str | None]:
    """Entries, newest first: those of and about the organisation ``own``, or all (``None``, administrators only).

    ``filters``: column name -> the value that it must have.
    """
    statement = select(AuditEntry)
    if own is not None:
        statement = statement.where(or_(AuditEntry.account_id == own, AuditEntry.subject_id == own))
    for name, value in filters.items():
        statement = statement.where(getattr(AuditEntry, name) == value)
    if since is not None:
        statement = statement.where(AuditEntry.created_at >= since)
    if until is not None:
        statement = statement.where(AuditEntry.created_at < until)
    bound = {"list": "audit", "own": own, "since": since, "until": until, **filters}
    return page.fetch(session, statement, AuditEntry, bound)
