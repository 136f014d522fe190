"""Secrets that must be read again, encrypted for the database (AES-256-GCM) under a key derived from the pepper.

Each purpose has a key of its own, and a text is bound to its owner: a dump has no secret, and a row that is moved to
another owner opens nothing.
"""

import base64
import hmac
import secrets
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.settings import Settings

_NONCE_BYTES = 12


def seal(settings: Settings, purpose: bytes, owner: uuid.UUID, secret: str) -> str:
    """The secret as it is stored: Base64, a third longer than the secret and 28 bytes."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + _cipher(settings, purpose).encrypt(nonce, secret.encode(), owner.bytes)).decode()


def opened(settings: Settings, purpose: bytes, owner: uuid.UUID, sealed: str) -> str:
    """The secret; raises InvalidTag where it was stored under another pepper, purpose or owner."""
    raw = base64.b64decode(sealed)
    return _cipher(settings, purpose).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.bytes).decode()


def _cipher(settings: Settings, purpose: bytes) -> AESGCM:
    return AESGCM(hmac.digest(settings.key_pepper.get_secret_value().encode(), purpose, "sha256"))
