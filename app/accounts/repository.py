"""All SQL on accounts and API keys. It decides nothing."""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from app.accounts.tables import Account, ApiKey
from app.http.pages import PageRequest
from app.identity import AccountStatus

# made once: every call of the API begins with it
_KEY_AND_ACCOUNT = (
    select(ApiKey, Account).join(Account, Account.id == ApiKey.account_id).where(ApiKey.prefix == bindparam("prefix"))
)


def add(session: Session, row: Account | ApiKey) -> None:
    """Insert now, so that a broken constraint is known here and not at the commit."""
    session.add(row)
    session.flush()


def account_by_name(session: Session, name: str) -> Account | None:
    return session.scalar(select(Account).where(Account.name == name))


def lock_name(session: Session, name: str) -> None:
    """Nobody else makes an organisation of this name until the transaction ends."""
    number = int.from_bytes(hashlib.sha256(b"account " + name.encode()).digest()[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(number)))


def account(session: Session, account_id: uuid.UUID) -> Account | None:
    return session.get(Account, account_id)


def locked_account(session: Session, account_id: uuid.UUID) -> Account | None:
    """The account, current and locked until the transaction ends."""
    statement = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    return session.scalar(statement.execution_options(populate_existing=True))


def accounts(session: Session, page: PageRequest, status: AccountStatus | None) -> tuple[list[Account], str | None]:
    statement = select(Account)
    if status is not None:
        statement = statement.where(Account.status == status)
    return page.fetch(session, statement, Account, {"list": "accounts", "status": status})


def names(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    return {row[0]: row[1] for row in session.execute(select(Account.id, Account.name).where(Account.id.in_(ids)))}


def key_and_account(session: Session, prefix: str) -> tuple[ApiKey, Account] | None:
    """The key with this public prefix, whatever its state, and its account."""
    row = session.execute(_KEY_AND_ACCOUNT, {"prefix": prefix}).one_or_none()
    return (row[0], row[1]) if row is not None else None


def touch(session: Session, key_id: uuid.UUID, now: datetime) -> None:
    """Note that a key was used. Skipped where another request is noting it: this must never be waited for."""
    free = select(ApiKey.id).where(ApiKey.id == key_id).with_for_update(skip_locked=True).scalar_subquery()
    session.execute(update(ApiKey).where(ApiKey.id == free).values(last_used_at=now))


def own_key(session: Session, account_id: uuid.UUID, key_id: uuid.UUID, *, lock: bool = False) -> ApiKey | None:
    statement = select(ApiKey).where(ApiKey.id == key_id, ApiKey.account_id == account_id)
    return session.scalar(statement.with_for_update() if lock else statement)


def own_keys(session: Session, account_id: uuid.UUID, page: PageRequest) -> tuple[list[ApiKey], str | None]:
    statement = select(ApiKey).where(ApiKey.account_id == account_id)
    return page.fetch(session, statement, ApiKey, {"list": "keys", "account": account_id})


def count_keys(session: Session, account_id: uuid.UUID) -> int:
    """An organisation's keys that work, or will until they expire."""
    alive = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())
    own = select(func.count()).select_from(ApiKey)
    return session.scalar(own.where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None), alive)) or 0


def lock_keys(session: Session, account_id: uuid.UUID) -> None:
    """One at a time makes or revokes keys of an organisation, so that none is made by one that is being revoked."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"keys of {account_id}", 0))))


def revoked(session: Session, key_id: uuid.UUID) -> bool:
    """Whether a key is revoked by now, whatever was read of it before."""
    return session.scalar(select(ApiKey.revoked_at).where(ApiKey.id == key_id)) is not None


def revoke_family(
    session: Session, now: datetime, *, key_id: uuid.UUID | None = None, user_id: uuid.UUID | None = None
) -> None:
    """Revoke a key (or whatever a user made) and all that was made with it, at any remove."""
    first = ApiKey.id == key_id if key_id is not None else ApiKey.made_by_user == user_id
    family = select(ApiKey.id).where(first).cte("family", recursive=True)
    family = family.union(select(ApiKey.id).join(family, ApiKey.made_by_key == family.c.id))
    session.execute(
        update(ApiKey)
        .where(ApiKey.id.in_(select(family.c.id)), ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session="fetch")
    )


def adopt(session: Session, key_id: uuid.UUID, by: uuid.UUID) -> None:
    """What a key made is from now on made by the one that took its place."""
    session.execute(
        update(ApiKey)
        .where(ApiKey.made_by_key == key_id, ApiKey.id != by)
        .values(made_by_key=by)
        .execution_options(synchronize_session="fetch")
    )


def all_keys(session: Session) -> Sequence[tuple[ApiKey, Account]]:
    """Every key of the deployment with its account, oldest first; for the operator's command line."""
    rows = session.execute(select(ApiKey, Account).join(Account).order_by(ApiKey.created_at, ApiKey.id))
    return [(row[0], row[1]) for row in rows]
