"""The audit log as a backup saw it: a digest of all entries in their order, which the next backup computes anew.

Triggers and rights keep everybody but the database's owner from changing an entry. A digest that is kept elsewhere
shows what the owner, or whoever has the owner's password, has changed. Nothing here writes.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.audit import repository
from app.audit.repository import WrittenEntry
from app.backup.documents import AuditTrail

# an entry has the time at which its transaction began, and appears when it ends: none lasts as long as this
_SETTLED = timedelta(minutes=15)


def trail(session: Session, before: datetime) -> AuditTrail:
    """All entries of up to a quarter of an hour before ``before``."""
    return _digest(repository.written(session, before=before - _SETTLED))


def is_unchanged(session: Session, earlier: AuditTrail) -> bool:
    """Whether the entries that ``earlier`` is of are what they were: none changed, taken out or put in among them."""
    if earlier.last is None or earlier.until is None:
        return True
    return _digest(repository.written(session, up_to=(earlier.until, earlier.last))) == earlier


def _digest(entries: Iterable[WrittenEntry]) -> AuditTrail:
    digest, count, until, last = hashlib.sha256(), 0, None, None
    for entry in entries:
        content = entry.content.encode()
        digest.update(len(content).to_bytes(8, "big") + content)
        count, until, last = count + 1, entry.created_at, entry.id
    return AuditTrail(entries=count, until=until, last=last, digest=digest.hexdigest())
