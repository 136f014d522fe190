"""Fixtures for every test: a real Postgres and a real Redis of the test run's own, and sessions that leave no trace."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.migrate import MIGRATIONS, upgrade
from app.db.registry import load_tables
from app.db.session import make_engine
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis

# fixtures with committed data, workers and models, for the tests of several rooms
pytest_plugins = ["tests.market"]

# one thread per process: the suite's own processes already use the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

# how long an example takes says nothing of what is tested, on a machine that does other work besides
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: archives hold the time at which they were made, and what runs tests side by
    side has to find the same names in every process."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def embedded_home() -> Iterator[Path]:
    """The folder of this run's servers; short, and passable for the user that they run as under root."""
    home = Path(tempfile.gettempdir()) / f"cherish-test-{uuid.uuid4().hex[:12]}"
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(embedded_home: Path) -> Iterator[str]:
    """The URL of a Postgres 18 that lives as long as the test run; the database is empty until ``engine``."""
    server = EmbeddedPostgres(embedded_home, durable=False)
    yield server.start()
    server.destroy()


@pytest.fixture(scope="session")
def redis_url(embedded_home: Path) -> Iterator[str]:
    """The URL (``unix:///...``) of a Redis that lives as long as the test run."""
    server = EmbeddedRedis(embedded_home)
    yield server.start()
    server.destroy()


@pytest.fixture(scope="session")
def engine(postgres_url: str) -> Iterator[Engine]:
    """An engine on the test run's database with the whole schema in it, made by the migrations."""
    engine = make_engine(postgres_url)
    if any((MIGRATIONS / "versions").glob("*.py")):
        upgrade(engine)
    else:
        load_tables().create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose commits are savepoints inside one transaction that is rolled back after the test."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        outer.rollback()
