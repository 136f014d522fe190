"""A migration that meets a long transaction holds nobody up: it lets go, says why, and tries again."""

import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from app.db.limits import Process, limits_of
from app.db.migrate import current_revision, head_revision, upgrade
from app.db.session import make_engine
from app.errors import Unavailable


@pytest.fixture
def behind(postgres_url: str) -> Iterator[Engine]:
    """A database of the revision before the newest, on a migration's connections."""
    name = f"behind_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    engine = make_engine(url, pool_size=2, limits=limits_of(Process.MIGRATION))
    upgrade(engine, "head-1")
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


# every revision writes here, whatever tables it changes
_BLOCK = text("LOCK TABLE alembic_version IN SHARE MODE")


def test_a_migration_lets_go_says_who_is_in_the_way_and_tries_again(behind: Engine) -> None:
    said: list[str] = []
    blocked = behind.connect()
    blocked.execute(_BLOCK)

    def say(line: str) -> None:
        said.append(line)
        blocked.rollback()

    upgrade(behind, tries=2, pause=0.1, say=say)
    blocked.close()
    assert current_revision(behind) == head_revision()
    assert len(said) == 1
    assert "in use by pid " in said[0]
    assert "tries again in 0.1 s (1/2)" in said[0]


def test_a_reader_behind_a_waiting_migration_waits_no_longer_than_its_lock_limit(behind: Engine) -> None:
    with behind.connect() as reader:
        # a reader's open transaction; a change of the table waits for it, and all later readers wait for the change
        reader.execute(text("SELECT 1 FROM accounts"))
        ended: list[BaseException] = []

        def change() -> None:
            try:
                with behind.begin() as connection:
                    connection.execute(text("ALTER TABLE accounts ADD COLUMN tried int"))
            except Exception as error:
                ended.append(error)

        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(0.5)
        begun = time.monotonic()
        other = make_engine(behind.url.render_as_string(hide_password=False), pool_size=1)
        with other.connect() as late:
            late.execute(text("SELECT 1 FROM accounts"))
        waited = time.monotonic() - begun
        thread.join()
        other.dispose()
    assert ended, "the change was made although a reader held the table"
    assert waited < limits_of(Process.MIGRATION).lock + 1


def test_after_its_last_try_the_schema_is_as_it_was(behind: Engine) -> None:
    before = current_revision(behind)
    with behind.connect() as other:
        other.execute(_BLOCK)
        with pytest.raises(Unavailable, match=r"nothing was changed in 1 tries.*pg_terminate_backend"):
            upgrade(behind, tries=1)
    assert current_revision(behind) == before


def test_two_migrations_wait_for_each_other_for_longer_than_for_a_table(behind: Engine) -> None:
    other = make_engine(behind.url.render_as_string(hide_password=False), pool_size=1)
    with other.begin() as first:
        first.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x43484552})
        done = threading.Thread(target=upgrade, args=(behind,), kwargs={"tries": 1})
        done.start()
        time.sleep(limits_of(Process.MIGRATION).lock + 0.5)
        assert done.is_alive()
    done.join(timeout=30)
    assert current_revision(behind) == head_revision()
    other.dispose()
