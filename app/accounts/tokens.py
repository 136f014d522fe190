"""API tokens as text: making, parsing and fingerprinting them. Pure; never stores or logs a token.

``cherish_<prefix>_<secret>_<checksum>``: 8 + 32 random base-62 characters (190 bits in the secret) and the CRC-32 of
what stands before, so that a typing error is told apart from a wrong key without a query, and so that scanners for
leaked secrets know ours. Only HMAC-SHA256(pepper, token) is kept: the secret has full entropy, so a slow hash adds
nothing.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 8, 32, 6
_TOKEN = re.compile(rf"cherish_([0-9A-Za-z]{{{_PREFIX_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH}}}_[0-9A-Za-z]{{6}}")


def new_token() -> str:
    """A fresh random token."""
    body = f"cherish_{_random(_PREFIX_LENGTH)}_{_random(_SECRET_LENGTH)}"
    return f"{body}_{_checksum(body)}"


def prefix_of(token: str) -> str | None:
    """The public part of a well-formed token, by which its row is found; None for anything else."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    body, _, checksum = token.rpartition("_")
    return match.group(1) if _checksum(body) == checksum else None


def fingerprint(token: str, pepper: str) -> str:
    """Hex HMAC-SHA256 of a token: what is stored of it."""
    return hmac.new(pepper.encode(), token.encode(), hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """Whether two fingerprints are equal, in constant time."""
    return hmac.compare_digest(left, right)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
