"""Between a right password and a code: a signed text, good for minutes, that says whose password it was.

The page that asks for the code carries it, so that no page carries a password. It stands for no session, ends with the
password, and is worth nothing without a code of the user's.
"""

import hashlib
import uuid
from typing import NoReturn

from itsdangerous import BadData
from sqlalchemy.orm import Session

from app.accounts import approval, people
from app.accounts.tables import User
from app.errors import Unauthorized
from app.http import signatures
from app.settings import Settings

SECONDS = 300
_PURPOSE = "a code is asked for"


def issue(session: Session, settings: Settings, user_id: uuid.UUID) -> str:
    """The text for a user whose password was right just now."""
    user, _ = people.present_user(session, user_id) or _refuse()
    signed = signatures.timed_serializer(_secret(settings), _PURPOSE).dumps([user_id.hex, _password(user)])
    return signed if isinstance(signed, str) else signed.decode()


def user_of(session: Session, settings: Settings, text: str) -> User:
    """Whose text it is; raises Unauthorized where it is too old or not ours, Forbidden as signing in does."""
    try:
        user_id, password = signatures.timed_serializer(_secret(settings), _PURPOSE).loads(text, max_age=SECONDS)
    except BadData:
        _refuse()
    user, account = people.present_user(session, uuid.UUID(hex=user_id)) or _refuse()
    if _password(user) != password:
        _refuse()
    approval.insist(account)
    return user


def _refuse() -> NoReturn:
    raise Unauthorized("too much time has passed since the password; log in again")


def _password(user: User) -> str:
    """Names the password of the moment; its hash cannot be had back from it."""
    return hashlib.sha256((user.password_hash or "").encode()).hexdigest()[:32]


def _secret(settings: Settings) -> str:
    return settings.signing_secret.get_secret_value()
