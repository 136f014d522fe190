"""Signing in with email and password: an opaque session token for a browser's cookie, its caller, and its end.

The token leaves this module once, as the return value of ``login``; only its HMAC is stored. Unknown address, wrong
password and invitation not yet accepted take the same time and get the same answer. It never commits.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.accounts import approval, passwords, people, tokens
from app.accounts.tables import User, UserSession
from app.errors import Unauthorized
from app.identity import SCOPES, Caller
from app.settings import Settings

_NOTED_EVERY = timedelta(minutes=1)
_BROWSER_CHARACTERS = 200
_REFUSED = "this address and password do not belong together; check both, or ask your organisation to invite you"


@dataclass(frozen=True)
class SignedIn:
    """Who a session stands for, as a page shows it."""

    caller: Caller
    user_id: uuid.UUID
    email: str
    name: str
    account_name: str
    expires_at: datetime


def user_of_pair(session: Session, email: str, password: str) -> User:
    """Whose address and password these are; raises Unauthorized for a wrong pair and Forbidden where the organisation
    may not act."""
    row = people.user_by_email(session, normal_email(email))
    matches, renewed = passwords.verify(password, row[0].password_hash if row else None)
    if row is None or not matches:
        raise Unauthorized(_REFUSED)
    user, account = row
    approval.insist(account)
    if renewed is not None:
        user.password_hash = renewed
    return user


def login(
    session: Session,
    settings: Settings,
    user: User,
    *,
    second_factor: bool = False,
    provider_session: str | None = None,
    browser: str = "",
) -> str:
    """A new session's token for a user who has shown who it is; ``second_factor`` says whether by more than a
    password, ``provider_session`` what the organisation's provider calls it, where that has let the user in ("" for
    one without a name), ``browser`` what the browser calls itself."""
    now = datetime.now(UTC)
    user.last_login_at = now
    people.purge_sessions(session, now - timedelta(days=30))
    token = tokens.new_token()
    people.add(
        session,
        UserSession(
            user_id=user.id,
            fingerprint=_fingerprint(settings, token),
            expires_at=now + timedelta(hours=settings.session_hours),
            second_factor=second_factor,
            provider_session=provider_session,
            browser=browser[:_BROWSER_CHARACTERS],
        ),
    )
    people.end_oldest_sessions(session, user.id, settings.max_sessions, now)
    return token


def signed_in(session: Session, settings: Settings, token: str, *, reading: bool = False) -> SignedIn:
    """Who a session token stands for; raises Unauthorized once it has ended, Forbidden for a suspended organisation.

    ``reading`` says that a page or an answer is read with it, in no transaction: that it was used is noted, once a
    minute. What changes something notes nothing: it would lock the session for as long as it takes.
    """
    joined = people.signed_in(session, _fingerprint(settings, token)) if tokens.prefix_of(token) else None
    if joined is None:
        raise Unauthorized("no such session; sign in again")
    row, user, account = joined
    now = datetime.now(UTC)
    if row.ended_at is not None or user.removed_at is not None or row.expires_at <= now:
        raise Unauthorized("this session has ended; sign in again")
    used = row.last_used_at or row.created_at
    if used <= unused_since(settings, now):
        raise Unauthorized(
            f"this session was not used for {settings.session_idle_minutes:g} minutes and has ended; sign in again"
        )
    if reading and used <= now - _NOTED_EVERY:
        people.note_use(session, row.id, now)
    approval.insist(account)
    if account.provider_required and row.provider_session is None:
        raise Unauthorized(
            f"people of {account.name} sign in through its own provider alone; choose to log in through your "
            "organisation"
        )
    caller = Caller(
        account.id,
        account.role,
        SCOPES[account.role],
        key_id=None,
        user_id=user.id,
        expires_at=row.expires_at,
        session_id=row.id,
        enrolling=account.second_factor_required and not row.second_factor,
        reads_per_minute=account.reads_per_minute,
        writes_per_minute=account.writes_per_minute,
    )
    return SignedIn(caller, user.id, user.email, user.name, account.name, row.expires_at)


def caller_of_session(session: Session, settings: Settings, token: str, *, reading: bool = False) -> Caller:
    """The caller that a session token stands for; raises, and notes its use, as ``signed_in`` does."""
    return signed_in(session, settings, token, reading=reading).caller


def unused_since(settings: Settings, now: datetime) -> datetime:
    """Sessions that were last used before this moment have ended."""
    return now - timedelta(minutes=settings.session_idle_minutes)


def logout(session: Session, settings: Settings, token: str) -> None:
    """End a session at once; a token of no session is no error."""
    joined = people.signed_in(session, _fingerprint(settings, token))
    if joined is not None and joined[0].ended_at is None:
        joined[0].ended_at = datetime.now(UTC)
        session.flush()


def end_visit(session: Session, settings: Settings, cookie: str, seconds: int) -> None:
    """End a visit that a key began, whose cookie would be good for ``seconds`` at most."""
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    people.end_visit(session, _visit(settings, cookie), ends)


def visit_ended(session: Session, settings: Settings, cookie: str) -> bool:
    """Whether the visit of this cookie was ended by logging out."""
    return people.visit_ended(session, _visit(settings, cookie))


def _visit(settings: Settings, cookie: str) -> str:
    return tokens.fingerprint(f"visit\0{cookie}", settings.key_pepper.get_secret_value())


def normal_email(email: str) -> str:
    """The form in which an address is stored and compared."""
    return email.strip().lower()


def _fingerprint(settings: Settings, token: str) -> str:
    # another purpose than a key's, so that neither can ever stand for the other
    return tokens.fingerprint(f"session\0{token}", settings.key_pepper.get_secret_value())
