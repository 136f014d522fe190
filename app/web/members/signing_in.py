"""The page on which an organisation decides how its people sign in: second factors, and a provider of its own."""

from typing import Annotated

from fastapi import Form, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.accounts import policy
from app.errors import CherishError, InvalidInput, NotFound
from app.http.deps import SessionDep, SettingsDep, without_connection
from app.http.limits import SIGN_IN
from app.settings import Settings
from app.single_sign_on import protocol, service
from app.single_sign_on.fetching import fetcher_of
from app.single_sign_on.tables import Admits
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/signing-in")
Reader = Annotated[Visitor, visiting("keys:read")]
Writer = Annotated[Visitor, visiting("keys:write")]


class PolicyForm(PageForm):
    """Whether second factors are demanded."""

    required: str = ""


class ProviderForm(PageForm):
    """A provider; a blank secret stays as it is, domains are separated by commas or spaces."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    domains: str = ""
    admits: str = "invited"
    required: str = ""


@router.get("")
def show_signing_in(request: Request, visitor: Reader, session: SessionDep, settings: SettingsDep) -> Response:
    return _page(request, visitor, session, settings, None, None)


@router.post("/policy")
def set_policy(visitor: Writer, session: SessionDep, form: Annotated[PolicyForm, Form()]) -> Response:
    policy.decide(session, visitor.caller, second_factor_required=form.required == "yes")
    return see_other("/signing-in")


@router.post("/provider", dependencies=[SIGN_IN])
async def set_provider(
    request: Request,
    visitor: Writer,
    session: SessionDep,
    settings: SettingsDep,
    form: Annotated[ProviderForm, Form()],
) -> Response:
    """The provider is asked for its document before anything is stored."""
    try:
        policy.insist_on_all_scopes(visitor.caller)
        if form.admits not in {each.value for each in Admits} or not form.client_id:
            raise InvalidInput("a provider has a client ID, and lets in people who are invited or those of its domains")
        admits = Admits(form.admits)
        issuer, domains = service.checked(settings, form.issuer, form.domains.replace(",", " ").split(), admits)
        async with without_connection(request, session):
            await run_in_threadpool(protocol.discover, fetcher_of(settings), issuer)

        def store() -> None:
            with session.begin_nested():
                service.configure(
                    session,
                    settings,
                    visitor.caller,
                    issuer=issuer,
                    client_id=form.client_id[:255],
                    secret=form.client_secret or None,
                    domains=domains,
                    admits=admits,
                    required=form.required == "yes",
                )

        await run_in_threadpool(store)
    except CherishError as error:
        return await run_in_threadpool(_page, request, visitor, session, settings, form, error)
    return see_other("/signing-in")


@router.post("/provider/remove")
def remove_provider(visitor: Writer, session: SessionDep) -> Response:
    service.remove(session, visitor.caller)
    return see_other("/signing-in")


def _page(
    request: Request,
    visitor: Visitor,
    session: Session,
    settings: Settings,
    form: ProviderForm | None,
    error: CherishError | None,
) -> Response:
    try:
        row = service.get(session, visitor.caller)
    except NotFound:
        row = None
    if form is None and row is not None:
        form = ProviderForm(
            issuer=row.issuer,
            client_id=row.client_id,
            domains=", ".join(row.domains),
            admits=row.admits.value,
            required="yes" if service.is_required(session, row.account_id) else "",
        )
    shown = {
        "form": form or ProviderForm(),
        "present": row is not None,
        "demanded": policy.demanded(session, visitor.caller),
        "return_url": service.return_url(settings),
        "sign_out_url": service.sign_out_url(settings, visitor.caller.account_id),
        "error": error,
    }
    return page(request, "signing_in.html", shown, visitor=visitor, status=error.status if error else 200)
