"""Alembic, called from Python: bring a database to the newest revision, and tell which one it is at.

Used by `cherish migrate`, by the embedded stack and by tests; the command `alembic` works as well (alembic.ini).
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def alembic_config(engine: Engine) -> Config:
    """Alembic's configuration for the migrations beside this package, on ``engine``."""
    config = Config()
    # '%' is configparser's interpolation mark, and a folder may well be called 50%
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``; safe to run twice, and by two processes at once."""
    command.upgrade(alembic_config(engine), revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the database back to ``revision``."""
    command.downgrade(alembic_config(engine), revision)


def head_revision() -> str | None:
    """The newest revision that this code knows, or None where there are no migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at, or None where it was never migrated."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
