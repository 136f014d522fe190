"""The page of one's passkeys. Making one, and logging in with one, is the script's (``static/passkeys.js``)."""

from typing import Annotated

from fastapi import Form, Request, Response

from app.accounts import passkeys
from app.errors import CherishError, Conflict, Forbidden
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import PasskeyId
from app.http.limits import SIGN_IN
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/passkeys")
User = Annotated[Visitor, visiting("keys:read")]
UserWriting = Annotated[Visitor, visiting("keys:write")]


class RemovalForm(PageForm):
    """The present password."""

    password: str = ""


@router.get("")
def show_passkeys(request: Request, visitor: User, session: SessionDep, settings: SettingsDep) -> Response:
    if visitor.caller.user_id is None:
        raise Forbidden("a key has no passkeys; log in as a user to see that user's")
    return _page(request, visitor, session, settings, None)


@router.post("/{passkey_id}/remove", dependencies=[SIGN_IN])
def remove_passkey(
    request: Request,
    visitor: UserWriting,
    session: SessionDep,
    settings: SettingsDep,
    passkey_id: PasskeyId,
    form: Annotated[RemovalForm, Form()],
) -> Response:
    try:
        with session.begin_nested():
            passkeys.remove(session, visitor.caller, passkey_id, form.password)
    except CherishError as error:
        return _page(request, visitor, session, settings, error)
    return see_other("/passkeys")


def _page(
    request: Request, visitor: Visitor, session: SessionDep, settings: SettingsDep, error: CherishError | None
) -> Response:
    refusal = None
    try:
        passkeys.site_of(settings)
    except Conflict as impossible:
        refusal = impossible.detail
    shown = {"passkeys": passkeys.listed(session, visitor.caller), "error": error, "refusal": refusal}
    return page(request, "passkeys.html", shown, visitor=visitor, status=error.status if error else 200)
