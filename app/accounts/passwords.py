"""Passwords: argon2id hashes with pwdlib's recommended cost. Pure computing, slow on purpose; stores and logs nothing.

A password that is common, was in published breaches, or is little more than such a one, is refused: zxcvbn (Wheeler
2016) guesses it from lists of its own, offline, and from the user's address.

Verifying against no hash at all takes as long as against a real one, so that time does not tell which users exist.
"""

import re
from functools import lru_cache

from pwdlib import PasswordHash
from zxcvbn import zxcvbn

from app.errors import FieldError, InvalidInput

MIN_LENGTH, MAX_LENGTH = 12, 200
# the limits of signing in allow some 16 million guesses a year; zxcvbn calls what takes fewer than this guessable
_FEWEST_GUESSES = 1e8
# the time of the estimate grows with the square of the length
_LOOKED_AT = 72
_hasher = PasswordHash.recommended()


def hash_password(password: str, *, also_not: str = "") -> str:
    """The hash to store; raises InvalidInput for a password that is too short, too long, or is ``also_not``."""
    detail = None
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        detail = f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters, this one has {len(password)}; choose another"
    elif len(set(password)) < 5 or password.lower() == also_not.lower():
        detail = "this password can be guessed (few different characters, or the email address); choose another"
    elif _guesses(password, also_not) < _FEWEST_GUESSES:
        detail = "this password is among the common ones, or little more than one of those; choose another"
    if detail is not None:
        raise InvalidInput(detail, errors=[FieldError("/password", detail)])
    return _hasher.hash(password)


def _guesses(password: str, also_not: str) -> float:
    """About how many guesses somebody needs who has lists of common passwords, names and words, and the address."""
    address = also_not.lower()
    known = [part for part in re.split(r"[^a-z0-9]+", address) if len(part) > 2]
    known.append("".join(re.findall(r"[a-z0-9]", address.partition("@")[0])))
    estimate = zxcvbn(password[:_LOOKED_AT], user_inputs=known, max_length=_LOOKED_AT)  # type: ignore[no-untyped-call]
    return float(estimate["guesses"])


def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether the password is right, and a new hash to store where the cost has risen since; None is never right."""
    matches, renewed = _hasher.verify_and_update(password[:MAX_LENGTH], stored or _nobodys())
    return (matches and stored is not None), (renewed if stored is not None else None)


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return _hasher.hash("the password of a user who does not exist")
