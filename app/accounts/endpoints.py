"""Accounts and keys over HTTP. Thin: parse, authorise, call the service, shape the answer."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Response, status

from app.accounts import registration, schemas, service, users
from app.accounts.callers import AdminCaller, AnyCaller, idempotent
from app.accounts.roles import AccountStatus, Role
from app.errors import Conflict, Forbidden, NotFound
from app.http import limits
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import AccountId, KeyId, UserId, public_id
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
    return schemas.CreatedAccount(**schemas.AccountAnswer.model_validate(account).__dict__, token=token)


@router.get("/accounts")
def list_accounts(
    _caller: AdminCaller,
    session: SessionDep,
    page: PageDep,
    status_: Annotated[
        AccountStatus | None, Query(alias="status", description="Only these.", examples=["pending"])
    ] = None,
) -> Page[schemas.AccountAnswer]:
    """All organisations, newest first."""
    rows, following = service.list_accounts(session, page, status_)
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


@router.post(
    "/keys/{key_id}/rotate",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotFound, Conflict),
    dependencies=[idempotent(secret_fields=("token",))],
)
def rotate_key(
    key_id: KeyId, body: schemas.RotationBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.CreatedKey:
    """Put a new key in the place of one's own; the present token works on for the overlap, then ends."""
    overlap = timedelta(seconds=body.overlap_seconds)
    key, token = service.rotate_key(session, settings, caller, key_id, overlap, body.expires_at)
    return schemas.CreatedKey(**schemas.KeyAnswer.model_validate(key).__dict__, token=token)


@router.post(
    "/registrations",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict, Forbidden),
    dependencies=[limits.SIGN_IN],
)
def create_registration(
    body: schemas.RegistrationBody, session: SessionDep, settings: SettingsDep
) -> schemas.CreatedAccount:
    """Register one's own organisation and its first user; needs no key. Whether that is possible is a setting."""
    account, token = registration.register(
        session, settings, body.name, Role(body.role), body.email, body.user_name, body.password
    )
    return schemas.CreatedAccount(**schemas.AccountAnswer.model_validate(account).__dict__, token=token)


@router.post("/invitations/accept", responses=responses(NotFound), dependencies=[limits.SIGN_IN])
def accept_invitation(body: schemas.AcceptanceBody, session: SessionDep, settings: SettingsDep) -> schemas.UserAnswer:
    """Set the password of an invited user; needs no key. The user can then sign in."""
    return schemas.UserAnswer.model_validate(users.accept(session, settings, body.token, body.password))


@router.post(
    "/users",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict),
    dependencies=[idempotent(secret_fields=("invitation_token",))],
)
def invite_user(
    body: schemas.UserBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.InvitedUser:
    """Invite somebody into one's own organisation. Nothing is mailed: hand the token on yourself."""
    user, token = users.invite(session, settings, caller, body.email, body.name)
    shown = schemas.UserAnswer.model_validate(user).__dict__
    return schemas.InvitedUser(**shown, invitation_token=token, invited_until=user.invited_until)


@router.get("/users")
def list_users(caller: AnyCaller, session: SessionDep, page: PageDep) -> Page[schemas.UserAnswer]:
    """The people of one's own organisation, newest first."""
    rows, following = users.list_users(session, caller, page)
    return Page(items=[schemas.UserAnswer.model_validate(row) for row in rows], next_cursor=following)


@router.delete("/users/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound, Conflict))
def remove_user(user_id: UserId, caller: AnyCaller, session: SessionDep) -> None:
    """Remove somebody from one's own organisation: every session ends at once, the address is free again."""
    users.remove(session, caller, user_id)
