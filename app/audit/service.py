"""Recording changes: called inside the transaction of the change, so that there is never one without the other.

The application hands ``record`` to the routes of the API and of the pages, which call it for every successful request
that changes something (``app.http.routes``); what changes things without a request (the command line) calls it itself.
It never records a secret and never decides anything.
"""

import math
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.audit import repository
from app.audit.tables import AuditEntry
from app.db.base import uuid7
from app.http.pages import PageRequest
from app.identity import Caller, Role
from app.logs import mask, request_facts

_SECRET = re.compile(r"password|token|secret|pepper|authorization|^codes?$|^half$|^answers$|^prompt$", re.IGNORECASE)
_LONGEST_TEXT, _MOST_ITEMS, _DEEPEST = 500, 50, 4


def record(
    session: Session,
    caller: Caller | None,
    action: str,
    object_: str | None,
    detail: Mapping[str, Any],
    *,
    subject: uuid.UUID | None = None,
    note: str | None = None,
) -> None:
    """Record that ``caller`` (None: nobody with an account, or the service itself) did ``action`` to ``object_``.

    ``subject`` is the organisation that it was done to, where it is another one: it then sees the entry, too. Request
    id and address are those of the request at hand. Secrets in ``detail`` are masked and long values cut.
    """
    request = request_facts()
    acting = caller.account_id if caller is not None else None
    values = {
        "id": uuid7(),
        "account_id": acting,
        "key_id": caller.key_id if caller is not None else None,
        "user_id": caller.user_id if caller is not None else None,
        "subject_id": subject if subject != acting else None,
        "action": action,
        "object": object_,
        "address": request.address,
        "request_id": request.request_id,
        "detail": _members(detail, 0),
        "note": note,
    }
    repository.add(session, values)


def loggable(name: str, value: Any, depth: int = 0) -> Any:
    """A value as the log keeps it: no secret, nothing long, nothing that Postgres cannot hold."""
    if _SECRET.search(name) and value is not None:
        return "***"
    if isinstance(value, str):
        text = _storable(mask(value))
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({len(text)} characters)"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return _members(value, depth + 1)
    if isinstance(value, list | tuple):
        return [loggable(name, inner, depth + 1) for inner in value[:_MOST_ITEMS]]
    return loggable(name, str(value), depth)


def _members(detail: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    first = list(detail.items())[:_MOST_ITEMS]
    return {_storable(str(name))[:100]: loggable(str(name), value, depth) for name, value in first}


def _storable(text: str) -> str:
    """A text without what Postgres cannot hold: NUL, and halves of characters, which are spelled out."""
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode()


def entries(
    session: Session,
    caller: Caller,
    filters: Mapping[str, str | uuid.UUID | None],
    since: datetime | None,
    until: datetime | None,
    page: PageRequest,
) -> tuple[list[AuditEntry], str | None]:
    """What was done, newest first: by and to the caller's organisation; everything for an administrator."""
    own = None if caller.role is Role.ADMIN else caller.account_id
    criteria = {name: value for name, value in filters.items() if value is not None}
    rows, following = repository.page(session, own, criteria, since, until, page)
    return (rows if own is None else _under_pseudonyms(session, own, criteria, rows)), following


def _under_pseudonyms(
    session: Session, own: uuid.UUID, criteria: Mapping[str, str | uuid.UUID], rows: list[AuditEntry]
) -> list[AuditEntry]:
    """The entries as their organisation may see them: of a buyer under a pseudonym neither its id nor what would tell
    it, and none that only a filter by these would find."""
    shown = pseudonyms.shown_to(session, own, {row.account_id for row in rows if row.account_id not in (None, own)})
    seen = []
    for row in rows:
        buyer = None if row.account_id is None else shown.get(row.account_id)
        if buyer is not None and buyer.id != row.account_id:
            # a copy for the reader: the entry itself never changes
            session.expunge(row)
            row.account_id, row.key_id, row.user_id, row.address, row.request_id = buyer.id, None, None, None, None
            told = {"account_id": row.account_id, "user_id": None, "request_id": None}
            if any(criteria.get(name, value) != value for name, value in told.items()):
                continue
        seen.append(row)
    return seen
