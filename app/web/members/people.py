"""Pages on the people of an organisation: who they are, inviting and removing them, and accepting an invitation."""

from typing import Annotated

from fastapi import BackgroundTasks, Form, Query, Request, Response

from app import mail
from app.accounts import letters, own_sessions, pseudonyms, users
from app.errors import CherishError, InvalidInput
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import UserId
from app.http.limits import SIGN_IN
from app.http.pages import PageRequest
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import CHECKED, Visitor, visiting

router = page_router()

Reader = Annotated[Visitor, visiting("accounts:read")]
Writer = Annotated[Visitor, visiting("keys:write")]


class InvitationForm(PageForm):
    """Who is invited."""

    email: str = ""
    name: str = ""


class PseudonymForm(PageForm):
    """Whether providers see a pseudonym."""

    on: str = ""


class FirstPasswordForm(PageForm):
    """An invitation's token, and the password that its user chooses."""

    token: str = ""
    password: str = ""


@router.get("/people")
def show_people(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    return _people_page(request, visitor, session, paging, None, None)


@router.post("/people/pseudonym")
def set_pseudonym(visitor: Writer, session: SessionDep, form: Annotated[PseudonymForm, Form()]) -> Response:
    """Be shown to providers under a pseudonym, or no longer."""
    pseudonyms.decide(session, visitor.caller, pseudonymous=form.on == "yes")
    return see_other("/people")


@router.post("/people")
def invite_user(
    request: Request,
    visitor: Writer,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    tasks: BackgroundTasks,
    form: Annotated[InvitationForm, Form()],
) -> Response:
    """The token is shown once, and a letter with it is sent after the answer."""
    token, error = None, None
    try:
        with session.begin_nested():
            if not 0 < len(form.name) <= 200:
                raise InvalidInput("a user has a name of at most 200 characters")
            _, token = users.invite(session, settings, visitor.caller, form.email, form.name)
    except CherishError as refused:
        error = refused
    response = _people_page(request, visitor, session, paging, token, error)
    if token is not None:
        letter = letters.invitation(settings, form.email, form.name, visitor.name, token)
        tasks.add_task(mail.deliver, settings, letter)
        response.background = tasks
    return response


@router.post("/people/{user_id}/remove")
def remove_user(visitor: Writer, session: SessionDep, user_id: UserId) -> Response:
    users.remove(session, visitor.caller, user_id)
    return see_other("/people")


@router.post("/people/{user_id}/end-sessions")
def end_sessions(visitor: Writer, session: SessionDep, user_id: UserId) -> Response:
    """Log somebody out of every browser; they can log in again."""
    own_sessions.end_of_user(session, visitor.caller, user_id)
    return see_other("/people")


@router.get("/invitation")
def show_invitation(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    return page(request, "invitation.html", {"token": token, "error": None}, visitor=None)


@router.post("/invitation", dependencies=[SIGN_IN, CHECKED])
def accept_invitation(
    request: Request, session: SessionDep, settings: SettingsDep, form: Annotated[FirstPasswordForm, Form()]
) -> Response:
    """Set the password; then log in with it."""
    try:
        with session.begin_nested():
            users.accept(session, settings, form.token, form.password)
    except CherishError as error:
        shown = {"token": form.token, "error": error}
        return page(request, "invitation.html", shown, visitor=None, status=error.status)
    return see_other("/login")


def _people_page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    paging: PageRequest,
    token: str | None,
    error: CherishError | None,
) -> Response:
    listed, following = users.list_users(session, visitor.caller, paging)
    mails = request.app.state.settings.mail == "smtp"
    shown = {
        "users": listed,
        "next": following,
        "token": token,
        "error": error,
        "mails": mails,
        "pseudonymous": pseudonyms.is_on(session, visitor.caller),
    }
    return page(request, "people.html", shown, visitor=visitor, status=error.status if error else 200)
