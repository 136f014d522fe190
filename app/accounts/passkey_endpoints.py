"""Passkeys over HTTP: a signed-in user registers and removes them, and anybody signs in with one. Thin."""

from fastapi import Request, Response, status

from app.accounts import passkeys, policy, schemas
from app.accounts.callers import AnyCaller, begin_session
from app.accounts.sessions import SignedIn
from app.errors import Conflict, Forbidden, NotFound, Unauthorized
from app.http import browsers, limits
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import PasskeyId
from app.http.problems import responses
from app.http.routes import api_router
from app.settings import Settings

router = api_router("/v1", "accounts")


@router.get("/me/passkeys", responses=responses(Forbidden))
def list_passkeys(caller: AnyCaller, session: SessionDep) -> schemas.Passkeys:
    """The signed-in user's passkeys, oldest first."""
    rows = passkeys.listed(session, caller)
    return schemas.Passkeys(items=[schemas.PasskeyAnswer.model_validate(row) for row in rows])


@router.post(
    "/me/passkeys/options",
    responses=responses(Forbidden, Conflict, Unauthorized),
    dependencies=[limits.SIGN_IN],
)
def begin_passkey(
    body: schemas.PresentPassword, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.PasskeyOptions:
    """What the browser makes a passkey from: the `publicKey` of `navigator.credentials.create`."""
    return schemas.PasskeyOptions(public_key=passkeys.begin(session, settings, caller, body.password))


@router.post("/me/passkeys", status_code=status.HTTP_201_CREATED, responses=responses(Forbidden, Conflict))
def register_passkey(
    body: schemas.NewPasskey, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.PasskeyAnswer:
    """Keep a passkey that the browser has made."""
    row = passkeys.register(session, settings, caller, body.name, body.credential)
    return schemas.PasskeyAnswer.model_validate(row)


@router.post(
    "/me/passkeys/{passkey_id}/remove",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(Forbidden, NotFound, Unauthorized),
    dependencies=[limits.SIGN_IN],
)
def remove_passkey(
    passkey_id: PasskeyId, body: schemas.PresentPassword, caller: AnyCaller, session: SessionDep
) -> None:
    """Sign in with it no longer."""
    passkeys.remove(session, caller, passkey_id, body.password)


@router.post("/sessions/passkey/options", responses=responses(Conflict), dependencies=[limits.SIGN_IN])
def ask_for_passkey(settings: SettingsDep) -> schemas.PasskeyOptions:
    """What a browser asks a device: the `publicKey` of `navigator.credentials.get`; needs no key and names nobody."""
    return schemas.PasskeyOptions(public_key=passkeys.ask(settings))


@router.post(
    "/sessions/passkey",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Unauthorized, Forbidden, Conflict),
    dependencies=[limits.SIGN_IN],
)
def create_session_by_passkey(
    body: schemas.PasskeySignIn, request: Request, session: SessionDep, settings: SettingsDep, response: Response
) -> schemas.SessionAnswer:
    """Sign a browser in with a passkey, without password or code; the session is as that of `POST /v1/sessions`."""
    browsers.insist_on_own_site(request)
    user = passkeys.user_of(session, settings, body.credential)
    token, signed = begin_session(request, session, settings, user, second_factor=True)
    browsers.begin(response, settings, token)
    return session_answer(settings, token, signed)


@router.get("/sign-in-policy")
def get_sign_in_policy(caller: AnyCaller, session: SessionDep) -> schemas.SignInPolicy:
    """What one's organisation demands of how its people sign in."""
    return schemas.SignInPolicy(second_factor_required=policy.demanded(session, caller))


@router.put("/sign-in-policy", responses=responses(Forbidden))
def set_sign_in_policy(body: schemas.SignInPolicy, caller: AnyCaller, session: SessionDep) -> schemas.SignInPolicy:
    """Demand second factors of one's people, or no longer. A session that a password alone began is then good for
    setting one up, and for nothing else (403, `second_factor_required`)."""
    decided = policy.decide(session, caller, second_factor_required=body.second_factor_required)
    return schemas.SignInPolicy(second_factor_required=decided)


def session_answer(settings: Settings, token: str, signed: SignedIn) -> schemas.SessionAnswer:
    """Who is signed in, and the token that changes carry."""
    return schemas.SessionAnswer(
        user_id=signed.user_id,
        email=signed.email,
        name=signed.name,
        account_id=signed.caller.account_id,
        account_name=signed.account_name,
        role=signed.caller.role,
        scopes=sorted(signed.caller.scopes),
        expires_at=signed.expires_at,
        csrf_token=browsers.csrf_token(settings.signing_secret.get_secret_value(), token),
        second_factor_required=signed.caller.enrolling,
    )
