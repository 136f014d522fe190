"""All SQL of the audit log: adding rows and reading them. There is no other, and the database refuses any other."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, insert, or_, select, tuple_
from sqlalchemy.orm import Session

from app.audit.tables import AuditEntry
from app.http.pages import PageRequest

# what an entry says, for its digest; a column that a release adds is not among it, or each would look like a change
_SAID = (
    "id", "account_id", "key_id", "user_id", "subject_id", "action", "object", "address", "request_id", "detail",
    "note", "created_at",
)  # fmt: skip
_AT_ONCE = 2_000


@dataclass(frozen=True)
class WrittenEntry:
    """One entry with all that it says as Postgres writes a row."""

    content: str
    created_at: datetime
    id: uuid.UUID


def written(
    session: Session, before: datetime | None = None, up_to: tuple[datetime, uuid.UUID] | None = None
) -> Iterator[WrittenEntry]:
    """Every entry in its order, up to and with one of them, or before a moment; some thousand at a time."""
    row = cast(func.row(*(getattr(AuditEntry, name) for name in _SAID)), Text)
    query = select(row, AuditEntry.created_at, AuditEntry.id).order_by(AuditEntry.created_at, AuditEntry.id)
    if before is not None:
        query = query.where(AuditEntry.created_at < before)
    if up_to is not None:
        query = query.where(tuple_(AuditEntry.created_at, AuditEntry.id) <= up_to)
    for content, created_at, entry_id in session.execute(query.execution_options(yield_per=_AT_ONCE)):
        yield WrittenEntry(content, created_at, entry_id)


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
