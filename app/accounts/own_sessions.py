"""A user's own sessions, seen and ended, and those of the people of one's organisation, ended. Never commits."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.accounts import people
from app.accounts.sessions import unused_since
from app.accounts.tables import UserSession
from app.errors import Forbidden, NotFound
from app.identity import Caller
from app.settings import Settings


def listed(session: Session, settings: Settings, caller: Caller) -> Sequence[UserSession]:
    """The sessions in which the signed-in user can act now, the one that was begun last first; raises Forbidden for a
    key."""
    now = datetime.now(UTC)
    return people.open_sessions(session, _user(caller), now, unused_since(settings, now))


def end(session: Session, caller: Caller, session_id: uuid.UUID) -> None:
    """End one session of the signed-in user at once, the one at hand included; twice is once. Raises Forbidden for a
    key, NotFound for anybody else's."""
    if not people.end_session(session, _user(caller), session_id, datetime.now(UTC)):
        raise NotFound(f"no session ses_{session_id.hex} of yours; list them with GET /v1/me/sessions")


def end_others(session: Session, caller: Caller) -> None:
    """End all sessions of the signed-in user but the one at hand; raises Forbidden for a key."""
    people.end_sessions(session, _user(caller), datetime.now(UTC), but=caller.session_id)


def end_of_user(session: Session, caller: Caller, user_id: uuid.UUID) -> None:
    """End all sessions of somebody of the caller's organisation, who can sign in again; raises NotFound for anybody
    else's."""
    user = people.own_user(session, caller.account_id, user_id)
    if user is None or user.removed_at is not None:
        raise NotFound(f"no user usr_{user_id.hex} of your organisation; list them with GET /v1/users")
    people.end_sessions(session, user.id, datetime.now(UTC))


def _user(caller: Caller) -> uuid.UUID:
    if caller.user_id is None:
        raise Forbidden("a key has no sessions; sign in as a user to see that user's")
    return caller.user_id
