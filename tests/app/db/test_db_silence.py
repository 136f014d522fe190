"""A Postgres that is frozen with its connections open blocks nobody for good: calls are answered 503 in seconds, the
process says that it is not ready, and all goes on once it wakes. A statement that is slow goes on."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import limits, silence
from app.db.limits import Process
from app.db.session import make_engine, make_session_factory, open_engine
from app.db.silence import BoundedConnection, Pulse
from app.main import create_app
from app.settings import Settings
from tests.app.http.test_http_outages import Servers, eventually, servers  # noqa: F401  a fixture
from worker.process.patience import patiently


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a few seconds are a few tenths of one here."""
    monkeypatch.setattr(silence, "_LOOK_SECONDS", 0.2)
    for process in (Process.API, Process.WORKER):
        monkeypatch.setitem(limits._LIMITS, process, replace(limits._LIMITS[process], silent=0.5))


@contextmanager
def frozen(servers: Servers) -> Iterator[None]:  # noqa: F811
    """Postgres' processes stand still, all of them; its kernel goes on taking connections and bytes."""
    child = servers.postgres.child
    assert child is not None
    postmaster = psutil.Process(child.pid)
    # whoever runs Postgres under a minder is not Postgres
    every = [postmaster, *postmaster.children(recursive=True)]
    every = [each for each in every if each.name().startswith("postgres")]
    assert len(every) > 3
    for each in every:
        each.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in every:
            each.send_signal(signal.SIGCONT)


@pytest.mark.usefixtures("soon")
def test_a_frozen_postgres_is_a_503_in_seconds_and_readiness_is_false(servers: Servers) -> None:  # noqa: F811
    headers = {"Authorization": f"Bearer {servers.token}"}
    app = create_app(servers.settings)
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        assert client.get("/v1/me").status_code == 200

        def call(number: int) -> tuple[int, str | None, float]:
            begun = time.monotonic()
            if number % 2:
                answer = client.get("/v1/me")
            else:
                answer = client.post("/v1/datasets", json={"name": "d", "target": "y"})
            return answer.status_code, answer.headers.get("Retry-After"), time.monotonic() - begun

        with frozen(servers), ThreadPoolExecutor(40) as threads:
            # more than there are connections
            calls = [threads.submit(call, number) for number in range(40)]
            begun = time.monotonic()
            not_ready = client.get("/readyz")
            assert not_ready.status_code == 503
            assert "database" in not_ready.json()["detail"]
            assert time.monotonic() - begun < 5
            answered = [each.result() for each in calls]
            assert {status for status, _, _ in answered} == {503}
            assert all(int(retry or 0) > 0 for _, retry, _ in answered)
            assert max(took for _, _, took in answered) < 10
            # what comes once it is known waits for nothing
            assert call(1)[2] < 1
        assert eventually(client, "/v1/me", 200).json()["name"] == "buyer"
        eventually(client, "/readyz", 200)


@pytest.mark.usefixtures("soon")
def test_a_workers_transaction_goes_on_when_postgres_wakes(servers: Servers) -> None:  # noqa: F811
    engine = open_engine(servers.settings, Process.WORKER, pool_size=1)
    factory = make_session_factory(engine)
    assert patiently(factory, lambda session: session.scalar(text("SELECT 1")), time.monotonic()) == 1
    found: list[object] = []

    def work() -> None:
        found.append(patiently(factory, lambda session: session.scalar(text("SELECT 7")), time.monotonic() + 60))

    thread = threading.Thread(target=work)
    with frozen(servers):
        thread.start()
        thread.join(5.5)
        assert found == []
    thread.join(10)
    assert found == [7]
    engine.dispose()


@pytest.mark.usefixtures("soon")
def test_a_slow_statement_is_asked_about_and_goes_on(own_settings: Settings) -> None:
    engine = open_engine(own_settings, Process.API, pool_size=1)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 7 FROM pg_sleep(0.8)")) == 7
        # many rows, over several waits
        assert len(connection.execute(text("SELECT repeat('x', 300) || g FROM generate_series(1, 50000) g")).all()) > 1
    engine.dispose()


def test_a_statement_whose_limit_nobody_enforces_ends_ten_seconds_after_it(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One frozen process of Postgres, while the others answer."""
    monkeypatch.setattr(silence, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(silence, "_GRACE_SECONDS", 0.5)
    told = limits.ConnectionLimits(idle=60, lock=5, statement=0.3, silent=0.4)
    engine = make_engine(own_settings.database_url.get_secret_value(), pool_size=1, limits=told)
    with engine.connect() as connection:
        pid = int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        psutil.Process(pid).send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(OperationalError, match="has not answered"):
            connection.execute(text("SELECT 1"))
        assert time.monotonic() - begun < 4
        assert connection.invalidated
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 2")) == 2, "others are not refused"
    psutil.Process(pid).send_signal(signal.SIGCONT)
    engine.dispose()


def test_one_thread_asks_however_many_want_to_know_and_until_there_is_an_answer() -> None:
    asked, come = [], threading.Event()

    def ask() -> bool:
        asked.append(1)
        time.sleep(0.1)
        return come.is_set()

    pulse = Pulse(ask, pause=0.05)
    assert not pulse.silent()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: pulse.answers(), range(8))) == {False}
    assert len(asked) == 1
    assert pulse.silent()
    come.set()
    ends = time.monotonic() + 5
    while pulse.silent():
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert pulse.answers()


def test_a_look_that_fails_in_some_other_way_is_no_answer() -> None:
    def ask() -> bool:
        raise RuntimeError("a fault")

    assert not Pulse(ask).answers()


def test_a_server_that_takes_connections_and_says_nothing_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "_PATIENCE_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not silence._answers({"host": "127.0.0.1", "port": listener.getsockname()[1], "user": "u"})
    assert not silence._answers({"host": "127.0.0.1", "port": 1, "user": "u"}), "it is away"


def test_that_no_more_connections_are_taken_is_an_answer(own_settings: Settings) -> None:
    from sqlalchemy import make_url

    url = make_url(own_settings.database_url.get_secret_value())
    address = {"host": url.query["host"], "port": url.port, "dbname": "no such database", "user": url.username}
    assert silence._answers({**address, "password": url.password})


def test_what_listens_for_messages_is_bounded_too(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.setattr(silence, "_PATIENCE_SECONDS", 0.3)
    url = own_settings.database_url.get_secret_value().replace("postgresql+psycopg", "postgresql")
    with pytest.raises(psycopg.OperationalError, match="has not answered"):
        BoundedConnection.connect(url).execute("SELECT pg_sleep(2)")
