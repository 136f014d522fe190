"""Texts that go out and come back signed: session cookies, form tokens, page cursors. It stores nothing.

Each purpose has a key of its own, derived from the deployment's signing secret (HMAC-SHA256), so that a text signed
for one purpose never stands for another. What is signed can be read by whoever holds it.
"""

import hashlib
from typing import Any

from itsdangerous import Signer, URLSafeSerializer, URLSafeTimedSerializer

_HMAC_SHA256: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


def signer(secret: str, purpose: str) -> Signer:
    """Signs texts that the other side holds already, such as the cookie to which a form token belongs."""
    return Signer(secret, salt=purpose, **_HMAC_SHA256)


def serializer(secret: bytes, purpose: str) -> URLSafeSerializer:
    """Signs JSON values as texts for an address; ``loads`` raises itsdangerous.BadData for any other text."""
    return URLSafeSerializer(secret, salt=purpose, signer_kwargs=_HMAC_SHA256)


def timed_serializer(secret: str, purpose: str) -> URLSafeTimedSerializer:
    """The same with the time of signing, for ``loads(text, max_age=seconds)``."""
    return URLSafeTimedSerializer(secret, salt=purpose, signer_kwargs=_HMAC_SHA256)
