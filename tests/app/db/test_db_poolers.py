"""Through a pooler that lends connections by transaction nothing depends on a session; one unnamed is refused."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, make_url, text

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.cli import doctor
from app.db.limits import Process, limits_of
from app.db.session import make_reading_factory, make_session_factory, open_engine, transaction
from app.errors import Unavailable
from app.http.ids import public_id
from app.main import create_app
from app.outbox.relay import Relay
from app.settings import Settings
from app.valuations.states import ValuationStatus
from tests.market import Letters, Market

_PREPARED = text("SELECT count(*) FROM pg_prepared_statements")


@pytest.fixture
def pooled(own_settings: Settings) -> Settings:
    return own_settings.model_copy(update={"database_pooler": "transaction"})


def _engine(settings: Settings) -> Engine:
    return open_engine(settings, Process.API, pool_size=1)


@pytest.mark.parametrize("factory_of", [make_session_factory, make_reading_factory])
def test_no_statement_is_prepared_however_often_it_is_sent(pooled: Settings, factory_of: Any) -> None:
    engine = _engine(pooled)
    for _ in range(12):
        with factory_of(engine)() as session:
            session.execute(text("SELECT name FROM accounts WHERE name = :name"), {"name": "x"})
            session.commit()
    with factory_of(engine)() as session:
        assert session.scalar(_PREPARED) == 0
    engine.dispose()


def test_without_a_pooler_they_are_prepared(own_settings: Settings) -> None:
    engine = _engine(own_settings)
    for _ in range(12):
        with make_session_factory(engine)() as session:
            session.execute(text("SELECT name FROM accounts WHERE name = :name"), {"name": "x"})
            session.commit()
    with make_session_factory(engine)() as session:
        assert session.scalar(_PREPARED)
    engine.dispose()


def test_limits_and_utc_come_with_each_transaction_and_stay_in_none(pooled: Settings) -> None:
    engine = _engine(pooled)
    limits = limits_of(Process.API, pooled)
    shown = text("SELECT current_setting('lock_timeout'), current_setting('timezone')")
    with engine.begin() as connection:
        assert tuple(connection.execute(shown).one()) == (f"{limits.lock:g}s", "UTC")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert tuple(connection.execute(shown).one()) == ("0", "UTC"), "nothing is left for the next client"
    engine.dispose()


def test_migrations_and_listening_go_to_postgres_itself(own_settings: Settings) -> None:
    url = own_settings.database_url
    assert own_settings.listening_url() == url.get_secret_value()
    pooled = own_settings.model_copy(update={"database_pooler": "transaction"})
    assert pooled.listening_url() is None
    both = pooled.model_copy(update={"database_direct_url": url})
    assert both.listening_url() == url.get_secret_value()
    engine = open_engine(both, Process.MIGRATION, pool_size=1)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT current_setting('tcp_user_timeout')")) is not None
        assert connection.scalar(text("SELECT current_setting('lock_timeout')")) == "3s"
    engine.dispose()


def test_a_relay_that_cannot_listen_sends_all_the_same(market: Market) -> None:
    letters, stop = Letters(), threading.Event()
    thread = threading.Thread(target=Relay(market.factory, letters).run, args=(stop, None))
    thread.start()
    market.post()
    ends = time.monotonic() + 5
    while not letters.waiting and time.monotonic() < ends:
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert letters.waiting


# --- with a real pgbouncer, where this machine has one ---

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed here")


@pytest.fixture
def bounced(own_settings: Settings) -> Iterator[Settings]:
    """The test's settings by way of a pgbouncer in transaction mode with two connections to Postgres."""
    url = make_url(own_settings.database_url.get_secret_value())
    sockets = str(url.query["host"])
    owner = pwd.getpwuid(os.stat(sockets).st_uid).pw_name
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="cherish-pgbouncer-"))
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{url.database} = host={sockets} user={url.username} password={url.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = transaction\n"
        f"default_pool_size = 2\nunix_socket_dir =\nlogfile = {folder}/log\n"
    )
    folder.chmod(0o755)
    shutil.chown(folder, owner)
    as_owner = ["-u", owner] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [str(PGBOUNCER), *as_owner, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    through = f"postgresql://{url.username}:x@127.0.0.1:{port}/{url.database}"
    yield Settings.model_validate(
        own_settings.model_dump() | {"database_url": through, "database_pooler": "transaction"}
    )
    process.terminate()
    process.wait(timeout=10)
    shutil.rmtree(folder)


@needs_pgbouncer
def test_calls_and_a_whole_job_go_through_pgbouncer(hand: Any, bounced: Settings) -> None:
    from worker.runtime import Runtime

    market = hand.market
    runtime = Runtime(bounced, "cpu")
    job = market.post()
    while market.job(job).status not in (ValuationStatus.SUCCEEDED, ValuationStatus.FAILED):
        shards = hand.collect()
        assert shards
        for shard in shards:
            runtime.work_on(uuid.UUID(shard))
    assert market.job(job).status is ValuationStatus.SUCCEEDED
    runtime.close()
    app = create_app(bounced)
    with transaction(market.factory) as session:
        account = session.get_one(Account, market.buyer.account_id)
        _, token = accounts.issue_key(session, bounced, account, "test")
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.extend(client.get("/v1/me").status_code for _ in range(25)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(answers) == {200}
        assert len(answers) == 200
        assert client.get(f"/v1/valuations/{public_id('val', job)}").json()["status"] == "succeeded"


@needs_pgbouncer
def test_a_pooler_that_the_settings_do_not_name_is_refused_with_the_mend(bounced: Settings) -> None:
    unstated = bounced.model_copy(update={"database_pooler": "none"})
    engine = open_engine(unstated, Process.API, pool_size=1)
    with pytest.raises(Unavailable, match="CHERISH_DATABASE_POOLER"):
        engine.connect()
    finding = doctor._database(engine)
    assert not finding.ok
    assert "CHERISH_DATABASE_POOLER" in finding.mend
    engine.dispose()
