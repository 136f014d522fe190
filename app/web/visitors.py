"""Who looks at a page: the session cookie, the form token, and the types that page endpoints name in signatures.

A visitor is a ``Caller`` like any other, with the scopes of the key that logged in. Nothing here asks for a key in a
header: pages are for browsers, the API is for programs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response, params
from sqlalchemy.orm import Session

from app.accounts import people, policy, sessions
from app.accounts import service as accounts
from app.errors import Forbidden, Unauthorized
from app.http import browsers
from app.http.browsers import SESSION_COOKIE
from app.http.deps import SessionDep, SettingsDep, reads
from app.http.headers import media_type
from app.identity import Caller, Role
from app.settings import Settings
from app.web import cookies
from app.web.forms import MEDIA_TYPE, MOST_FIELDS

VISIT_COOKIE = "cherish_visit"
# how the tokens of users' sessions begin; the tickets of keys are Base64 of something signed
_USERS = "cherish_"


@dataclass(frozen=True)
class Visitor:
    """Somebody who has logged in, the name of their organisation, and their own where it is a user."""

    caller: Caller
    name: str
    person: str | None = None

    @property
    def role(self) -> Role:
        return self.caller.role

    def may(self, scope: str) -> bool:
        return scope in self.caller.scopes


def secret_of(settings: Settings) -> str:
    return settings.signing_secret.get_secret_value()


def identify(session: Session, settings: Settings, cookie: str, *, reading: bool = False) -> Caller | None:
    """Whoever a session cookie stands for, a user's or a key's; None for nobody, and once it has ended. ``reading``:
    that it was used is noted."""
    if cookie.startswith(_USERS):
        try:
            return sessions.caller_of_session(session, settings, cookie, reading=reading)
        except (Unauthorized, Forbidden):
            return None
    ticket = cookies.read(secret_of(settings), cookie)
    if ticket is None or sessions.visit_ended(session, settings, cookie):
        return None
    try:
        return accounts.resume(session, ticket.account_id, ticket.key_id)
    except (Unauthorized, Forbidden):
        return None


def current(request: Request, session: SessionDep, settings: SettingsDep) -> Visitor | None:
    """Whoever this browser is logged in as, if anybody."""
    caller = identify(session, settings, browsers.cookie_of(request, settings, SESSION_COOKIE), reading=reads(request))
    if caller is None:
        return None
    policy.insist(caller, request.url.path)
    structlog.contextvars.bind_contextvars(account=f"acc_{caller.account_id.hex}")
    user = people.own_user(session, caller.account_id, caller.user_id) if caller.user_id else None
    organisation = accounts.get_account(session, caller.account_id).name
    visitor = Visitor(caller, organisation, None if user is None else user.name)
    # so that an error page keeps the navigation
    request.state.visitor = visitor
    return visitor


async def sent_token(request: Request) -> str:
    """The form token that a request carries, in its form or in a header; the body of an upload is not touched."""
    field: object = None
    if request.method == "POST" and media_type(request) == MEDIA_TYPE:
        form = await request.form(max_fields=MOST_FIELDS)
        field = form.get("csrf")
    return field if isinstance(field, str) and field else browsers.token_header(request)


SentToken = Annotated[str, Depends(sent_token)]


def checked_form(request: Request, settings: SettingsDep, token: SentToken) -> None:
    """Refuse a change that does not come from a page of ours: its token must belong to this browser's cookie."""
    if reads(request):
        return
    bound = _bound(request, settings)
    if not bound or not browsers.same_token(secret_of(settings), bound, token):
        raise Forbidden("this form is too old or came from another site; reload the page and send it again")


CHECKED = Depends(checked_form)


def visiting(scope: str, *roles: Role) -> Any:
    """A dependency: the visitor, logged in, of one of ``roles`` (none given: any), with ``scope``, form checked."""

    def check(request: Request, session: SessionDep, settings: SettingsDep, token: SentToken) -> Visitor:
        visitor = current(request, session, settings)
        if visitor is None:
            raise Unauthorized("log in to see this page")
        checked_form(request, settings, token)
        if roles and visitor.role not in roles:
            expected = " or ".join(f"{role.value}s" for role in roles)
            raise Forbidden(f"this page is for {expected}, and you are logged in as a {visitor.role.value}")
        if not visitor.may(scope):
            raise Forbidden(f"this page needs the scope {scope}, which the key you logged in with does not carry")
        return visitor

    return params.Depends(check)


def log_in_user(response: Response, settings: Settings, token: str) -> None:
    """Give this browser the session that a user has begun with a password."""
    browsers.begin(response, settings, token)
    browsers.drop_cookie(response, settings, VISIT_COOKIE)


def log_in_key(response: Response, settings: Settings, caller: Caller) -> None:
    """Give this browser a session that lives as long as the key, and no longer than a working day."""
    if caller.key_id is None:
        raise Unauthorized("a session is begun with a key")
    value = cookies.issue(secret_of(settings), caller.account_id, caller.key_id)
    browsers.set_cookie(response, settings, SESSION_COOKIE, value, cookies.SECONDS)
    browsers.drop_cookie(response, settings, VISIT_COOKIE)


def log_out(request: Request, response: Response, session: Session, settings: Settings) -> None:
    """End a session here and on the server, whether a user began it or a key."""
    cookie = browsers.cookie_of(request, settings, SESSION_COOKIE)
    if cookie.startswith(_USERS):
        sessions.logout(session, settings, cookie)
    elif cookies.read(secret_of(settings), cookie) is not None:
        sessions.end_visit(session, settings, cookie, cookies.SECONDS)
    browsers.end(response, settings)


def form_token(request: Request, response: Response, settings: Settings) -> str:
    """The token for forms on a page; a browser without a cookie gets one to tie it to."""
    bound = _bound(request, settings)
    if not bound:
        bound = cookies.new_visit()
        browsers.set_cookie(response, settings, VISIT_COOKIE, bound, cookies.SECONDS)
    return browsers.csrf_token(secret_of(settings), bound)


def _bound(request: Request, settings: Settings) -> str:
    """What a form token belongs to: the session's cookie, else that of a browser that nobody has logged in with."""
    names = (SESSION_COOKIE, VISIT_COOKIE)
    return next((value for name in names if (value := browsers.cookie_of(request, settings, name))), "")
