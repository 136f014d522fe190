"""``cherish keys create | list | revoke``: API keys from the operator's side, straight in the database.

A token is printed once, when it is made. It cannot be shown again: only its fingerprint is stored.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from app.accounts import repository, service
from app.accounts.tables import Account, ApiKey
from app.audit import service as audit
from app.cli import place
from app.db.limits import Process
from app.db.session import make_session_factory, open_engine, transaction
from app.errors import Conflict, NotFound
from app.identity import SCOPES, Role

keys = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="keys")


@contextmanager
def operator_session() -> Iterator[Session]:
    """A transaction on the deployment's database, with the operator's settings."""
    engine = open_engine(place.operator_settings(), Process.OPERATOR, pool_size=1)
    try:
        with transaction(make_session_factory(engine)) as session:
            yield session
    finally:
        engine.dispose()


@keys.command()
def create(
    account: Annotated[str, typer.Argument(help="The organisation's name; made where there is none.")],
    role: Annotated[Role, typer.Option(help="What a new organisation is here for.")],
    name: Annotated[str, typer.Option(help="A name for the key.")] = "cli",
    scope: Annotated[list[str] | None, typer.Option(help="May be repeated; all of the role's when left out.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never when left out.")] = None,
) -> None:
    """Make a key and print its token, once."""
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with operator_session() as session:
        owner = repository.account_by_name(session, account)
        if owner is None:
            owner = service.create_account(session, account, role)
        elif owner.role is not role:
            raise Conflict(
                f"account {account!r} is a {owner.role.value}; pass --role {owner.role.value}, or a new name"
            )
        made, token = service.issue_key(
            session, place.operator_settings(), owner, name, scopes=scope or None, expires_at=expires
        )
        audit.record(
            session, None, "create_key", f"key_{made.id.hex}", {"name": name}, subject=owner.id, note="command line"
        )
    Console().print(token, soft_wrap=True, highlight=False)


@keys.command("list")
def list_() -> None:
    """All keys, without their secrets."""
    table = Table("key", "account", "role", "name", "scopes", "created", "state")
    with operator_session() as session:
        for key, owner in repository.all_keys(session):
            table.add_row(
                key.prefix, owner.name, owner.role.value, key.name, _scopes(key, owner),
                f"{key.created_at:%Y-%m-%d}", _state(key.revoked_at, key.expires_at),
            )  # fmt: skip
    Console().print(table)


def _scopes(key: ApiKey, owner: Account) -> str:
    return "all of its role" if frozenset(key.scopes) == SCOPES[owner.role] else " ".join(key.scopes)


def _state(revoked_at: datetime | None, expires_at: datetime | None) -> str:
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d}"
    if expires_at is None:
        return "valid"
    return f"{'expired' if expires_at <= datetime.now(UTC) else 'valid until'} {expires_at:%Y-%m-%d}"


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's prefix as `list` shows it, or its id (key_...).")],
) -> None:
    """End a key at once."""
    with operator_session() as session:
        for candidate, owner in repository.all_keys(session):
            if key in (candidate.prefix, f"key_{candidate.id.hex}") or _same_id(key, candidate.id):
                service.revoke_key(session, owner.id, candidate.id)
                audit.record(
                    session, None, "revoke_key", f"key_{candidate.id.hex}", {}, subject=owner.id, note="command line"
                )
                break
        else:
            raise NotFound(f"no key {key!r}; `cherish keys list` shows them all")
    Console().print(f"revoked {key}")


def _same_id(text: str, identity: uuid.UUID) -> bool:
    return text.replace("-", "").lower() == identity.hex
