"""All SQL on identity providers and whom they know. It decides nothing."""

import uuid

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.accounts.tables import Account, User
from app.single_sign_on.tables import IdentityProvider, ProviderPerson


def provider(session: Session, account_id: uuid.UUID) -> IdentityProvider | None:
    return session.get(IdentityProvider, account_id)


def provider_by_name(session: Session, organisation: str) -> IdentityProvider | None:
    """The provider of the organisation that is called so."""
    statement = select(IdentityProvider).join(Account, Account.id == IdentityProvider.account_id)
    return session.scalar(statement.where(Account.name == organisation))


def add(session: Session, row: IdentityProvider | ProviderPerson) -> None:
    session.add(row)
    session.flush()


def drop_provider(session: Session, account_id: uuid.UUID) -> bool:
    """Forget an organisation's provider and whom it knows; whether there was one."""
    session.execute(delete(ProviderPerson).where(ProviderPerson.account_id == account_id))
    gone = delete(IdentityProvider).where(IdentityProvider.account_id == account_id)
    return session.execute(gone.returning(IdentityProvider.account_id)).first() is not None


def person(session: Session, account_id: uuid.UUID, issuer: str, subject: str) -> User | None:
    """The present user whom a provider calls ``subject``."""
    statement = (
        select(User)
        .join(ProviderPerson, ProviderPerson.user_id == User.id)
        .where(
            ProviderPerson.account_id == account_id,
            ProviderPerson.issuer == issuer,
            ProviderPerson.subject == subject,
            User.removed_at.is_(None),
        )
    )
    return session.scalar(statement)


def people_of(session: Session, account_id: uuid.UUID, issuer: str, subject: str | None) -> list[uuid.UUID]:
    """The users whom a provider knows, or the one whom it calls ``subject``."""
    statement = select(ProviderPerson.user_id).where(
        ProviderPerson.account_id == account_id, ProviderPerson.issuer == issuer
    )
    return list(session.scalars(statement if subject is None else statement.where(ProviderPerson.subject == subject)))


def link_of(session: Session, user_id: uuid.UUID) -> ProviderPerson | None:
    return session.get(ProviderPerson, user_id)


def forget_removed(session: Session, account_id: uuid.UUID, issuer: str, subject: str) -> None:
    """A person whose user was removed may be invited again, as another user."""
    removed = select(User.id).where(User.account_id == account_id, User.removed_at.is_not(None))
    session.execute(
        delete(ProviderPerson).where(
            ProviderPerson.account_id == account_id,
            ProviderPerson.issuer == issuer,
            ProviderPerson.subject == subject,
            ProviderPerson.user_id.in_(removed),
        )
    )
