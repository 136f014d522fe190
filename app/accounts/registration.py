"""Organisations that register themselves, and what an administrator decides of them: approval, suspension, limits.

Never commits. Administrators are never registered: they are made on the command line, or by each other.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.accounts import people, repository, service, users
from app.accounts.tables import Account
from app.errors import Conflict, Forbidden, NotFound
from app.identity import AccountStatus, Caller, Role
from app.settings import Settings


@dataclass(frozen=True)
class AccountLimits:
    """What applies to an organisation."""

    account_id: uuid.UUID
    max_running_jobs: int
    reads_per_minute: int
    writes_per_minute: int
    max_drafts: int
    max_versions: int
    max_keys: int
    max_stored_bytes: int


LIMITS = tuple(each.name for each in fields(AccountLimits) if each.name != "account_id")
"""The names of what an administrator may set for one organisation."""


def register(
    session: Session, settings: Settings, name: str, role: Role, email: str, user_name: str, password: str
) -> tuple[Account, str]:
    """A new organisation with its first user and first key, active or waiting for approval as the settings say.

    Raises Forbidden where registration is closed, Conflict where name or address is taken, InvalidInput for a bad
    address or password.
    """
    if settings.registration == "closed" or role is Role.ADMIN:
        raise Forbidden("organisations cannot register themselves here; ask the operator for an account")
    account = service.create_account(session, name, role)
    if settings.registration == "approval":
        account.status = AccountStatus.PENDING
    users.create_user(session, account, email, user_name, password)
    _, token = service.issue_key(session, settings, account, "first key")
    session.refresh(account)
    return account, token


def approve(session: Session, account_id: uuid.UUID) -> Account:
    """Let a registered organisation act; one that may act already is left so. Raises Conflict for a suspended one."""
    account = _locked(session, account_id)
    if account.status is AccountStatus.SUSPENDED:
        raise Conflict(f"account acc_{account_id.hex} is suspended; reinstate it instead")
    account.status = AccountStatus.ACTIVE
    session.flush()
    return account


def suspend(session: Session, caller: Caller, account_id: uuid.UUID, reason: str) -> Account:
    """Refuse an organisation's keys from now on, with this reason, and end its sessions and open streams; jobs under
    way go on."""
    if account_id == caller.account_id:
        raise Conflict("an administrator cannot suspend its own organisation; let another one do it")
    account = _locked(session, account_id)
    account.status, account.status_reason = AccountStatus.SUSPENDED, reason
    people.end_account_sessions(session, account_id, datetime.now(UTC))
    session.flush()
    return account


def reinstate(session: Session, account_id: uuid.UUID) -> Account:
    """Lift a suspension; raises Conflict where there is none."""
    account = _locked(session, account_id)
    if account.status is not AccountStatus.SUSPENDED:
        raise Conflict(
            f"account acc_{account_id.hex} is {account.status.value}, not suspended; there is nothing to lift"
        )
    account.status, account.status_reason = AccountStatus.ACTIVE, None
    session.flush()
    return account


def limits(settings: Settings, account: Account) -> AccountLimits:
    """An organisation's own numbers, else the settings'."""
    return AccountLimits(
        account.id,
        _or(account.max_running_jobs, settings.max_running_per_buyer),
        _or(account.reads_per_minute, settings.reads_per_minute),
        _or(account.writes_per_minute, settings.writes_per_minute),
        _or(account.max_drafts, settings.max_drafts),
        _or(account.max_versions, settings.max_versions),
        _or(account.max_keys, settings.max_keys),
        _or(account.max_stored_bytes, settings.max_stored_bytes),
    )


def limits_of(session: Session, settings: Settings, account_id: uuid.UUID) -> AccountLimits:
    """The same by the organisation's id."""
    return limits(settings, service.get_account(session, account_id))


def adjust(
    session: Session, settings: Settings, account_id: uuid.UUID, changes: Mapping[str, int | None]
) -> AccountLimits:
    """Change some of ``LIMITS``; None is the settings' again."""
    account = _locked(session, account_id)
    for name in LIMITS:
        if name in changes:
            setattr(account, name, changes[name])
    session.flush()
    return limits(settings, account)


def _or(own: int | None, otherwise: int) -> int:
    return otherwise if own is None else own


def _locked(session: Session, account_id: uuid.UUID) -> Account:
    account = repository.locked_account(session, account_id)
    if account is None:
        raise NotFound(f"no account acc_{account_id.hex}; list them with GET /v1/accounts")
    return account
