"""Accounts and keys over HTTP. Thin: parse, authorise, call the service, shape the answer."""

from fastapi import Response, status

from app.accounts import schemas, service
from app.accounts.callers import AdminCaller, AnyCaller, idempotent
from app.errors import Conflict, NotFound
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import AccountId, KeyId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router

router = api_router("/v1", "accounts")


@router.post(
    "/accounts",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict),
    dependencies=[idempotent(secret_fields=("token",))],
)
def create_account(
    body: schemas.AccountBody, _caller: AdminCaller, session: SessionDep, settings: SettingsDep, response: Response
) -> schemas.CreatedAccount:
    """Create an organisation, and its first key with all scopes of its role."""
    account = service.create_account(session, body.name, body.role)
    _, token = service.issue_key(session, settings, account, "first key")
    response.headers["Location"] = f"/v1/accounts/{public_id('acc', account.id)}"
    return schemas.CreatedAccount(
        id=account.id, name=account.name, role=account.role, created_at=account.created_at, token=token
    )


@router.get("/accounts")
def list_accounts(_caller: AdminCaller, session: SessionDep, page: PageDep) -> Page[schemas.AccountAnswer]:
    """All organisations, newest first."""
    rows, following = service.list_accounts(session, page)
    return Page(items=[schemas.AccountAnswer.model_validate(row) for row in rows], next_cursor=following)


@router.get("/accounts/{account_id}", responses=responses(NotFound))
def get_account(account_id: AccountId, _caller: AdminCaller, session: SessionDep) -> schemas.AccountAnswer:
    """One organisation."""
    return schemas.AccountAnswer.model_validate(service.get_account(session, account_id))


@router.get("/me")
def get_me(caller: AnyCaller, session: SessionDep) -> schemas.MeAnswer:
    """Who the key at hand belongs to, and what it may do."""
    account = service.get_account(session, caller.account_id)
    return schemas.MeAnswer(
        id=account.id,
        name=account.name,
        role=account.role,
        created_at=account.created_at,
        key_id=caller.key_id,
        scopes=sorted(caller.scopes),
    )


@router.post(
    "/keys",
    status_code=status.HTTP_201_CREATED,
    dependencies=[idempotent(secret_fields=("token",))],
)
def create_key(
    body: schemas.KeyBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.CreatedKey:
    """Create a key for one's own account. Its token is in this answer and nowhere else."""
    key, token = service.delegate_key(session, settings, caller, body.name, body.scopes, body.expires_at)
    return schemas.CreatedKey(**schemas.KeyAnswer.model_validate(key).__dict__, token=token)


@router.get("/keys")
def list_keys(caller: AnyCaller, session: SessionDep, page: PageDep) -> Page[schemas.KeyAnswer]:
    """One's own keys, revoked ones included, newest first."""
    rows, following = service.list_keys(session, caller, page)
    return Page(items=[schemas.KeyAnswer.model_validate(row) for row in rows], next_cursor=following)


@router.delete("/keys/{key_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound))
def revoke_key(key_id: KeyId, caller: AnyCaller, session: SessionDep) -> None:
    """Revoke a key of one's own at once, the one at hand included."""
    service.revoke_key(session, caller.account_id, key_id)
