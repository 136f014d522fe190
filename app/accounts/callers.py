"""The caller types that endpoints name in their signatures, so that a signature says who may call.

The scope a key needs is read off the route (``/v1/<room>`` and the method), so that no endpoint can forget it:
GET and HEAD need ``<room>:read``, everything else ``<room>:write``; ``/v1/me`` needs ``accounts:read`` and
``/v1/me/<room>`` that room's. Under ``/v1/admin`` it is ``accounts:<verb>``, for all that is money ``payouts:<verb>``.
"""

import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import Depends, Header, Request, params
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from app.accounts import factors, policy, service, sessions
from app.accounts.tables import User
from app.errors import Forbidden, Unauthorized
from app.http import browsers, idempotency, limits
from app.http.deps import SessionDep, SettingsDep, reads
from app.http.ids import public_id
from app.http.routes import Change, record_as
from app.identity import Caller, Role
from app.settings import Settings

__all__ = [
    "IDEMPOTENT",
    "AdminCaller",
    "AnyCaller",
    "BuyerCaller",
    "Caller",
    "PartyCaller",
    "ProviderCaller",
    "Role",
    "idempotent",
]

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="An API key: `Authorization: Bearer cherish_…`. Its scopes are those of its account's role, or fewer.",
)
cookie = APIKeyCookie(
    name=browsers.SESSION_COOKIE,
    auto_error=False,
    scheme_name="session",
    description="A web client's session, begun with `POST /v1/sessions`. A call that is not a GET also sends the "
    "session's `csrf_token` as `X-CSRF-Token`.",
)


# path segments that differ from the name of their room
_ROOMS = {
    # outside /v1: /metrics
    "": "accounts",
    "admin": "accounts",
    # who may hand out keys may invite people
    "users": "keys",
    "password": "keys",
    "sessions": "keys",
    "second-factor": "keys",
    "passkeys": "keys",
    # how one's people sign in is decided by whoever may invite them
    "sign-in-policy": "keys",
    "identity-provider": "keys",
    "pseudonym": "keys",
    # cheap jobs that pay nobody
    "explorations": "valuations",
    "standing-orders": "valuations",
    # answers of models that jobs delivered
    "models": "valuations",
    # what is said of data that is not there yet
    "wanted-ads": "datasets",
    "consents": "datasets",  # whoever may publish data may approve its use
    # other people's datasets are read by whoever reads datasets
    "catalog": "datasets",
    # who offers data answers for it
    "agents": "datasets",
    # what was done here is part of the account
    "audit": "accounts",
    "ledger": "payouts",
    "balance": "payouts",
    "statement": "payouts",
    "statement.csv": "payouts",
    "billing": "payouts",
    "months": "payouts",
    "documents": "payouts",
    "withdrawals": "payouts",
    "data-accesses": "datasets",
}


def required_scope(method: str, path: str) -> str:
    """The scope that a call of ``method`` on ``path`` needs."""
    steps = [*path.removeprefix("/v1/").split("/"), ""]
    room = steps[1] or "accounts" if steps[0] == "me" else steps[0]
    return f"{_ROOMS.get(room, room)}:{'read' if method in ('GET', 'HEAD') else 'write'}"


def authenticated(
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    _cookie: Annotated[str | None, Depends(cookie)],
) -> Caller:
    """Whoever holds a valid key with the scope of this route, or has signed in with this browser."""
    browser = browsers.session_token(request, settings)
    try:
        if credentials is not None:
            caller = service.authenticate(session, settings, credentials.credentials)
        elif browser is not None:
            caller = sessions.caller_of_session(session, settings, browser, reading=reads(request))
            browsers.insist_on_token(request, settings, browser)
        else:
            raise Unauthorized("this call needs a key; send Authorization: Bearer cherish_…")
    except Unauthorized:
        limits.spend(request, "anonymous", limits.address_of(request), settings.anonymous_per_minute)
        raise
    request.state.caller = caller
    structlog.contextvars.bind_contextvars(account=f"acc_{caller.account_id.hex}")
    policy.insist(caller, request.url.path)
    scope = required_scope(request.method, request.url.path)
    if scope not in caller.scopes:
        raise Forbidden(f"this call needs the scope {scope}, which this {caller.role.value} key does not carry")
    spend(request, settings, caller)
    return caller


def sign_in(
    request: Request, session: Session, settings: Settings, email: str, password: str, code: str | None = None
) -> tuple[str, sessions.SignedIn]:
    """Begin a user's session: its token, and who it stands for. The request is recorded as this user's sign-in.

    Counted here, for the API and the pages alike, is whom somebody tries to be; ``limits.SIGN_IN`` counts from where.
    Raises SecondFactorNeeded where the pair is right and a code is missing.
    """
    limits.spend(request, "sign-in", sessions.normal_email(email), settings.sign_ins_per_minute)
    user = sessions.user_of_pair(session, email, password)
    if factors.enabled(session, user.id):
        if not code:
            raise factors.SecondFactorNeeded(user.id)
        return sign_in_with_code(request, session, settings, user, code)
    policy.insist_on_passkey(session, user)
    return begin_session(request, session, settings, user, second_factor=False)


def sign_in_with_code(
    request: Request, session: Session, settings: Settings, user: User, code: str
) -> tuple[str, sessions.SignedIn]:
    """The same for a user whose password was right; six digits are tried a few times an hour."""
    spend_code(request, settings, user.id)
    factors.check(session, settings, user.id, code)
    return begin_session(request, session, settings, user, second_factor=True)


def spend_code(request: Request, settings: Settings, user_id: uuid.UUID) -> None:
    """Count that a code of this user is tried."""
    limits.spend(request, "second-factor", str(user_id), settings.codes_per_hour, minutes=60)


def begin_session(
    request: Request,
    session: Session,
    settings: Settings,
    user: User,
    *,
    second_factor: bool,
    provider_session: str | None = None,
) -> tuple[str, sessions.SignedIn]:
    """A session of a user who has shown who it is, recorded as this user's sign-in: its token, and whose it is.

    Raises Unauthorized where the organisation signs people in by its own provider alone and this is not by it.
    """
    named = request.headers.get("user-agent", "")
    token = sessions.login(
        session, settings, user, second_factor=second_factor, provider_session=provider_session, browser=named
    )
    signed = sessions.signed_in(session, settings, token)
    record_as(request, Change(signed.caller, "sign_in", public_id("usr", signed.user_id), {}))
    return token, signed


def spend(request: Request, settings: Settings, caller: Caller) -> None:
    """Count a call against its key's or user's budget; reading and changing have one each."""
    who = str(caller.key_id or caller.user_id)
    if reads(request):
        limits.spend(request, "read", who, caller.reads_per_minute or settings.reads_per_minute)
    else:
        limits.spend(request, "write", who, caller.writes_per_minute or settings.writes_per_minute)


AnyCaller = Annotated[Caller, Depends(authenticated)]


def _only(*roles: Role) -> Callable[[Caller], Awaitable[Caller]]:
    async def check(caller: AnyCaller) -> Caller:
        if caller.role not in roles:
            expected = " or ".join(role.value for role in roles)
            article = "an" if expected[0] in "aeiou" else "a"
            raise Forbidden(f"this call is for {article} {expected}; the key belongs to a {caller.role.value}")
        return caller

    return check


ProviderCaller = Annotated[Caller, Depends(_only(Role.PROVIDER))]
BuyerCaller = Annotated[Caller, Depends(_only(Role.BUYER))]
AdminCaller = Annotated[Caller, Depends(_only(Role.ADMIN))]
# either side of a trade
PartyCaller = Annotated[Caller, Depends(_only(Role.PROVIDER, Role.BUYER))]


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Your own unique name for this call; a repeat is answered with the first answer.",
        examples=["6f1c0a52-order-17"],
    ),
]


def idempotent(*, secret_fields: tuple[str, ...] = ()) -> params.Depends:
    """A route dependency that makes a POST repeatable by ``Idempotency-Key``; see ``app.http.idempotency``.

    ``secret_fields`` of the answer are stored, and so replayed, as null: a token must not be stored.
    """

    async def check(
        request: Request,
        session: SessionDep,
        caller: AnyCaller,
        idempotency_key: IdempotencyKey = None,
    ) -> None:
        if idempotency_key is not None:
            await idempotency.begin(request, session, caller.account_id, idempotency_key, secret_fields)

    return params.Depends(check)


IDEMPOTENT = idempotent()


def idempotent_without_key(member: str, *, secret_fields: tuple[str, ...] = ()) -> params.Depends:
    """The same for a POST of somebody who has no key yet: the caller is whoever the body's ``member`` names.

    A repeat must send the same body, the password included; under another body the key is another call's.
    """

    async def check(request: Request, session: SessionDep, idempotency_key: IdempotencyKey = None) -> None:
        if idempotency_key is None:
            return
        body = None
        # a body that is not JSON is refused, with the place of the error, when it is read
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(await request.body())
        # and so is one that names nobody
        if isinstance(body, dict) and isinstance(name := body.get(member), str):
            # half a character is no UTF-8
            kept = name.encode("utf-8", "backslashreplace").decode()
            named = uuid.uuid5(uuid.NAMESPACE_URL, f"{request.url.path} {kept}")
            await idempotency.begin(request, session, named, idempotency_key, secret_fields)

    return params.Depends(check)
