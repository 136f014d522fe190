"""Accounts and keys over HTTP. Thin: parse, authorise, call the service, shape the answer."""

from datetime import timedelta
from typing import Annotated

from fastapi import BackgroundTasks, Query, Request, Response, status

from app.accounts import letters, pseudonyms, registration, schemas, service, sessions, users
from app.accounts.callers import AdminCaller, AnyCaller, idempotent, idempotent_without_key, sign_in
from app.accounts.passkey_endpoints import session_answer
from app.errors import Conflict, Forbidden, NotFound, Unauthorized
from app.http import browsers, limits
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.headers import made_at
from app.http.ids import AccountId, KeyId, UserId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.identity import AccountStatus, Role
from app.settings import Settings

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
    made_at(response, f"/v1/accounts/{public_id('acc', account.id)}")
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


@router.get("/me/pseudonym")
def get_pseudonym(caller: AnyCaller, session: SessionDep) -> schemas.Pseudonym:
    """Whether providers see a pseudonym of your organisation."""
    return schemas.Pseudonym(pseudonymous=pseudonyms.is_on(session, caller))


@router.put("/me/pseudonym", responses=responses(Forbidden))
def set_pseudonym(body: schemas.Pseudonym, caller: AnyCaller, session: SessionDep) -> schemas.Pseudonym:
    """Be shown to providers under a pseudonym, another to each of them, or under your name again; for buyers. It is
    the same in every job, those of before included."""
    return schemas.Pseudonym(pseudonymous=pseudonyms.decide(session, caller, pseudonymous=body.pseudonymous))


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
    dependencies=[limits.SIGN_IN, idempotent_without_key("email", secret_fields=("token",))],
)
def create_registration(
    body: schemas.RegistrationBody, session: SessionDep, settings: SettingsDep
) -> schemas.CreatedAccount:
    """Register one's own organisation and its first user; needs no key. Whether that is possible is a setting."""
    account, token = registration.register(
        session, settings, body.name, Role(body.role), body.email, body.user_name, body.password
    )
    return schemas.CreatedAccount(**schemas.AccountAnswer.model_validate(account).__dict__, token=token)


@router.post(
    "/invitations/accept",
    responses=responses(NotFound),
    dependencies=[limits.SIGN_IN, idempotent_without_key("token")],
)
def accept_invitation(body: schemas.AcceptanceBody, session: SessionDep, settings: SettingsDep) -> schemas.UserAnswer:
    """Set the password of an invited user; needs no key. The user can then sign in."""
    return schemas.UserAnswer.model_validate(users.accept(session, settings, body.token, body.password))


@router.post("/password-resets", status_code=status.HTTP_202_ACCEPTED, dependencies=[limits.SIGN_IN])
def create_password_reset(
    body: schemas.ResetBody, request: Request, settings: SettingsDep, tasks: BackgroundTasks
) -> schemas.ResetAnswer:
    """Ask for a letter with a token that sets another password (`/v1/invitations/accept`); needs no key.

    The answer is the same whether or not the address is known; the letter is written after it.
    """
    tasks.add_task(letters.send_reset, request.app.state.session_factory, settings, body.email)
    return schemas.ResetAnswer(reset_minutes=settings.reset_minutes)


@router.post(
    "/sessions",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Unauthorized, Forbidden),
    dependencies=[limits.SIGN_IN],
)
def create_session(
    body: schemas.SignInBody, session: SessionDep, settings: SettingsDep, request: Request, response: Response
) -> schemas.SessionAnswer:
    """Sign a browser in with address and password, and with a code where the user has a second factor (without it the
    401's `errors` are of type `second_factor`): the session is in the cookie of this answer, `cherish_session` or,
    under https, `__Host-cherish_session`.

    The cookie stands for a key in every call; one that is not a GET also sends `csrf_token` as `X-CSRF-Token`.
    """
    browsers.insist_on_own_site(request)
    token, signed = sign_in(request, session, settings, body.email, body.password, body.code)
    browsers.begin(response, settings, token)
    return session_answer(settings, token, signed)


@router.get("/sessions/current")
def get_current_session(
    _caller: AnyCaller, session: SessionDep, settings: SettingsDep, request: Request
) -> schemas.SessionAnswer:
    """Who is signed in with this browser, until when, and the token that changes carry. A key has no session: 403."""
    token = _own_token(request, settings)
    return session_answer(settings, token, sessions.signed_in(session, settings, token))


@router.delete("/sessions/current", status_code=status.HTTP_204_NO_CONTENT)
def end_current_session(
    _caller: AnyCaller, session: SessionDep, settings: SettingsDep, request: Request, response: Response
) -> None:
    """Sign out: the session ends at once, here and on the server. A key has no session: 403."""
    sessions.logout(session, settings, _own_token(request, settings))
    browsers.end(response, settings)


@router.put(
    "/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotFound),
    dependencies=[limits.SIGN_IN],
)
def change_password(
    body: schemas.PasswordBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep, response: Response
) -> None:
    """Choose another password, as a signed-in user; every session of the user ends, this one included."""
    users.change_password(session, caller, body.present, body.password)
    browsers.end(response, settings)


def _own_token(request: Request, settings: Settings) -> str:
    token = browsers.session_token(request, settings)
    if token is None or request.headers.get("authorization"):
        raise Forbidden("this call came with a key, and a key has no session; sign in with POST /v1/sessions")
    return token


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
