"""Logging in through an organisation's own provider: away, back, and in.

What comes back is shown as a page whose form our own site sends on: so all cookies can be SameSite=Strict, the one that
names the attempt included, and the sign-in is a POST like any other.
"""

import uuid
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Form, Query, Request, Response, status
from fastapi.responses import JSONResponse
from itsdangerous import BadData
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import begin_session
from app.accounts.sessions import SignedIn
from app.errors import Forbidden
from app.http import browsers, limits, signatures
from app.http.deps import SessionDep, SettingsDep, without_connection
from app.http.ids import AccountId, public_id
from app.http.limits import SIGN_IN
from app.http.routes import Change, record_as
from app.settings import Settings
from app.single_sign_on import protocol, service
from app.single_sign_on.fetching import fetcher_of
from app.single_sign_on.protocol import Attempt, Client, SignedInPerson
from app.web import visitors
from app.web.forms import PageForm
from app.web.members.sessions import home_of
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import CHECKED, Visitor

router = page_router("/sso")
COOKIE = "cherish_sso"
SECONDS = 600
_PURPOSE = "single sign-on"
_UNSTORED = {"Cache-Control": "no-store"}


class DepartureForm(PageForm):
    """An organisation's name, and where to go afterwards."""

    organisation: str = ""
    next: str = ""


class ReturnForm(PageForm):
    """What the provider sent back with the browser."""

    code: str = ""
    state: str = ""
    iss: str = ""


class SignOutForm(PageForm):
    """What a provider sends (OpenID Connect Back-Channel Logout 1.0)."""

    logout_token: str = ""


@router.post("", dependencies=[SIGN_IN, CHECKED])
async def depart(
    request: Request, session: SessionDep, settings: SettingsDep, form: Annotated[DepartureForm, Form()]
) -> Response:
    """A page that leads to the provider, which is named."""
    client = await run_in_threadpool(service.client_named, session, settings, form.organisation)
    async with without_connection(request, session):
        url, attempt = await run_in_threadpool(
            protocol.depart, fetcher_of(settings), client, service.return_url(settings)
        )
    shown = {"url": url, "host": urlsplit(url).netloc, "organisation": client.organisation}
    response = page(request, "onward.html", shown, visitor=None)
    browsers.set_cookie(response, settings, COOKIE, _kept(settings, attempt, form.next), SECONDS)
    return response


@router.get("/return")
def come_back(
    request: Request,
    code: Annotated[str, Query(max_length=4000)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
    iss: Annotated[str, Query(max_length=500)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    if error or not code:
        raise Forbidden(f"the identity provider let nobody in ({error or 'it sent no code'}); log in again")
    return page(request, "onward.html", {"url": None, "code": code, "state": state, "iss": iss}, visitor=None)


@router.post("/finish", dependencies=[SIGN_IN, CHECKED])
async def finish(
    request: Request, session: SessionDep, settings: SettingsDep, form: Annotated[ReturnForm, Form()]
) -> Response:
    """The code is exchanged for who it is, who then has a session."""
    attempt, next_ = _attempt(settings, browsers.cookie_of(request, settings, COOKIE))
    client = await run_in_threadpool(service.client_of, session, settings, attempt.account_id)
    async with without_connection(request, session):
        person = await run_in_threadpool(
            lambda: protocol.exchange(
                fetcher_of(settings),
                client,
                attempt,
                service.return_url(settings),
                code=form.code,
                state=form.state,
                issuer=form.iss,
            )
        )
    token, signed = await run_in_threadpool(_enter, request, session, settings, client, person)
    request.state.visitor = Visitor(signed.caller, signed.account_name, signed.name)
    response = see_other(home_of(signed.caller.role, next_))
    visitors.log_in_user(response, settings, token)
    browsers.drop_cookie(response, settings, COOKIE)
    return response


def _enter(
    request: Request, session: Session, settings: Settings, client: Client, person: SignedInPerson
) -> tuple[str, SignedIn]:
    user = service.user_of(session, client, person)
    # what the provider asks of its people is its organisation's to decide
    return begin_session(request, session, settings, user, second_factor=True, provider_session=person.session)


@router.post("/sign-out/{account_id}")
async def sign_out(
    account_id: AccountId,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    form: Annotated[SignOutForm, Form()],
) -> Response:
    """A provider says that it has signed somebody out (back-channel logout). It is no browser: no form is checked."""
    limits.spend(request, "sign-out", limits.address_of(request), settings.writes_per_minute)
    client = await run_in_threadpool(service.client_of, session, settings, account_id)
    try:
        async with without_connection(request, session):
            told = await run_in_threadpool(protocol.signed_out, fetcher_of(settings), client, form.logout_token)
    except Forbidden as refused:
        # the status and the form that the standard names
        said = {"error": "invalid_request", "error_description": refused.detail}
        return JSONResponse(said, status.HTTP_400_BAD_REQUEST, _UNSTORED)
    ended = await run_in_threadpool(service.sign_out, session, client, told)
    record_as(request, Change(None, "provider_sign_out", public_id("acc", account_id), {"sessions": ended}, account_id))
    return JSONResponse({}, headers=_UNSTORED)


def _kept(settings: Settings, attempt: Attempt, next_: str) -> str:
    secret = settings.signing_secret.get_secret_value()
    value = [attempt.account_id.hex, attempt.state, attempt.nonce, attempt.verifier, next_[:500]]
    signed = signatures.timed_serializer(secret, _PURPOSE).dumps(value)
    return signed if isinstance(signed, str) else signed.decode()


def _attempt(settings: Settings, cookie: str) -> tuple[Attempt, str]:
    secret = settings.signing_secret.get_secret_value()
    try:
        account, *rest, next_ = signatures.timed_serializer(secret, _PURPOSE).loads(cookie, max_age=SECONDS)
    except BadData:
        raise Forbidden("this sign-in was not begun in this browser, or too long ago; begin again") from None
    return Attempt(uuid.UUID(hex=account), *rest), str(next_)
