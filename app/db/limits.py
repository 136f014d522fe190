"""How long a connection may wait, work and rest, by the role of the process that opened it.

Postgres enforces them, so they hold where the process itself cannot act any more: a host that is lost, stopped or cut
off in the middle of a transaction keeps no row locked for longer than this. Nothing here opens a connection.
"""

import enum
from dataclasses import dataclass
from typing import Any

from app.settings import Settings


class Process(enum.StrEnum):
    """What a process is for; its connections' limits follow from it."""

    API = "api"
    WORKER = "worker"
    HOUSEKEEPING = "housekeeping"
    OPERATOR = "operator"
    MIGRATION = "migration"


@dataclass(frozen=True)
class ConnectionLimits:
    """Seconds; 0 is without limit.

    ``idle`` is how long a transaction may stay open without a statement, ``lock`` how long a statement waits for
    another's lock, ``statement`` how long one statement may take; ``silent`` is after how long without an answer its
    client asks whether Postgres answers anybody (app/db/silence.py).
    """

    idle: float
    lock: float
    statement: float
    silent: float = 0.0

    def variables(self) -> dict[str, str]:
        """As Postgres' settings, in milliseconds."""
        return {
            "idle_in_transaction_session_timeout": _milliseconds(self.idle),
            "lock_timeout": _milliseconds(self.lock),
            "statement_timeout": _milliseconds(self.statement),
        }


# a caller waits for the API, so it gives up on a lock before the caller does; nobody waits for the others
_LIMITS = {
    Process.API: ConnectionLimits(idle=60.0, lock=5.0, statement=30.0, silent=5.0),
    Process.WORKER: ConnectionLimits(idle=60.0, lock=30.0, statement=120.0, silent=15.0),
    Process.HOUSEKEEPING: ConnectionLimits(idle=60.0, lock=5.0, statement=120.0, silent=15.0),
    # a person at a terminal, and tests
    Process.OPERATOR: ConnectionLimits(idle=600.0, lock=10.0, statement=0.0),
    # what waits for a table keeps everybody behind it waiting; building an index may take long
    Process.MIGRATION: ConnectionLimits(idle=60.0, lock=3.0, statement=0.0),
}
# an order's files are read in the sandbox, and an upload's bytes are stored, within the request's transaction
_STORING_SECONDS = 120.0

# a peer that does not answer is gone after 10 + 3 x 5 seconds; of Postgres' own side (Unix sockets ignore them)
_KEEPALIVES = {"idle": 10, "interval": 5, "count": 3}
_UNANSWERED_MS = 25_000
_SERVER_SIDE = {
    **{f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVES.items()},
    "tcp_user_timeout": str(_UNANSWERED_MS),
    # a statement whose client is gone ends, too
    "client_connection_check_interval": "5000",
}
CLIENT_SIDE: dict[str, Any] = {
    "keepalives": 1,
    **{f"keepalives_{name}": value for name, value in _KEEPALIVES.items()},
    "tcp_user_timeout": _UNANSWERED_MS,
    "connect_timeout": 5,
}


def limits_of(process: Process, settings: Settings | None = None) -> ConnectionLimits:
    """The limits of a process's connections; settings replace them for processes that run all the time."""
    limits = _LIMITS[process]
    if settings is None or process in (Process.OPERATOR, Process.MIGRATION):
        return limits
    idle = limits.idle
    if process is Process.API:
        idle += max(settings.parse_seconds, _STORING_SECONDS)
    return ConnectionLimits(
        idle=idle if settings.database_idle_seconds is None else settings.database_idle_seconds,
        lock=limits.lock if settings.database_lock_seconds is None else settings.database_lock_seconds,
        statement=(
            limits.statement if settings.database_statement_seconds is None else settings.database_statement_seconds
        ),
        silent=limits.silent,
    )


def startup_options(limits: ConnectionLimits) -> str:
    """The ``options`` with which a connection begins: UTC, the limits, and keepalives of Postgres' side."""
    variables = {"timezone": "utc", **limits.variables(), **_SERVER_SIDE}
    return " ".join(f"-c {name}={value}" for name, value in variables.items())


def _milliseconds(seconds: float) -> str:
    return str(round(1000 * seconds))
