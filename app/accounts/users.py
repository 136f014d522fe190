"""The people of an organisation: created, invited, removed, and their passwords changed. Never commits.

Nothing here sends mail: an invitation is a token that sets a password, once; ``letters`` writes to people.
"""

import re
import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.accounts import passwords, people, repository, tokens
from app.accounts.sessions import normal_email
from app.accounts.tables import Account, User
from app.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound, Unauthorized
from app.http.pages import PageRequest
from app.identity import SCOPES, Caller
from app.settings import Settings

MAX_USERS = 100
# only a mail server can say whether an address exists
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+")


def create_user(session: Session, account: Account, email: str, name: str, password: str) -> User:
    """A user who can sign in at once; raises InvalidInput for the address or password, Conflict where it is taken."""
    address = _free_address(session, account.id, email)
    user = User(
        account_id=account.id,
        email=address,
        name=name,
        password_hash=passwords.hash_password(password, also_not=address),
    )
    people.add(session, user)
    return user


def invite(session: Session, settings: Settings, caller: Caller, email: str, name: str) -> tuple[User, str]:
    """A user of the caller's organisation who has no password yet, and the token that sets it; raises as above.

    Raises Forbidden for a key with less than all scopes of its role: a user has them all, and a key cannot grow.
    """
    if missing := sorted(SCOPES[caller.role] - caller.scopes):
        raise Forbidden(f"users can do all that a {caller.role.value} can, and this key lacks {', '.join(missing)}")
    address = _free_address(session, caller.account_id, email)
    return _invited(session, settings, caller.account_id, address, name)


def invite_first(session: Session, settings: Settings, account: Account, email: str, name: str) -> tuple[User, str]:
    """The first user of an organisation, whom an administrator invites, and the token that sets the password; raises
    Conflict where the organisation has people, who invite each other."""
    address = _free_address(session, account.id, email)
    if people.count_users(session, account.id):
        raise Conflict(f"acc_{account.id.hex} has people of its own; they invite others themselves")
    return _invited(session, settings, account.id, address, name)


def admit(session: Session, account_id: uuid.UUID, email: str, name: str) -> User:
    """A user without a password, whom the organisation's own provider signs in; raises InvalidInput and Conflict."""
    user = User(account_id=account_id, email=_free_address(session, account_id, email), name=name)
    people.add(session, user)
    return user


def _invited(session: Session, settings: Settings, account_id: uuid.UUID, address: str, name: str) -> tuple[User, str]:
    """A user without a password at a free address, and the token that sets one."""
    token = tokens.new_token()
    user = User(
        account_id=account_id,
        email=address,
        name=name,
        invitation=_fingerprint(settings, token),
        invited_until=datetime.now(UTC) + timedelta(hours=settings.invitation_hours),
    )
    people.add(session, user)
    return user, token


def accept(session: Session, settings: Settings, token: str, password: str) -> User:
    """Set the password of a user who was invited or has forgotten it; every session of the user ends.

    Raises NotFound for a token that is used up, too old or unknown.
    """
    user = people.user_by_invitation(session, _fingerprint(settings, token))
    if user is None or user.invited_until is None or user.invited_until <= datetime.now(UTC):
        raise NotFound("no such invitation: it was used, has ended or never was; ask for a new one")
    user.password_hash = passwords.hash_password(password, also_not=user.email)
    user.invitation = user.invited_until = None
    people.end_sessions(session, user.id, datetime.now(UTC))
    session.flush()
    return user


def forgotten(session: Session, settings: Settings, user: User, ends: datetime) -> str:
    """The token with which a user sets another password until ``ends``; it replaces an earlier one, and the present
    password goes on until then."""
    token = tokens.new_token()
    user.invitation, user.invited_until = _fingerprint(settings, token), ends
    session.flush()
    return token


def change_password(session: Session, caller: Caller, present: str, password: str) -> None:
    """A user's own new password; every session of the user ends. Raises Unauthorized where ``present`` is wrong."""
    user = people.own_user(session, caller.account_id, caller.user_id) if caller.user_id else None
    if user is None:
        raise NotFound("a key has no password; sign in as a user to change that user's")
    matches, _ = passwords.verify(present, user.password_hash)
    if not matches:
        raise Unauthorized("the present password is wrong; nothing was changed")
    user.password_hash = passwords.hash_password(password, also_not=user.email)
    people.end_sessions(session, user.id, datetime.now(UTC))
    session.flush()


def list_users(session: Session, caller: Caller, page: PageRequest) -> tuple[list[User], str | None]:
    """The present users of the caller's organisation, newest first."""
    return people.own_users(session, caller.account_id, page)


def remove(session: Session, caller: Caller, user_id: uuid.UUID) -> None:
    """End a user of the caller's organisation, all of the user's sessions, and the keys that the user made with all
    that was made with those; twice is once. The last one stays."""
    people.lock_account(session, caller.account_id)
    user = people.own_user(session, caller.account_id, user_id)
    if user is None:
        raise NotFound(f"no user usr_{user_id.hex} of your organisation; list them with GET /v1/users")
    if user.removed_at is not None:
        return
    if caller.user_id is not None and people.count_users(session, caller.account_id) == 1:
        raise Conflict("the last user of an organisation cannot remove itself; invite another first")
    now = datetime.now(UTC)
    user.removed_at, user.invitation, user.password_hash = now, None, None
    people.end_sessions(session, user.id, now)
    people.drop_passkeys(session, user.id)
    repository.lock_keys(session, caller.account_id)
    repository.revoke_family(session, now, user_id=user.id)
    session.flush()


def _free_address(session: Session, account_id: uuid.UUID, email: str) -> str:
    address = normal_email(email)
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        detail = f"{email!r} is not an email address; give one like ada@harbour.example"
        raise InvalidInput(detail, errors=[FieldError("/email", detail)])
    people.lock_account(session, account_id)
    if people.user_by_email(session, address) is not None:
        raise Conflict(f"{address} belongs to a user already; use another address, or remove that user first")
    if people.count_users(session, account_id) >= MAX_USERS:
        raise Conflict(f"your organisation has {MAX_USERS} users, which is the limit; remove one first")
    return address


def _fingerprint(settings: Settings, token: str) -> str:
    return tokens.fingerprint(f"invitation\0{token}", settings.key_pepper.get_secret_value())
