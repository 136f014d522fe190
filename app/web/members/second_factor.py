"""The page of one's second factor: set it up with an authenticator, renew its recovery codes, turn it off."""

from typing import Annotated, Any

import segno
from fastapi import Form, Request, Response
from markupsafe import Markup

from app.accounts import factors
from app.accounts.callers import spend_code
from app.accounts.factors import Enrolment
from app.errors import CherishError, Forbidden
from app.http.deps import SessionDep, SettingsDep
from app.http.limits import SIGN_IN
from app.settings import Settings
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/second-factor")
User = Annotated[Visitor, visiting("keys:read")]
UserWriting = Annotated[Visitor, visiting("keys:write")]


class FactorForm(PageForm):
    """A password, a code, or both, as each step asks."""

    password: str = ""
    code: str = ""


Sent = Annotated[FactorForm, Form()]


@router.get("")
def show_second_factor(request: Request, visitor: User, session: SessionDep) -> Response:
    if visitor.caller.user_id is None:
        raise Forbidden("a key has no second factor; log in as a user to change that user's")
    return _page(request, visitor, session)


@router.post("", dependencies=[SIGN_IN])
def begin(request: Request, visitor: UserWriting, session: SessionDep, settings: SettingsDep, form: Sent) -> Response:
    """The authenticator's secret, as a drawing for its camera and as text."""
    try:
        with session.begin_nested():
            enrolment = factors.begin(session, settings, visitor.caller, form.password)
    except CherishError as error:
        return _page(request, visitor, session, error=error)
    return _page(request, visitor, session, enrolment=enrolment, drawn=_drawn(enrolment))


@router.post("/confirm")
def confirm(request: Request, visitor: UserWriting, session: SessionDep, settings: SettingsDep, form: Sent) -> Response:
    """Turn it on; the recovery codes are shown."""
    try:
        _count(request, settings, visitor)
        with session.begin_nested():
            codes = factors.confirm(session, settings, visitor.caller, form.code)
    except CherishError as error:
        return _page(request, visitor, session, error=error)
    return _page(request, visitor, session, codes=codes)


@router.post("/recovery-codes", dependencies=[SIGN_IN])
def renew(request: Request, visitor: UserWriting, session: SessionDep, settings: SettingsDep, form: Sent) -> Response:
    """New recovery codes."""
    try:
        _count(request, settings, visitor)
        with session.begin_nested():
            codes = factors.renew_recovery_codes(session, settings, visitor.caller, form.password, form.code)
    except CherishError as error:
        return _page(request, visitor, session, error=error)
    return _page(request, visitor, session, codes=codes)


@router.post("/remove", dependencies=[SIGN_IN])
def remove(request: Request, visitor: UserWriting, session: SessionDep, settings: SettingsDep, form: Sent) -> Response:
    """Turn it off."""
    try:
        _count(request, settings, visitor)
        with session.begin_nested():
            factors.remove(session, settings, visitor.caller, form.password, form.code)
    except CherishError as error:
        return _page(request, visitor, session, error=error)
    return see_other("/second-factor")


def _count(request: Request, settings: Settings, visitor: Visitor) -> None:
    if visitor.caller.user_id is not None:
        spend_code(request, settings, visitor.caller.user_id)


def _drawn(enrolment: Enrolment) -> Markup:
    """The address as a QR code; dark on light in every theme, as cameras need it."""
    svg = segno.make(enrolment.uri, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff")
    return Markup(svg)  # noqa: S704  drawn here, of dots


def _page(
    request: Request, visitor: Visitor, session: SessionDep, *, error: CherishError | None = None, **shown: Any
) -> Response:
    context = {
        "codes": None,
        "enrolment": None,
        "state": factors.state_of(session, visitor.caller),
        "error": error,
        **shown,
    }
    return page(request, "second_factor.html", context, visitor=visitor, status=error.status if error else 200)
