"""An organisation's identity provider over HTTP. Thin; browsers sign in by the pages (``/sso``)."""

from fastapi import Request, status
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.accounts import policy
from app.accounts.callers import AnyCaller
from app.errors import Forbidden, NotFound
from app.http import limits
from app.http.deps import SessionDep, SettingsDep, without_connection
from app.http.problems import responses
from app.http.routes import api_router
from app.settings import Settings
from app.single_sign_on import protocol, schemas, service
from app.single_sign_on.fetching import fetcher_of
from app.single_sign_on.tables import IdentityProvider

router = api_router("/v1", "accounts")


@router.get("/identity-provider", responses=responses(NotFound))
def get_identity_provider(
    caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.IdentityProviderAnswer:
    """The provider through which one's organisation's people may sign in."""
    return _answer(session, settings, service.get(session, caller))


@router.put("/identity-provider", responses=responses(Forbidden), dependencies=[limits.SIGN_IN])
async def set_identity_provider(
    body: schemas.IdentityProviderBody,
    request: Request,
    caller: AnyCaller,
    session: SessionDep,
    settings: SettingsDep,
) -> schemas.IdentityProviderAnswer:
    """Name one's organisation's provider (OpenID Connect), which is asked for its discovery document at once (503 where
    it does not answer)."""
    policy.insist_on_all_scopes(caller)
    issuer, domains = service.checked(settings, body.issuer, body.domains, body.admits)
    async with without_connection(request, session):
        await run_in_threadpool(protocol.discover, fetcher_of(settings), issuer)

    def store() -> schemas.IdentityProviderAnswer:
        row = service.configure(
            session,
            settings,
            caller,
            issuer=issuer,
            client_id=body.client_id,
            secret=body.client_secret,
            domains=domains,
            admits=body.admits,
            required=body.required,
        )
        return _answer(session, settings, row)

    return await run_in_threadpool(store)


@router.delete("/identity-provider", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound, Forbidden))
def remove_identity_provider(caller: AnyCaller, session: SessionDep) -> None:
    """Sign one's people in by password and passkey alone again; those without a password are invited anew."""
    service.remove(session, caller)


def _answer(session: Session, settings: Settings, row: IdentityProvider) -> schemas.IdentityProviderAnswer:
    return schemas.IdentityProviderAnswer(
        issuer=row.issuer,
        client_id=row.client_id,
        domains=list(row.domains),
        admits=row.admits,
        return_url=service.return_url(settings),
        required=service.is_required(session, row.account_id),
        sign_out_url=service.sign_out_url(settings, row.account_id),
    )
