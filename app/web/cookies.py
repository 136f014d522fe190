"""Signed cookie values for browsers that have logged in with a key, and names for those that have not logged in.

A value carries the time of its login and is signed with the deployment's signing secret, so nothing of it is stored. It
holds no API key and no password; a revoked key ends its sessions, because each request looks the key up again.
"""

import secrets
import uuid
from dataclasses import dataclass

from itsdangerous import BadData

from app.http import signatures

SECONDS = 12 * 3600
_PURPOSE = "web session"


@dataclass(frozen=True)
class Ticket:
    """Whose browser it is: an account, through one of its keys."""

    account_id: uuid.UUID
    key_id: uuid.UUID


def issue(secret: str, account_id: uuid.UUID, key_id: uuid.UUID) -> str:
    """The cookie of a login that happens now."""
    value = signatures.timed_serializer(secret, _PURPOSE).dumps([account_id.hex, key_id.hex])
    return value if isinstance(value, str) else value.decode()


def read(secret: str, value: str) -> Ticket | None:
    """What a cookie says; None where it was not issued here or its login is more than ``SECONDS`` old."""
    try:
        account, key = signatures.timed_serializer(secret, _PURPOSE).loads(value, max_age=SECONDS)
    except BadData:
        return None
    return Ticket(uuid.UUID(hex=account), uuid.UUID(hex=key))


def new_visit() -> str:
    """A random name for a browser that nobody has logged in with yet."""
    return secrets.token_urlsafe(18)
