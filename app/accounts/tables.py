"""Tables of accounts (organisations) and their API keys. A key's token is never here: only its HMAC is."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.roles import Role
from app.db.base import Base, PrimaryKey, Timestamped, enum_by_value


class Account(Timestamped, Base):
    """One organisation: a provider of data, a buyer of valuations, or an administrator of this deployment."""

    __tablename__ = "accounts"
    __table_args__ = (Index("ix_accounts_created_at_id", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(200), unique=True)
    role: Mapped[Role] = mapped_column(enum_by_value(Role))


class ApiKey(Timestamped, Base):
    """One bearer key of an account. Revoked keys stay, so that the log of who did what keeps its names."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_account_id_created_at_id", "account_id", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(8), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
