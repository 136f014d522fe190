"""The roles of running processes: none changes what is append-only, none owns or alters a table, each works."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from app.db import roles
from app.db.roles import APPEND_ONLY, BALANCES, SIGNING_IN, DatabaseRole
from app.db.session import make_engine, make_session_factory
from app.payouts import service
from app.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def granted(engine: Engine) -> dict[DatabaseRole, str]:
    given = {role: uuid.uuid4().hex for role in DatabaseRole}
    roles.grant(engine, given)
    # as each migration does
    roles.grant(engine, given)
    return given


def url_of(engine: Engine, given: dict[DatabaseRole, str], role: DatabaseRole) -> str:
    url = make_url(engine.url)
    return url.set(username=role.named(url.username or ""), password=given[role]).render_as_string(hide_password=False)


@pytest.fixture(params=list(DatabaseRole))
def role(request: pytest.FixtureRequest) -> DatabaseRole:
    named: DatabaseRole = request.param
    return named


@pytest.fixture
def connection(engine: Engine, granted: dict[DatabaseRole, str], role: DatabaseRole) -> Iterator[Connection]:
    with psycopg.connect(url_of(engine, granted, role).replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def refused(connection: Connection, statement: str) -> bool:
    """Whether a right is missing; any other refusal, by a trigger for instance, is another error."""
    with pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())
    return True


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("audit_log", "action"),
        # one column of a balance must be writable, so that its row can be locked; its trigger refuses the change
        ("ledger_accounts", "debits_posted"),
        ("ledger_seals", "day"),
        ("ledger_transfers", "amount"),
        ("payout_settlements", "currency"),
        ("billing_documents", "currency"),
    ],
)
def test_no_role_has_the_right_to_change_ledger_or_audit_log(connection: Connection, table: str, column: str) -> None:
    assert refused(connection, f"UPDATE {table} SET {column} = {column}")  # noqa: S608  names of this file
    assert refused(connection, f"DELETE FROM {table}")  # noqa: S608  same
    assert refused(connection, f"TRUNCATE {table}")
    assert connection.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608  same


def test_no_role_is_more_than_a_user_of_its_tables(connection: Connection) -> None:
    for statement in (
        "ALTER TABLE ledger_transfers DISABLE TRIGGER ALL",
        "DROP TABLE audit_log",
        "CREATE TABLE public.mine (it integer)",
        "CREATE ROLE mine",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION public.ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "UPDATE alembic_version SET version_num = 'x'",
        "COPY audit_log TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ):
        assert refused(connection, statement)
    assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)


def test_how_people_sign_in_is_the_apis_alone(connection: Connection, role: DatabaseRole) -> None:
    for table in sorted(SIGNING_IN):
        if role is DatabaseRole.API:
            connection.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608  same
        else:
            assert refused(connection, f"SELECT 1 FROM {table}")  # noqa: S608  same
            assert refused(connection, f"INSERT INTO {table} DEFAULT VALUES")


def test_every_table_is_read_by_the_api_and_what_is_append_only_is_so_for_all(
    engine: Engine, granted: dict[DatabaseRole, str]
) -> None:
    append_only = {*APPEND_ONLY, BALANCES}
    assert all(roles.rights(role, table) == {"SELECT", "INSERT"} for role in granted for table in append_only)
    with engine.connect() as connection:
        tables = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars()
        assert all("SELECT" in roles.rights(DatabaseRole.API, table) for table in tables)


def test_every_role_moves_money_by_transfers_and_no_other_way(
    engine: Engine, granted: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    own = make_engine(url_of(engine, granted, role), pool_size=1)
    try:
        with make_session_factory(own)() as session:
            owner = uuid.uuid4()
            service.deposit(session, owner, 500, "EUR", "a transfer")
            assert [(each.currency, each.available) for each in service.balances(session, owner)] == [("EUR", 500)]
            session.rollback()
    finally:
        own.dispose()


def test_migrate_gives_rights_to_the_roles_that_the_deployment_names() -> None:
    settings = Settings(worker_database_password="w")  # type: ignore[arg-type]  # pydantic makes the secret
    assert roles.passwords(settings) == {DatabaseRole.WORKER: "w"}
    assert roles.passwords(Settings()) == {}
