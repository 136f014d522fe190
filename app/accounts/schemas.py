"""What HTTP sees of accounts and keys. A token appears once, in the answer that creates its key."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from app.accounts.roles import Role
from app.http.ids import AccountId, KeyId
from app.http.schemas import Answer, Body, example

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

    model_config = example(id=_ACCOUNT, name="Harbour Hospital", role="provider", created_at=_NOW)

    id: AccountId
    name: str
    role: Role
    created_at: datetime


class CreatedAccount(AccountAnswer):
    """A new organisation and its first key; the token is shown this once and null when the answer is replayed."""

    model_config = example(
        id=_ACCOUNT,
        name="Harbour Hospital",
        role="provider",
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
