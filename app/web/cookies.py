"""Signed cookie values for browsers that have logged in with a key, and names for those that have not logged in.

A value carries its own end and is signed with the deployment's signing secret, so nothing of it is stored. It holds no
API key and no password; a revoked key ends its sessions, because each request looks the key up again.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
import uuid
from dataclasses import dataclass

SECONDS = 12 * 3600
_BODY = struct.Struct(">16s16sQ")
_SIGNATURE_BYTES = 32


@dataclass(frozen=True)
class Ticket:
    """Whose browser it is: an account, through one of its keys, until ``expires`` (seconds since 1970)."""

    account_id: uuid.UUID
    key_id: uuid.UUID
    expires: int


def issue(secret: str, account_id: uuid.UUID, key_id: uuid.UUID) -> str:
    """The cookie of a login that happens now."""
    body = _BODY.pack(account_id.bytes, key_id.bytes, int(time.time()) + SECONDS)
    return base64.urlsafe_b64encode(_sign(secret, b"session", body) + body).decode()


def read(secret: str, value: str) -> Ticket | None:
    """What a cookie says; None where it was not issued here or has ended."""
    try:
        raw = base64.b64decode(value, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if len(body) != _BODY.size or not hmac.compare_digest(signature, _sign(secret, b"session", body)):
        return None
    account, key, expires = _BODY.unpack(body)
    return Ticket(uuid.UUID(bytes=account), uuid.UUID(bytes=key), expires) if expires > time.time() else None


def new_visit() -> str:
    """A random name for a browser that nobody has logged in with yet."""
    return secrets.token_urlsafe(18)


def _sign(secret: str, purpose: bytes, body: bytes) -> bytes:
    return hmac.new(secret.encode(), b"web\0" + purpose + b"\0" + body, hashlib.sha256).digest()
