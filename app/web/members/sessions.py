"""Logging in and out of the pages: with an address and a password, or by exchanging a key for a signed cookie."""

from typing import Annotated

from fastapi import Depends, Form, Query, Request, Response

from app.accounts import service as accounts
from app.accounts.callers import sign_in, sign_in_with_code
from app.accounts.factors import SecondFactorNeeded
from app.errors import Forbidden, Unauthorized
from app.http.deps import SessionDep, SettingsDep
from app.http.limits import SIGN_IN
from app.identity import Role
from app.web import visitors
from app.web.forms import PageForm
from app.web.members import half_way
from app.web.rendering import own_path, page, see_other
from app.web.routes import page_router
from app.web.visitors import CHECKED, Visitor, current

router = page_router()

HOMES = {Role.BUYER: "/jobs", Role.PROVIDER: "/datasets", Role.ADMIN: "/admin"}
Anybody = Annotated[Visitor | None, Depends(current)]


class LoginForm(PageForm):
    """A key, or an address with its password; and where to go afterwards. A code comes with ``half``, which says whose
    password was right a moment ago."""

    key: str = ""
    email: str = ""
    password: str = ""
    half: str = ""
    code: str = ""
    next: str = ""


@router.get("/login")
def show_login(
    request: Request, visitor: Anybody, next_: Annotated[str, Query(alias="next", max_length=500)] = ""
) -> Response:
    if visitor is not None:
        return see_other(home_of(visitor.role, next_))
    return page(request, "login.html", {"next": next_, "error": None, "email": ""}, visitor=None)


@router.post("/login", dependencies=[SIGN_IN, CHECKED])
def log_in(
    request: Request, session: SessionDep, settings: SettingsDep, form: Annotated[LoginForm, Form()]
) -> Response:
    """With an address and its password, then a code where the user has a second factor; or with a key."""
    token = None
    try:
        if form.key:
            caller = accounts.authenticate(session, settings, form.key)
        elif form.half:
            user = half_way.user_of(session, settings, form.half)
            token, signed = sign_in_with_code(request, session, settings, user, form.code)
            caller = signed.caller
        else:
            token, signed = sign_in(request, session, settings, form.email, form.password)
            caller = signed.caller
    except SecondFactorNeeded as needed:
        shown = {"next": form.next, "half": half_way.issue(session, settings, needed.user_id), "error": None}
        return page(request, "code.html", shown, visitor=None)
    except (Unauthorized, Forbidden) as error:
        if form.half and any(fault.pointer == "/code" for fault in error.errors):
            shown = {"next": form.next, "half": form.half, "error": error.detail}
            return page(request, "code.html", shown, visitor=None, status=error.status)
        shown = {"next": form.next, "error": error.detail, "email": form.email}
        return page(request, "login.html", shown, visitor=None, status=error.status)
    request.state.visitor = Visitor(caller, accounts.get_account(session, caller.account_id).name)
    response = see_other(home_of(caller.role, form.next))
    if token is not None:
        visitors.log_in_user(response, settings, token)
    else:
        visitors.log_in_key(response, settings, caller)
    return response


@router.post("/logout", dependencies=[CHECKED])
def log_out(request: Request, session: SessionDep, settings: SettingsDep, _visitor: Anybody) -> Response:
    response = see_other("/")
    visitors.log_out(request, response, session, settings)
    return response


def home_of(role: Role, path: str) -> str:
    """Where to go after the login: only ever a path of this site."""
    safe = own_path(path)
    return safe if safe and not safe.startswith("/login") else HOMES[role]
