"""The rules of accounts and keys: who may exist, what a key may do, when it stops working. Never commits.

A token leaves this module once, as the return value of ``issue_key``; afterwards only its fingerprint exists.
"""

import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.accounts import approval, people, repository, tokens
from app.accounts.tables import Account, ApiKey
from app.errors import Conflict, FieldError, InvalidInput, NotFound, Unauthorized
from app.http.pages import PageRequest
from app.identity import SCOPES, AccountStatus, Caller, Role
from app.settings import Settings

# last_used_at is only as fine as this, so that reading does not write
_USE_RESOLUTION = timedelta(minutes=5)


def create_account(session: Session, name: str, role: Role) -> Account:
    """A new organisation; raises Conflict where the name is taken."""
    # of two that ask for one name at once, the second waits here and then sees the first one's
    repository.lock_name(session, name)
    if repository.account_by_name(session, name) is not None:
        raise Conflict(f"an account named {name!r} exists already; names are unique, choose another")
    account = Account(name=name, role=role)
    repository.add(session, account)
    return account


def get_account(session: Session, account_id: uuid.UUID) -> Account:
    """One account; raises NotFound."""
    account = repository.account(session, account_id)
    if account is None:
        raise NotFound(f"no account acc_{account_id.hex}")
    return account


def by_name(session: Session, name: str) -> Account | None:
    """The organisation of this name, or None."""
    return repository.account_by_name(session, name)


def names(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What organisations are called, by id; for administrators, and for what is public of a provider."""
    return repository.names(session, ids)


def list_accounts(
    session: Session, page: PageRequest, status: AccountStatus | None = None
) -> tuple[list[Account], str | None]:
    """All organisations, or those of one status, newest first; for administrators."""
    return repository.accounts(session, page, status)


def issue_key(
    session: Session,
    settings: Settings,
    account: Account,
    name: str,
    *,
    scopes: Collection[str] | None = None,
    expires_at: datetime | None = None,
    maker: Caller | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token; it ends with the key or user of ``maker``. ``scopes`` defaults to all of the role's;
    raises InvalidInput for any beyond them."""
    allowed = SCOPES[account.role]
    granted = allowed if scopes is None else frozenset(scopes)
    if beyond := sorted(granted - allowed):
        refused, possible = ", ".join(beyond), ", ".join(sorted(allowed))
        detail = f"a {account.role.value} key cannot carry {refused}; it can carry {possible}"
        raise InvalidInput(detail, errors=[FieldError("/scopes", detail)])
    if expires_at is not None and expires_at <= datetime.now(UTC):
        detail = f"expires_at {expires_at.isoformat()} is in the past; give a future time, or none"
        raise InvalidInput(detail, errors=[FieldError("/expires_at", detail)])
    most = settings.max_keys if account.max_keys is None else account.max_keys
    if repository.count_keys(session, account.id) >= most:
        detail = f"an organisation may have {most} keys; revoke one that is not used"
        raise Conflict(detail, errors=[FieldError("", detail, "quota")])
    token = tokens.new_token()
    key = ApiKey(
        account_id=account.id,
        name=name,
        prefix=tokens.prefix_of(token),
        fingerprint=tokens.fingerprint(token, settings.key_pepper.get_secret_value()),
        scopes=sorted(granted),
        expires_at=expires_at,
        made_by_key=maker.key_id if maker is not None else None,
        made_by_user=maker.user_id if maker is not None else None,
    )
    repository.add(session, key)
    return key, token


def delegate_key(
    session: Session,
    settings: Settings,
    caller: Caller,
    name: str,
    scopes: Collection[str] | None,
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    """A further key of the caller's account, carrying at most what the key at hand carries: keys cannot grow, and none
    outlives the key that made it. Without ``expires_at`` it ends when the key at hand does."""
    granted = caller.scopes if scopes is None else frozenset(scopes)
    if beyond := sorted(granted - caller.scopes):
        detail = f"the key at hand does not carry {', '.join(beyond)}, so it cannot hand them on; leave them out"
        raise InvalidInput(detail, errors=[FieldError("/scopes", detail)])
    repository.lock_keys(session, caller.account_id)
    if caller.key_id is not None and repository.revoked(session, caller.key_id):
        raise Unauthorized("the key at hand was revoked; use another")
    ends = caller.expires_at if caller.key_id is not None else None
    if ends is not None and expires_at is not None and expires_at > ends:
        detail = f"the key at hand ends at {ends.isoformat()}, and what it makes ends no later; give an earlier time"
        raise InvalidInput(detail, errors=[FieldError("/expires_at", detail)])
    account = get_account(session, caller.account_id)
    return issue_key(session, settings, account, name, scopes=granted, expires_at=expires_at or ends, maker=caller)


def authenticate(session: Session, settings: Settings, token: str) -> Caller:
    """The caller that a token stands for; raises Unauthorized, saying which of the three things is wrong with it.

    Raises Forbidden, with the reason, where the organisation is suspended or not yet approved.
    """
    prefix = tokens.prefix_of(token)
    if prefix is None:
        raise Unauthorized("this is not a Cherish key: its form or checksum is wrong; was it cut off when copied?")
    row = repository.key_and_account(session, prefix)
    fingerprint = tokens.fingerprint(token, settings.key_pepper.get_secret_value())
    # compare even where no key was found, so that the time taken does not tell which prefixes exist
    matches = tokens.same(fingerprint, row[0].fingerprint if row else "0" * len(fingerprint))
    if row is None or not matches:
        raise Unauthorized("no such key; create one with POST /v1/keys, or ask your administrator")
    key, account = row
    now = datetime.now(UTC)
    if key.revoked_at is not None:
        raise Unauthorized(f"key {key.prefix} was revoked on {key.revoked_at:%Y-%m-%d}; use another")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthorized(f"key {key.prefix} expired on {key.expires_at:%Y-%m-%d}; create another")
    approval.insist(account)
    if key.last_used_at is None or now - key.last_used_at > _USE_RESOLUTION:
        repository.touch(session, key.id, now)
    return _caller(account, key)


def _caller(account: Account, key: ApiKey) -> Caller:
    return Caller(
        account.id,
        account.role,
        # a key never outgrows its role, whatever it was issued with
        frozenset(key.scopes) & SCOPES[account.role],
        key.id,
        expires_at=key.expires_at,
        reads_per_minute=account.reads_per_minute,
        writes_per_minute=account.writes_per_minute,
    )


def resume(session: Session, account_id: uuid.UUID, key_id: uuid.UUID) -> Caller:
    """The caller of a session that a key began; raises Unauthorized once the key is revoked or has expired."""
    key = repository.own_key(session, account_id, key_id)
    if (
        key is None
        or key.revoked_at is not None
        or (key.expires_at is not None and key.expires_at <= datetime.now(UTC))
    ):
        raise Unauthorized("the key that began this session is no longer valid; log in again")
    account = get_account(session, account_id)
    approval.insist(account)
    return _caller(account, key)


def insist_still(session: Session, caller: Caller) -> None:
    """Raise Unauthorized or Forbidden where a caller that was let in before may no longer act: its key was revoked or
    has expired, its user was removed or has signed out, its organisation was suspended. For what stays open."""
    if caller.key_id is not None:
        resume(session, caller.account_id, caller.key_id)
        return
    if caller.session_id is not None and not people.session_goes_on(session, caller.session_id, datetime.now(UTC)):
        raise Unauthorized("this session has ended; sign in again")
    approval.insist(get_account(session, caller.account_id))


def list_keys(session: Session, caller: Caller, page: PageRequest) -> tuple[list[ApiKey], str | None]:
    """The caller's own keys, revoked ones included, newest first."""
    return repository.own_keys(session, caller.account_id, page)


def revoke_key(session: Session, account_id: uuid.UUID, key_id: uuid.UUID) -> None:
    """End a key of an account, and all that was made with it, at once; doing it twice is one. What took its place by
    rotation stays. Raises NotFound for anybody else's."""
    repository.lock_keys(session, account_id)
    key = repository.own_key(session, account_id, key_id)
    if key is None:
        raise NotFound(f"no key key_{key_id.hex} of yours; list them with GET /v1/keys")
    repository.revoke_family(session, datetime.now(UTC), key_id=key.id)


def rotate_key(
    session: Session,
    settings: Settings,
    caller: Caller,
    key_id: uuid.UUID,
    overlap: timedelta,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key in the place of one of the caller's: same name, same scopes; the present one ends after ``overlap``.

    ``expires_at`` defaults to as long a life as the present key was given, from now on. Raises NotFound for anybody
    else's key, Conflict for one that has ended or been rotated, InvalidInput where the key at hand carries less.
    """
    key = repository.own_key(session, caller.account_id, key_id, lock=True)
    if key is None:
        raise NotFound(f"no key key_{key_id.hex} of yours; list them with GET /v1/keys")
    now = datetime.now(UTC)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Conflict(f"key {key.prefix} has ended and cannot be rotated; create another with POST /v1/keys")
    if key.replaced_by is not None:
        raise Conflict(f"key {key.prefix} was rotated already; rotate the key that took its place")
    if expires_at is None and key.expires_at is not None:
        expires_at = now + (key.expires_at - key.created_at)
    # a key never outgrows its role: what the role has lost since is left behind
    scopes = frozenset(key.scopes) & SCOPES[caller.role]
    if caller.key_id is not None and caller.expires_at is not None and expires_at is not None:
        # as long as before, but never longer than the key that asks for it: none prolongs itself
        expires_at = min(expires_at, caller.expires_at)
    fresh, token = delegate_key(session, settings, caller, key.name, scopes, expires_at)
    # it stands where the present key stood, and so do the keys that one made
    fresh.made_by_key, fresh.made_by_user = key.made_by_key, key.made_by_user
    key.replaced_by = fresh.id
    session.flush()
    repository.adopt(session, key.id, fresh.id)
    ends = now + overlap
    key.expires_at = ends if key.expires_at is None else min(key.expires_at, ends)
    session.flush()
    return fresh, token
