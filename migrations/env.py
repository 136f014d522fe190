"""Alembic's entry: runs the migrations on an engine given by the caller, or on CHERISH_DATABASE_URL.

Two processes that migrate at once wait for each other on an advisory lock. All revisions of one upgrade are one
transaction: a failed upgrade leaves the database as it was. No statement waits long for a table, because whatever comes
after it waits behind it; ``app.db.migrate.upgrade`` tries again.
"""

from alembic import context
from sqlalchemy import Connection, Engine, text

from app.db.limits import Process, limits_of
from app.db.registry import load_tables
from app.db.session import open_engine
from app.settings import get_settings

# any fixed number; it only has to be the same for every migrating process
_ADVISORY_LOCK = 0x43484552


def _run(connection: Connection | None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection is not None else "postgresql",
        target_metadata=load_tables(),
        literal_binds=connection is None,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        if connection is not None:
            # nobody waits behind this lock but another migration
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            seconds = limits_of(Process.MIGRATION).lock
            connection.execute(text(f"SET LOCAL lock_timeout = {round(1000 * seconds)}"))
        else:
            # what an operator pastes must not wait for ever behind a long transaction, blocking everybody behind it
            context.execute("SET LOCAL lock_timeout = '5s'")
            context.execute("SET LOCAL statement_timeout = '10min'")
        context.run_migrations()


if context.is_offline_mode():
    _run(None)
else:
    given: Engine | None = context.config.attributes.get("engine")
    engine = given or open_engine(get_settings(), Process.MIGRATION, pool_size=1)
    with engine.connect() as connection:
        _run(connection)
    if given is None:
        engine.dispose()
