"""Logging in and out of the pages: an API key is exchanged, once, for a signed session cookie."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from app.accounts import service as accounts
from app.accounts.roles import Role
from app.errors import Unauthorized
from app.http.deps import SessionDep, SettingsDep
from app.web import visitors
from app.web.forms import FormDep
from app.web.rendering import page, see_other
from app.web.visitors import CHECKED, Visitor, current

router = APIRouter(include_in_schema=False)

_HOMES = {Role.BUYER: "/jobs", Role.PROVIDER: "/datasets", Role.ADMIN: "/admin"}
Nobody = Annotated[Visitor | None, Depends(current)]


@router.get("/login")
def show_login(
    request: Request, visitor: Nobody, next_: Annotated[str, Query(alias="next", max_length=500)] = ""
) -> Response:
    if visitor is not None:
        return see_other(_home(visitor.role, next_))
    return page(request, "login.html", {"next": next_, "error": None}, visitor=None)


@router.post("/login", dependencies=[CHECKED])
def log_in(request: Request, session: SessionDep, settings: SettingsDep, form: FormDep) -> Response:
    try:
        caller = accounts.authenticate(session, settings, form.text("key"))
    except Unauthorized as error:
        shown = {"next": form.text("next"), "error": error.detail}
        return page(request, "login.html", shown, visitor=None, status=401)
    response = see_other(_home(caller.role, form.text("next")))
    visitors.log_in(response, settings, caller)
    return response


@router.post("/logout", dependencies=[CHECKED])
def log_out() -> Response:
    response = see_other("/")
    visitors.log_out(response)
    return response


def _home(role: Role, wanted: str) -> str:
    """Where to go after the login: only ever a path of this site."""
    safe = wanted.startswith("/") and not wanted.startswith(("//", "/\\", "/login")) and wanted.isprintable()
    return wanted if safe else _HOMES[role]
