"""What a pooler between a process and Postgres changes: with pgbouncer in transaction mode nothing may belong to a
session, because each transaction may meet another one.

Statements are prepared nowhere, limits are set within each transaction, and UTC (which pgbouncer keeps for its clients)
once. A pooler of which the settings say nothing is refused: statements prepared through it would meet another client's.
"""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event

from app.db.limits import ConnectionLimits
from app.errors import Unavailable

UNSTATED = (
    "a pooler is between this process and Postgres, and CHERISH_DATABASE_POOLER does not say so; set it to "
    "transaction, or name Postgres' own address in CHERISH_DATABASE_URL"
)
# pgbouncer's word for what only a session can have
_REFUSED_PARAMETER = "unsupported startup parameter"


def serve_transactions(engine: Engine, limits: ConnectionLimits) -> None:
    """Make the engine's transactions bring with them what their connections cannot keep."""
    variables = limits.variables()
    names = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in variables.items())
    statement = f"SELECT {names}"

    @event.listens_for(engine, "connect")
    def speak_utc(connection: psycopg.Connection[Any], _record: Any) -> None:
        _alone(connection, "SET timezone TO 'UTC'")

    @event.listens_for(engine, "begin")
    def limit(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(statement)


def refuse_unstated(engine: Engine) -> None:
    """Make the engine's first connection find out whether it reaches Postgres itself; raises Unavailable if not."""
    direct = False

    @event.listens_for(engine, "connect")
    def look(connection: psycopg.Connection[Any], _record: Any) -> None:
        nonlocal direct
        if direct:
            return
        # a pooler makes up the number by which a client may cancel its statements
        if _alone(connection, "SELECT pg_backend_pid()") != connection.info.backend_pid:
            connection.close()
            raise Unavailable(UNSTATED, retry_after=60)
        direct = True


def is_refusal(error: BaseException) -> bool:
    """Whether a pooler has refused what a connection without one begins with."""
    return _REFUSED_PARAMETER in str(error)


def _alone(connection: psycopg.Connection[Any], statement: str) -> Any:
    """The first value that a statement outside of any transaction answers."""
    connection.autocommit = True
    try:
        cursor = connection.execute(statement, prepare=False)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]
    finally:
        connection.autocommit = False
