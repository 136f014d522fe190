"""Tables of single sign-on: an organisation's identity provider, and whom it knows."""

import uuid
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamped, closed_list


class Admits(StrEnum):
    """Whom a provider lets in: the organisation's users alone, or whoever has an address of its domains."""

    INVITED = "invited"
    DOMAIN = "domain"


class IdentityProvider(Timestamped, Base):
    """An organisation's own OpenID Connect provider. The client's secret is encrypted."""

    __tablename__ = "identity_providers"

    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(500))
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret: Mapped[str] = mapped_column(Text)
    # lower case; an address of no other domain is let in
    domains: Mapped[list[str]] = mapped_column(ARRAY(String(253)))
    admits: Mapped[Admits] = mapped_column(closed_list(Admits))


class ProviderPerson(Timestamped, Base):
    """Which of a provider's people a user is, from the first sign-in on."""

    __tablename__ = "provider_people"
    __table_args__ = (UniqueConstraint("account_id", "issuer", "subject"),)

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id", ondelete="RESTRICT"))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
