"""What HTTP sees of accounts and keys. A token appears once, in the answer that creates its key."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from app.http.ids import AccountId, KeyId, PasskeyId, UserId
from app.http.schemas import Answer, Body, example
from app.identity import AccountStatus, Role

_ACCOUNT = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_KEY = "key_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c"
_NOW = "2026-11-23T12:00:00Z"


Name = Annotated[str, Field(min_length=1, max_length=200)]


class AccountBody(Body):
    """A new organisation."""

    model_config = example(name="Harbour Hospital", role="provider")

    name: Name
    role: Role


class AccountAnswer(Answer):
    """One organisation."""

    model_config = example(
        id=_ACCOUNT, name="Harbour Hospital", role="provider", status="active", status_reason=None, created_at=_NOW
    )

    id: AccountId
    name: str
    role: Role
    status: AccountStatus
    status_reason: str | None
    created_at: datetime


class CreatedAccount(AccountAnswer):
    """A new organisation and its first key; the token is shown this once and null when the answer is replayed."""

    model_config = example(
        id=_ACCOUNT,
        name="Harbour Hospital",
        role="provider",
        status="active",
        status_reason=None,
        created_at=_NOW,
        token="cherish_Xk29bQ7d_4m1Zt8Wq…_2Rk9aB",  # noqa: S106  an example
    )

    token: str | None


class MeAnswer(Answer):
    """The caller: its account and what the key at hand may do."""

    model_config = example(
        id=_ACCOUNT,
        name="Harbour Hospital",
        role="provider",
        created_at=_NOW,
        key_id=_KEY,
        scopes=["datasets:read", "datasets:write"],
    )

    id: AccountId
    name: str
    role: Role
    created_at: datetime
    key_id: KeyId | None
    scopes: list[str]


class KeyBody(Body):
    """A new key of the caller's account; scopes default to all of its role's."""

    model_config = example(name="nightly upload", scopes=["datasets:read", "datasets:write"], expires_at=None)

    name: Name
    scopes: list[str] | None = None
    expires_at: AwareDatetime | None = None


class KeyAnswer(Answer):
    """One key, without its token."""

    model_config = example(
        id=_KEY,
        name="nightly upload",
        prefix="Xk29bQ7d",
        scopes=["datasets:read", "datasets:write"],
        created_at=_NOW,
        expires_at=None,
        last_used_at=None,
        revoked_at=None,
    )

    id: KeyId
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class CreatedKey(KeyAnswer):
    """A new key with its token, shown this once; null when the answer is replayed."""

    model_config = example(
        id=_KEY,
        name="nightly upload",
        prefix="Xk29bQ7d",
        scopes=["datasets:read", "datasets:write"],
        created_at=_NOW,
        expires_at=None,
        last_used_at=None,
        revoked_at=None,
        token="cherish_Xk29bQ7d_4m1Zt8Wq…_2Rk9aB",  # noqa: S106  an example
    )

    token: str | None


class RotationBody(Body):
    """How long the present token goes on working beside the new one; how long the new one lives."""

    model_config = example(overlap_seconds=86400, expires_at=None)

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 86400)] = 86400
    # left out, the new key lives as long as the present one was given, from now on
    expires_at: AwareDatetime | None = None


_USER = "usr_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
_EMAIL = "ada@harbour.example"
_PASSWORD = "a quiet harbour at dawn"  # noqa: S105  an example


Email = Annotated[str, Field(min_length=3, max_length=254)]
Password = Annotated[str, Field(min_length=1, max_length=1000)]
Code = Annotated[str, Field(min_length=6, max_length=40)]


class RegistrationBody(Body):
    """An organisation that registers itself, with its first user."""

    model_config = example(name="Harbour Hospital", role="provider", email=_EMAIL, user_name="Ada", password=_PASSWORD)

    name: Name
    role: Literal["provider", "buyer"]
    email: Email
    user_name: Name
    password: Password


class UserBody(Body):
    """Somebody to invite into one's own organisation."""

    model_config = example(email=_EMAIL, name="Ada")

    email: Email
    name: Name


class UserAnswer(Answer):
    """One user. Without ``joined`` the invitation has not been accepted."""

    model_config = example(id=_USER, email=_EMAIL, name="Ada", joined=True, created_at=_NOW, last_login_at=_NOW)

    id: UserId
    email: str
    name: str
    joined: bool
    created_at: datetime
    last_login_at: datetime | None


class InvitedUser(UserAnswer):
    """An invited user and the invitation's token, shown this once; null when the answer is replayed."""

    model_config = example(
        id=_USER,
        email=_EMAIL,
        name="Ada",
        joined=False,
        created_at=_NOW,
        last_login_at=None,
        invitation_token="cherish_Xk29bQ7d_4m1Zt8Wq…_2Rk9aB",  # noqa: S106  an example
        invited_until=_NOW,
    )

    invitation_token: str | None
    invited_until: datetime


class AcceptanceBody(Body):
    """An invitation's token and the password that its user chooses."""

    model_config = example(token="cherish_Xk29bQ7d_4m1Zt8Wq…_2Rk9aB", password=_PASSWORD)  # noqa: S106  an example

    token: Annotated[str, Field(min_length=1, max_length=200)]
    password: Password


class ResetBody(Body):
    """The address of a user who has forgotten the password."""

    model_config = example(email=_EMAIL)

    email: Email


class ResetAnswer(Answer):
    """For how long the letter's token works, if there is such a user."""

    model_config = example(reset_minutes=60.0)

    reset_minutes: float


class SignInBody(Body):
    """A user's address and password; the code of the authenticator, or a recovery code, where the user has one."""

    model_config = example(email=_EMAIL, password=_PASSWORD, code="492039")

    email: Email
    password: Password
    code: Code | None = None


class PresentPassword(Body):
    """A signed-in user's present password."""

    model_config = example(password=_PASSWORD)

    password: Password


class SecondFactorCode(Body):
    """Six digits of the authenticator."""

    model_config = example(code="492039")

    code: Code


class PasswordAndCode(Body):
    """A signed-in user's present password, and six digits of the authenticator or a recovery code."""

    model_config = example(password=_PASSWORD, code="492039")

    password: Password
    code: Code


class SecondFactorAnswer(Answer):
    """Whether the user signs in with a code, since when (null: not), and how many recovery codes are left."""

    model_config = example(confirmed_at=_NOW, recovery_codes=10)

    confirmed_at: datetime | None
    recovery_codes: int


class EnrolmentAnswer(Answer):
    """What an authenticator is told, this once: the secret (Base32), and the same as an address for its camera."""

    model_config = example(
        secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",  # noqa: S106  an example
        uri="otpauth://totp/Cherish:ada%40harbour.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Cherish",
    )

    secret: str
    uri: str


class RecoveryCodes(Answer):
    """Codes that each stand in once for an authenticator that is lost; shown this once."""

    model_config = example(codes=["k7wm-2qpz-9dhx-vn4c-tb83-yjf5", "r3tb-8yjf-5gse-ua6k-wm2q-pz9d"])

    codes: list[str]


class PasskeyOptions(Answer):
    """The `publicKey` of `navigator.credentials.create` or `get`, in WebAuthn's JSON form (bytes are Base64url)."""

    model_config = example(public_key={"challenge": "b3J0aG9kb3g", "rpId": "cherish.example"})

    public_key: dict[str, Any]


class NewPasskey(Body):
    """A name of the user's choice, and what the browser answered (`PublicKeyCredential.toJSON()`)."""

    model_config = example(name="laptop", credential={"id": "AQID", "type": "public-key", "response": {}})

    name: Annotated[str, Field(min_length=1, max_length=100)]
    credential: dict[str, Any]


class PasskeySignIn(Body):
    """What the browser answered (`PublicKeyCredential.toJSON()`)."""

    model_config = example(credential={"id": "AQID", "type": "public-key", "response": {}})

    credential: dict[str, Any]


class PasskeyAnswer(Answer):
    """One passkey of a user."""

    model_config = example(id="pk_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", name="laptop", created_at=_NOW, last_used_at=_NOW)

    id: PasskeyId
    name: str
    created_at: datetime
    last_used_at: datetime | None


class Passkeys(Answer):
    """All passkeys of a user."""

    model_config = example(items=[])

    items: list[PasskeyAnswer]


class Pseudonym(Body):
    """Whether providers see a buyer under a pseudonym, another to each of them, in place of its name and id."""

    model_config = example(pseudonymous=True)

    pseudonymous: bool


class SignInPolicy(Body):
    """Whether an organisation's people must sign in with a second factor (code, passkey, or its own provider)."""

    model_config = example(second_factor_required=True)

    second_factor_required: bool


class SessionAnswer(Answer):
    """Who is signed in with this browser, and the token that its changes carry as `X-CSRF-Token`."""

    model_config = example(
        user_id=_USER,
        email=_EMAIL,
        name="Ada",
        account_id=_ACCOUNT,
        account_name="Harbour Hospital",
        role="provider",
        scopes=["datasets:read", "datasets:write"],
        expires_at=_NOW,
        csrf_token="b3J0aG9kb3ggc2hpcHdyZWNr",  # noqa: S106  an example
        second_factor_required=False,
    )

    user_id: UserId
    email: str
    name: str
    account_id: AccountId
    account_name: str
    role: Role
    scopes: list[str]
    expires_at: datetime
    csrf_token: str
    # whether the organisation demands a second factor that this session lacks: it is good for setting one up only
    second_factor_required: bool = False


class PasswordBody(Body):
    """A signed-in user's present password, and the one to come."""

    model_config = example(present=_PASSWORD, password="another quiet harbour")  # noqa: S106  an example

    present: Password
    password: Password


class SuspensionBody(Body):
    """Why; whoever calls with one of the organisation's keys is told."""

    model_config = example(reason="invoices are open since March")

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class LimitsBody(Body):
    """An organisation's own limits; null means the settings' number again, what is left out stays."""

    model_config = example(max_running_jobs=8, reads_per_minute=None, writes_per_minute=600)

    max_running_jobs: Annotated[int, Field(ge=0, le=10_000)] | None = None
    reads_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    writes_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_drafts: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_versions: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_keys: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_stored_bytes: Annotated[int, Field(ge=1, le=2**50)] | None = None


class LimitsAnswer(Answer):
    """What applies to an organisation: its own numbers, else the settings'."""

    model_config = example(
        account_id=_ACCOUNT,
        max_running_jobs=8,
        reads_per_minute=60000,
        writes_per_minute=600,
        max_drafts=5000,
        max_versions=1000,
        max_keys=1000,
        max_stored_bytes=214748364800,
    )

    account_id: AccountId
    max_running_jobs: int
    reads_per_minute: int
    writes_per_minute: int
    max_drafts: int
    max_versions: int
    max_keys: int
    max_stored_bytes: int
