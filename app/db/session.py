"""Engine and session factory. Sync sessions everywhere: one repository layer for endpoints and tasks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.errors import IdleInTransactionSessionTimeout, TransactionTimeout
from sqlalchemy import Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.db import poolers, silence
from app.db.limits import CLIENT_SIDE, ConnectionLimits, Process, limits_of, startup_options
from app.errors import Unavailable
from app.settings import Settings

# the database is away, or cut the connection, which is an interface error for whoever uses it next
AWAY = (OperationalError, InterfaceError)

# a connection that was used this recently is taken to be there still; where it is not, its user hears of it
_FRESH_SECONDS = 1.0


def open_engine(settings: Settings, process: Process, *, pool_size: int = 10) -> Engine:
    """The engine of a process of this deployment; its connections have the limits of the process's role."""
    url, pooled = settings.database_url, settings.database_pooler == "transaction"
    if process is Process.MIGRATION and settings.database_direct_url is not None:
        url, pooled = settings.database_direct_url, False
    limits = limits_of(process, settings)
    return make_engine(url.get_secret_value(), pool_size=pool_size, limits=limits, pooled=pooled)


def make_engine(
    url: str, *, pool_size: int = 10, limits: ConnectionLimits | None = None, pooled: bool = False
) -> Engine:
    """An engine on psycopg 3 whose connections speak UTC, have these limits (an operator's where none are given), and
    are checked before use after a pause.

    ``pooled`` says that a pooler is in between which lends a connection of Postgres for one transaction at a time.
    """
    limits = limits or limits_of(Process.OPERATOR)
    how = {"prepare_threshold": None} if pooled else {"options": startup_options(limits)}
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=10,
        # what reads in autocommit has nothing to roll back
        skip_autocommit_rollback=True,
        connect_args={**how, **CLIENT_SIDE},
    )
    if pooled:
        poolers.serve_transactions(engine, limits)
    else:
        poolers.refuse_unstated(engine)
    if limits.silent:
        silence.watch(engine, limits)

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        # the driver calls it an internal error; like a lost connection, another try mends it
        error = context.original_exception
        if poolers.is_refusal(error):
            raise Unavailable(poolers.UNSTATED, retry_after=60) from error
        if isinstance(error, IdleInTransactionSessionTimeout | TransactionTimeout):
            raise OperationalError(context.statement, None, error, connection_invalidated=True) from error

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, _proxy: Any) -> None:
        used = record.info.get("used")
        if used is None or time.monotonic() - used < _FRESH_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # the pool makes a new one, and drops all that are as old
            raise InvalidatePoolError(str(error)) from error

    return engine


def make_session_factory(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep loaded attributes after commit, so that answers can be built from them."""
    return sessionmaker(engine, expire_on_commit=False)


def make_reading_factory(engine: Engine) -> sessionmaker[Session]:
    """Sessions for what only reads: each statement sees what is committed, as in a transaction of READ COMMITTED.

    They need no BEGIN and no COMMIT, which are trips to the database like statements. What is written all the same is
    committed at once.
    """
    return make_session_factory(engine.execution_options(isolation_level="AUTOCOMMIT"))


@contextmanager
def glance(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A session for one statement that only reads: no transaction is begun and ended around it."""
    with factory() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield session


@contextmanager
def transaction(factory: sessionmaker[Session]) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises."""
    with factory() as session, session.begin():
        yield session
