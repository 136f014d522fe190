"""A signed-in user's second factor over HTTP. Thin; a key has none: 403."""

from fastapi import Request, status

from app.accounts import factors, schemas
from app.accounts.callers import AnyCaller, spend_code
from app.errors import Conflict, Forbidden, Unauthorized
from app.http import limits
from app.http.deps import SessionDep, SettingsDep
from app.http.problems import responses
from app.http.routes import api_router
from app.identity import Caller
from app.settings import Settings

router = api_router("/v1", "accounts")


@router.get("/me/second-factor", responses=responses(Forbidden))
def get_second_factor(caller: AnyCaller, session: SessionDep) -> schemas.SecondFactorAnswer:
    """Whether the signed-in user signs in with codes, and how many recovery codes are left."""
    state = factors.state_of(session, caller)
    return schemas.SecondFactorAnswer(confirmed_at=state.confirmed_at, recovery_codes=state.recovery_codes)


@router.post(
    "/me/second-factor",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Forbidden, Conflict, Unauthorized),
    dependencies=[limits.SIGN_IN],
)
def begin_second_factor(
    body: schemas.PresentPassword, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.EnrolmentAnswer:
    """A new secret for one's authenticator (TOTP, RFC 6238). It counts once a code of it has confirmed it."""
    enrolment = factors.begin(session, settings, caller, body.password)
    return schemas.EnrolmentAnswer(secret=enrolment.secret, uri=enrolment.uri)


@router.post("/me/second-factor/confirm", responses=responses(Forbidden, Conflict))
def confirm_second_factor(
    body: schemas.SecondFactorCode, request: Request, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.RecoveryCodes:
    """Sign in with codes from now on. The answer has the recovery codes; one's other sessions end."""
    _count(request, settings, caller)
    return schemas.RecoveryCodes(codes=factors.confirm(session, settings, caller, body.code))


@router.post("/me/second-factor/recovery-codes", responses=responses(Forbidden, Conflict, Unauthorized))
def renew_recovery_codes(
    body: schemas.PasswordAndCode, request: Request, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.RecoveryCodes:
    """New recovery codes in the place of those that are left."""
    _count(request, settings, caller)
    codes = factors.renew_recovery_codes(session, settings, caller, body.password, body.code)
    return schemas.RecoveryCodes(codes=codes)


@router.post(
    "/me/second-factor/remove",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(Forbidden, Conflict, Unauthorized),
)
def remove_second_factor(
    body: schemas.PasswordAndCode, request: Request, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> None:
    """Sign in without codes again; one's other sessions end."""
    _count(request, settings, caller)
    factors.remove(session, settings, caller, body.password, body.code)


def _count(request: Request, settings: Settings, caller: Caller) -> None:
    if caller.user_id is not None:
        spend_code(request, settings, caller.user_id)
