"""A signed-in browser: the cookie that carries a user's session, and the token that shows that a change is meant.

The cookie is HttpOnly and SameSite=Strict. A change by cookie must also carry a token that belongs to the cookie and
that only our own answers contain (``X-CSRF-Token``, or a form's field): another site can make a browser send its
cookie, but cannot read that token. Nothing here looks a session up.
"""

from urllib.parse import urlsplit

from fastapi import Request, Response

from app.errors import Forbidden
from app.http import signatures
from app.settings import Settings

SESSION_COOKIE = "cherish_session"
# under https browsers take a cookie so named only from us, over https, for all paths and for no other host
_HOST = "__Host-"
# how the tokens of users' sessions begin; the pages' tickets of keys are Base64 of something signed
_USERS = "cherish_"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PURPOSE = "web form"


def cookie_name(settings: Settings, name: str) -> str:
    """The name under which a cookie is given and taken: another host of our domain cannot set one that we take."""
    return f"{_HOST}{name}" if _https(settings) else name


def cookie_of(request: Request, settings: Settings, name: str) -> str:
    """What the request carries of a cookie of ours; empty where it carries none."""
    return request.cookies.get(cookie_name(settings, name), "")


def session_token(request: Request, settings: Settings) -> str | None:
    """The token of the user's session whose cookie the request carries, if it carries one."""
    value = cookie_of(request, settings, SESSION_COOKIE)
    return value if value.startswith(_USERS) else None


def begin(response: Response, settings: Settings, token: str) -> None:
    """Give this browser the session that a user has begun."""
    set_cookie(response, settings, SESSION_COOKIE, token, int(settings.session_hours * 3600))


def end(response: Response, settings: Settings) -> None:
    """Take the session's cookie away, and have the browser forget what it keeps of pages (over https)."""
    drop_cookie(response, settings, SESSION_COOKIE)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def drop_cookie(response: Response, settings: Settings, name: str) -> None:
    response.delete_cookie(cookie_name(settings, name), path="/", secure=_https(settings))


def set_cookie(response: Response, settings: Settings, name: str, value: str, seconds: int) -> None:
    """A cookie that no script reads and no other site sends."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=_https(settings),
    )


def _https(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")


def csrf_token(secret: str, bound_to: str) -> str:
    """The token that changes carry: it belongs to one cookie, so another site cannot know it."""
    return signatures.signer(secret, _PURPOSE).get_signature(bound_to).decode()


def same_token(secret: str, bound_to: str, sent: str) -> bool:
    """Whether a change came from an answer that was sent to this browser; in constant time."""
    return signatures.signer(secret, _PURPOSE).verify_signature(bound_to, sent)


def token_header(request: Request) -> str:
    """The token as scripts send it; empty where there is none."""
    return request.headers.get("x-csrf-token", "")


def insist_on_token(request: Request, settings: Settings, cookie: str) -> None:
    """Raise Forbidden for a change that is asked for by cookie without its token."""
    sent = token_header(request)
    secret = settings.signing_secret.get_secret_value()
    if request.method not in _SAFE and not same_token(secret, cookie, sent):
        raise Forbidden(
            "a change that a browser's cookie asks for needs the session's csrf_token in X-CSRF-Token; "
            "GET /v1/sessions/current tells it"
        )


def insist_on_own_site(request: Request) -> None:
    """Raise Forbidden where a browser says that the request comes from another site."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site not in ("same-origin", "none") if site is not None else False
    if site is None and origin is not None:
        foreign = urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign:
        raise Forbidden("signing in is only possible from this site's own pages, or without a browser")
