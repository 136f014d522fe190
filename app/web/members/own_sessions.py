"""The page of the browsers in which one is logged in, where each can be logged out."""

from typing import Annotated

from fastapi import Request, Response

from app.accounts import own_sessions
from app.errors import Forbidden
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import SessionId
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/sessions")
Reader = Annotated[Visitor, visiting("keys:read")]
Writer = Annotated[Visitor, visiting("keys:write")]

# what a browser calls itself names many others; the first that is there is what it is
_BROWSERS = {
    "Edg/": "Edge", "OPR/": "Opera", "SamsungBrowser/": "Samsung Internet", "Firefox/": "Firefox", "FxiOS/": "Firefox",
    "CriOS/": "Chrome", "Chrome/": "Chrome", "Safari/": "Safari",
}  # fmt: skip
_SYSTEMS = {
    "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS",
    "CrOS": "ChromeOS", "Linux": "Linux",
}  # fmt: skip
_SHOWN_CHARACTERS = 60


@router.get("")
def show_sessions(request: Request, visitor: Reader, session: SessionDep, settings: SettingsDep) -> Response:
    if visitor.caller.user_id is None:
        raise Forbidden("a key has no sessions; log in as a user to see that user's")
    listed = own_sessions.listed(session, settings, visitor.caller)
    shown = {
        "sessions": [(each, called(each.browser)) for each in listed],
        "current": visitor.caller.session_id,
        "idle_minutes": settings.session_idle_minutes,
    }
    return page(request, "sessions.html", shown, visitor=visitor)


@router.post("/end-others")
def end_other_sessions(visitor: Writer, session: SessionDep) -> Response:
    own_sessions.end_others(session, visitor.caller)
    return see_other("/sessions")


@router.post("/{session_id}/end")
def end_session(visitor: Writer, session: SessionDep, session_id: SessionId) -> Response:
    own_sessions.end(session, visitor.caller, session_id)
    return see_other("/sessions")


def called(user_agent: str) -> tuple[str, str]:
    """Browser and system of a ``User-Agent``, each empty where it is not told; of a program the text itself, cut."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), "")
    if not browser:
        return user_agent[:_SHOWN_CHARACTERS], ""
    return browser, next((name for mark, name in _SYSTEMS.items() if mark in user_agent), "")
