"""Tables of accounts (organisations), their API keys, users and sessions. No token is here: only its HMAC is.

Of a password only its argon2 hash is here, which carries its own salt and cost.
"""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped, closed_list
from app.identity import AccountStatus, Role


class Account(Timestamped, Base):
    """One organisation: a provider of data, a buyer of valuations, or an administrator of this deployment."""

    __tablename__ = "accounts"
    __table_args__ = (Index("ix_accounts_created_at_id", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(200), unique=True)
    role: Mapped[Role] = mapped_column(closed_list(Role))
    status: Mapped[AccountStatus] = mapped_column(closed_list(AccountStatus), server_default="active")
    # why it is suspended, in the administrator's words; told to whoever calls with one of its keys
    status_reason: Mapped[str | None] = mapped_column(String(500))
    # whether providers see a pseudonym of a buyer, and what it is drawn from (``pseudonyms``)
    pseudonymous: Mapped[bool] = mapped_column(server_default=false())
    pseudonym_secret: Mapped[bytes | None] = mapped_column(LargeBinary(32), deferred=True)
    # where an administrator decided otherwise than the settings; NULL is the settings' number
    max_running_jobs: Mapped[int | None]
    reads_per_minute: Mapped[int | None]
    writes_per_minute: Mapped[int | None]
    max_drafts: Mapped[int | None]
    max_versions: Mapped[int | None]
    max_keys: Mapped[int | None]
    max_stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # whether its people must sign in with a second factor
    second_factor_required: Mapped[bool] = mapped_column(server_default=false())
    # whether its people may sign in through its own provider alone
    provider_required: Mapped[bool] = mapped_column(server_default=false())


class ApiKey(Timestamped, Base):
    """One bearer key of an account. Revoked keys stay, so that the log of who did what keeps its names."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("ix_api_keys_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_api_keys_replaced_by", "replaced_by"),
        Index("ix_api_keys_made_by_key", "made_by_key"),
        Index("ix_api_keys_made_by_user", "made_by_user"),
    )

    id: Mapped[PrimaryKey]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(8), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    # the key that took this one's place by rotation; this one then expires when the overlap ends
    replaced_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("api_keys.id", ondelete="RESTRICT"))
    # the key or the user that made this one, with whom it ends; bare ids: neither row is ever deleted
    made_by_key: Mapped[uuid.UUID | None]
    made_by_user: Mapped[uuid.UUID | None]


class User(Timestamped, Base):
    """A person of an organisation, who signs in with an email address and a password.

    Before the invitation is accepted there is no password hash. Removed users stay, for the audit log's sake; their
    address may be invited again.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", "email", unique=True, postgresql_where=text("removed_at IS NULL")),
        Index("ix_users_account_id_created_at_id", "account_id", "created_at", "id"),
    )

    id: Mapped[PrimaryKey]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    # lower case
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    # HMAC of the token that sets the first password
    invitation: Mapped[str | None] = mapped_column(String(64), unique=True)
    invited_until: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]

    @property
    def joined(self) -> bool:
        """Whether this user has set a password, or was signed in by the organisation's provider."""
        return self.password_hash is not None or self.last_login_at is not None


class SecondFactor(Timestamped, Base):
    """A user's authenticator: its secret, encrypted; until it is confirmed with a code it decides nothing."""

    __tablename__ = "second_factors"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    secret: Mapped[str] = mapped_column(String(255))
    confirmed_at: Mapped[datetime | None]
    # the step of the last code that was taken: none up to it is taken again
    last_step: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCode(Base):
    """One of the codes that stand in for an authenticator that is lost; only its HMAC is here."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_user_id", "user_id"),)

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    used_at: Mapped[datetime | None]


class Passkey(Timestamped, Base):
    """A public key with which a user signs in; the private one never leaves the user's device (WebAuthn)."""

    __tablename__ = "passkeys"
    __table_args__ = (Index("ix_passkeys_user_id", "user_id"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(100))
    # Base64url of the device's own name for it, at most 1023 bytes
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    # how often it was used, by the device's count; 0 for ever where it does not count
    sign_count: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[datetime | None]


class UsedChallenge(Base):
    """A challenge that a passkey has answered, until it is too old to be answered again anyway."""

    __tablename__ = "used_challenges"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    forgotten_at: Mapped[datetime]


class EndedVisit(Base):
    """A browser's visit that a key began and that was ended by logging out, until its cookie has expired anyway."""

    __tablename__ = "ended_visits"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    forgotten_at: Mapped[datetime]


class UserSession(Timestamped, Base):
    """One signed-in browser of a user, until it expires or is ended."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_user_id", "user_id"), Index("ix_user_sessions_expires_at", "expires_at"))

    id: Mapped[PrimaryKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    # whether it was begun with more than a password: a code, a passkey, or by the organisation's own provider
    second_factor: Mapped[bool] = mapped_column(server_default=false())
    # what the organisation's own provider calls its side of it, "" where it calls it nothing; NULL: begun without it
    provider_session: Mapped[str | None] = mapped_column(String(255))
    # the last page or answer that was read with it, to a minute; NULL: none since it began
    last_used_at: Mapped[datetime | None]
    # what the browser called itself when it signed in
    browser: Mapped[str] = mapped_column(String(200), server_default="")
