"""Alembic, called from Python: bring a database to the newest revision, and tell which one it is at.

Used by `cherish migrate`, by the embedded stack and by tests; the command `alembic` works as well (alembic.ini).
"""

import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app.errors import Unavailable

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def alembic_config(engine: Engine) -> Config:
    """Alembic's configuration for the migrations beside this package, on ``engine``."""
    config = Config()
    # '%' is configparser's interpolation mark, and a folder may well be called 50%
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def upgrade(
    engine: Engine,
    revision: str = "head",
    *,
    tries: int = 20,
    pause: float = 3.0,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Bring the database to ``revision``; safe to run twice, and by two processes at once.

    Where a transaction keeps a table locked, the migration lets go after seconds, so that nobody waits behind it for
    longer, and tries again after a pause of ``pause`` seconds; ``say`` gets a sentence each time. Raises Unavailable,
    with the database as it was, after so many tries.
    """
    for number in range(1, tries + 1):
        try:
            command.upgrade(alembic_config(engine), revision)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
            in_use = f"a table that the migration changes is in use by {_oldest_transactions(engine)}"
            if number == tries:
                raise Unavailable(
                    f"{in_use}; nothing was changed in {tries} tries. Wait for it or end it "
                    "(SELECT pg_terminate_backend(pid)), then run `cherish migrate` again"
                ) from error
            say(f"{in_use}; everybody else goes on, and the migration tries again in {pause:g} s ({number}/{tries})")
            time.sleep(pause)
        else:
            return


def _oldest_transactions(engine: Engine) -> str:
    """Who has had a transaction open for longest, for an operator who wonders whom to end."""
    query = text(
        "SELECT format('pid %s (%s, %s, for %s s)', pid, usename, state, "
        "round(extract(epoch FROM clock_timestamp() - xact_start))) FROM pg_stat_activity "
        "WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid() "
        "ORDER BY xact_start LIMIT 3"
    )
    with engine.connect() as connection:
        return ", ".join(connection.scalars(query)) or "a transaction that has ended meanwhile"


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the database back to ``revision``."""
    command.downgrade(alembic_config(engine), revision)


def head_revision() -> str | None:
    """The newest revision that this code knows, or None where there are no migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


def is_known(revision: str | None) -> bool:
    """Whether this code has the revision; it has not where a newer release has migrated the database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return revision is None or any(
        script.revision == revision for script in ScriptDirectory.from_config(config).walk_revisions()
    )


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at, or None where it was never migrated."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
