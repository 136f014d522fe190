"""Passwords: argon2id hashes with pwdlib's recommended cost. Pure computing, slow on purpose; stores and logs nothing.

Verifying against no hash at all takes as long as against a real one, so that time does not tell which users exist.
"""

from functools import lru_cache

from pwdlib import PasswordHash

from app.errors import FieldError, InvalidInput

MIN_LENGTH, MAX_LENGTH = 12, 200
_hasher = PasswordHash.recommended()


def hash_password(password: str, *, also_not: str = "") -> str:
    """The hash to store; raises InvalidInput for a password that is too short, too long, or is ``also_not``."""
    detail = None
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        detail = f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters, this one has {len(password)}; choose another"
    elif len(set(password)) < 5 or password.lower() == also_not.lower():
        detail = "this password can be guessed (few different characters, or the email address); choose another"
    if detail is not None:
        raise InvalidInput(detail, errors=[FieldError("/password", detail)])
    return _hasher.hash(password)


def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether the password is right, and a new hash to store where the cost has risen since; None is never right."""
    matches, renewed = _hasher.verify_and_update(password[:MAX_LENGTH], stored or _nobodys())
    return (matches and stored is not None), (renewed if stored is not None else None)


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return _hasher.hash("the password of a user who does not exist")
