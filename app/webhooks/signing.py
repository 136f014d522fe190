"""Standard Webhooks signatures: secrets, and the headers of one delivery. Pure; stores nothing and logs nothing.

An endpoint's secret is HMAC-SHA256 of its random salt under the deployment's pepper, so that the database alone (a
backup, a leaked dump) cannot sign. While a rotation's overlap lasts, a message carries a signature of each secret.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks.webhooks import Webhook

_SALT_BYTES = 24


def new_salt() -> bytes:
    """A fresh salt: 24 random bytes."""
    return secrets.token_bytes(_SALT_BYTES)


def secret_of(pepper: str, salt: bytes) -> str:
    """The secret that a salt stands for, as receivers know it: ``whsec_`` and the base64 of 32 bytes."""
    digest = hmac.new(pepper.encode(), b"webhook\0" + salt, hashlib.sha256).digest()
    return "whsec_" + base64.b64encode(digest).decode()


def signed_headers(message_id: str, body: bytes, whsecs: Sequence[str], now: datetime) -> dict[str, str]:
    """The three headers of the specification; ``now`` is the attempt's time (aware), which receivers check."""
    text = body.decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(whsec).sign(message_id, now, text) for whsec in whsecs),
    }
