"""Ways in that need no account yet: signing up, a forgotten password; and changing one's own password."""

from typing import Annotated

from fastapi import BackgroundTasks, Form, Request, Response

from app.accounts import letters, registration, users
from app.accounts.callers import sign_in
from app.errors import CherishError, FieldError, Forbidden, InvalidInput
from app.http import browsers
from app.http.deps import SessionDep, SettingsDep
from app.http.limits import SIGN_IN
from app.identity import AccountStatus, Role
from app.web import visitors
from app.web.forms import PageForm
from app.web.members.sessions import HOMES, Anybody
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import CHECKED, Visitor, visiting

router = page_router()
User = Annotated[Visitor, visiting("accounts:read")]


class SignUpForm(PageForm):
    """An organisation and its first user."""

    organisation: str = ""
    role: str = ""
    name: str = ""
    email: str = ""
    password: str = ""


class ForgottenForm(PageForm):
    """Whose password is forgotten."""

    email: str = ""


class PasswordForm(PageForm):
    """The present password and the next one."""

    present: str = ""
    password: str = ""


@router.get("/signup")
def show_sign_up(request: Request, visitor: Anybody) -> Response:
    if visitor is not None:
        return see_other(HOMES[visitor.role])
    return page(request, "signup.html", {"form": SignUpForm(), "error": None}, visitor=None)


@router.post("/signup", dependencies=[SIGN_IN, CHECKED])
def sign_up(
    request: Request, session: SessionDep, settings: SettingsDep, form: Annotated[SignUpForm, Form()]
) -> Response:
    """Register; then either in at once, or a page that says who has to approve it."""
    try:
        with session.begin_nested():
            account, _ = registration.register(
                session, settings, *_organisation(form), form.email, form.name, form.password
            )
    except CherishError as error:
        shown = {"form": form, "error": error}
        return page(request, "signup.html", shown, visitor=None, status=error.status)
    if account.status is not AccountStatus.ACTIVE:
        return page(request, "waiting.html", {"name": account.name, "email": form.email}, visitor=None, status=202)
    token, signed = sign_in(request, session, settings, form.email, form.password)
    request.state.visitor = Visitor(signed.caller, account.name)
    response = see_other(HOMES[account.role])
    visitors.log_in_user(response, settings, token)
    return response


def _organisation(form: SignUpForm) -> tuple[str, Role]:
    """The organisation's name and role; raises InvalidInput, naming the field."""
    if not 0 < len(form.organisation.strip()) <= 200:
        raise _refused("organisation", "an organisation has a name of at most 200 characters; fill it in")
    if form.role not in (Role.BUYER.value, Role.PROVIDER.value):
        raise _refused("role", "say whether you bring data or a question: provider or buyer")
    if not 0 < len(form.name.strip()) <= 200:
        raise _refused("name", "a user has a name of at most 200 characters; fill it in")
    return form.organisation.strip(), Role(form.role)


def _refused(field: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(f"/{field}", detail)])


@router.get("/forgotten")
def show_forgotten(request: Request, _visitor: Anybody) -> Response:
    return page(request, "forgotten.html", {"asked": None}, visitor=None)


@router.post("/forgotten", dependencies=[SIGN_IN, CHECKED])
def ask_reset(
    request: Request, settings: SettingsDep, tasks: BackgroundTasks, form: Annotated[ForgottenForm, Form()]
) -> Response:
    """Says the same whether or not the address is known; the letter is written after the answer."""
    response = page(request, "forgotten.html", {"asked": form.email}, visitor=None)
    tasks.add_task(letters.send_reset, request.app.state.session_factory, settings, form.email)
    response.background = tasks
    return response


@router.get("/password")
def show_password(request: Request, visitor: User) -> Response:
    if visitor.caller.user_id is None:
        raise Forbidden("a key has no password; log in as a user to change that user's")
    return page(request, "password.html", {"error": None}, visitor=visitor)


@router.post("/password", dependencies=[SIGN_IN])
def change_password(
    request: Request, visitor: User, session: SessionDep, form: Annotated[PasswordForm, Form()]
) -> Response:
    """Another password; every session of the user ends, and one logs in with it."""
    try:
        with session.begin_nested():
            users.change_password(session, visitor.caller, form.present, form.password)
    except CherishError as error:
        return page(request, "password.html", {"error": error}, visitor=visitor, status=error.status)
    response = see_other("/login")
    browsers.end(response, request.app.state.settings)
    return response
