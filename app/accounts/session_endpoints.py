"""A user's sessions over HTTP: listed and ended, and those of an organisation's people ended. Thin."""

from fastapi import status

from app.accounts import own_sessions, session_schemas
from app.accounts.callers import AnyCaller
from app.errors import Forbidden, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import SessionId, UserId
from app.http.problems import responses
from app.http.routes import api_router

router = api_router("/v1", "accounts")


@router.get("/me/sessions", responses=responses(Forbidden))
def list_own_sessions(caller: AnyCaller, session: SessionDep, settings: SettingsDep) -> session_schemas.OwnSessions:
    """The browsers in which the signed-in user is signed in, the latest sign-in first. A key has none: 403."""
    rows = own_sessions.listed(session, settings, caller)
    return session_schemas.OwnSessions(
        items=[
            session_schemas.OwnSession(
                id=row.id,
                browser=row.browser,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                expires_at=row.expires_at,
                second_factor=row.second_factor,
                current=row.id == caller.session_id,
            )
            for row in rows
        ]
    )


@router.delete("/me/sessions", status_code=status.HTTP_204_NO_CONTENT, responses=responses(Forbidden))
def end_other_sessions(caller: AnyCaller, session: SessionDep) -> None:
    """Sign the signed-in user out everywhere else, at once."""
    own_sessions.end_others(session, caller)


@router.delete(
    "/me/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(Forbidden, NotFound)
)
def end_own_session(session_id: SessionId, caller: AnyCaller, session: SessionDep) -> None:
    """Sign one browser of the signed-in user out, at once; twice is once."""
    own_sessions.end(session, caller, session_id)


@router.delete(
    "/users/{user_id}/sessions", status_code=status.HTTP_204_NO_CONTENT, responses=responses(Forbidden, NotFound)
)
def end_user_sessions(user_id: UserId, caller: AnyCaller, session: SessionDep) -> None:
    """Sign somebody of one's own organisation out of every browser, at once; they can sign in again."""
    own_sessions.end_of_user(session, caller, user_id)
