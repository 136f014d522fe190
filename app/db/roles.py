"""The database roles of processes that run all the time: each may do what its work needs, and none owns a table.

Migrations run as the owner of the schema (``cherish migrate``, and the embedded stack at its start), who then grants.
What is append-only is so for these roles twice: by triggers, and because they lack the right. A role is named after the
owner, ``cherish_api`` beside ``cherish``; roles are of a cluster, rights of one database.
"""

import enum
from collections.abc import Mapping

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from app.settings import Settings


class DatabaseRole(enum.StrEnum):
    """Who connects: the API, the workers, housekeeping (relay, sweeper, bookkeeper, collector)."""

    API = "api"
    WORKER = "worker"
    HOUSEKEEPING = "housekeeping"

    def named(self, owner: str) -> str:
        """The role's name beside that owner's."""
        return f"{owner}_{self.value}"


APPEND_ONLY = frozenset({"audit_log", "ledger_transfers", "ledger_seals", "payout_settlements", "billing_documents"})
"""Rows are added and read."""
BALANCES = "ledger_accounts"
"""Rows are added; a transfer's trigger, which acts as the owner, moves what is in them."""
READ_ONLY = frozenset({"alembic_version"})
SIGNING_IN = frozenset({"api_keys", "users", "user_sessions", "ended_visits", "second_factors", "recovery_codes"})
"""Whoever could write them could act as anybody: the API alone does."""
# of a locked row one column must be writable (SELECT FOR UPDATE); the table's trigger refuses the change itself
_LOCKED_BY = "id"
_LOCK = 7_212_026


def passwords(settings: Settings) -> dict[DatabaseRole, str]:
    """Of the roles for which this deployment names a password."""
    named = {
        DatabaseRole.API: settings.api_database_password,
        DatabaseRole.WORKER: settings.worker_database_password,
        DatabaseRole.HOUSEKEEPING: settings.housekeeping_database_password,
    }
    return {role: password.get_secret_value() for role, password in named.items() if password is not None}


def grant(engine: Engine, by_role: Mapping[DatabaseRole, str]) -> None:
    """Make these roles where they are missing, with these passwords, and give each what it needs and nothing else.

    Run it as the owner after each migration: a new table is nobody's until then. Safe to run twice and at once.
    """
    with engine.connect() as held:
        connection: psycopg.Connection[tuple[object, ...]] = held.connection.driver_connection  # type: ignore[assignment]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            (owner,) = cursor.execute("SELECT current_user").fetchone() or ("",)
            tables = _tables(cursor)
            for role, password in by_role.items():
                _make(cursor, role.named(str(owner)), password)
                _give(cursor, role, role.named(str(owner)), tables)


def rights(role: DatabaseRole, table: str) -> frozenset[str]:
    """What a role may do with a table as a whole."""
    if table in READ_ONLY:
        return frozenset({"SELECT"})
    if table in SIGNING_IN and role is not DatabaseRole.API:
        return frozenset()
    if table in APPEND_ONLY or table == BALANCES:
        return frozenset({"SELECT", "INSERT"})
    if table == "accounts" and role is not DatabaseRole.API:
        return frozenset({"SELECT"})
    return frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


def _tables(cursor: psycopg.Cursor[tuple[object, ...]]) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [str(name) for (name,) in cursor.fetchall()]


def _make(cursor: psycopg.Cursor[tuple[object, ...]], name: str, password: str) -> None:
    known = cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    cursor.execute(
        sql.SQL(
            "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT PASSWORD {}"
        ).format(sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(name), sql.Literal(password))
    )


def _give(cursor: psycopg.Cursor[tuple[object, ...]], role: DatabaseRole, name: str, tables: list[str]) -> None:
    who = sql.Identifier(name)
    cursor.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(who))
    cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(who))
    cursor.execute(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(who))
    for table in tables:
        if granted := rights(role, table):
            listed = sql.SQL(", ").join(map(sql.SQL, sorted(granted)))
            cursor.execute(sql.SQL("GRANT {} ON TABLE {} TO {}").format(listed, sql.Identifier(table), who))
        if table in (BALANCES, "accounts") and "UPDATE" not in granted:
            column = sql.Identifier(_LOCKED_BY)
            cursor.execute(sql.SQL("GRANT UPDATE ({}) ON TABLE {} TO {}").format(column, sql.Identifier(table), who))
