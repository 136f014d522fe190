"""While Postgres, Redis or the blob store are away calls are answered 503 with when to come back, in seconds, and
everything goes on once they are there again."""

import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from obstore.exceptions import GenericError
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.accounts import service as accounts
from app.db.registry import load_tables
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from app.http.outages import outage
from app.http.probes.health import parts_of
from app.identity import Role
from app.main import create_app
from app.settings import Settings
from cherish import Client


class Servers:
    """A Postgres and a Redis of these tests' own, which they stop and start, and an application on them."""

    def __init__(self, home: Path) -> None:
        self.postgres, self.redis = EmbeddedPostgres(home, durable=False), EmbeddedRedis(home)
        self.settings = Settings(
            database_url=self.postgres.start(),  # type: ignore[arg-type]  # pydantic makes the secrets
            redis_url=self.redis.start(),  # type: ignore[arg-type]  # same
            blob_url=f"file://{home}/blobs",
            log_level="WARNING",
        )
        self.engine: Engine = make_engine(self.settings.database_url.get_secret_value())
        load_tables().create_all(self.engine)
        with self.engine.begin() as connection:
            # a newer release has migrated the database
            connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
            connection.execute(text("INSERT INTO alembic_version VALUES ('a_newer_one')"))
        with transaction(make_session_factory(self.engine)) as session:
            account = accounts.create_account(session, "buyer", Role.BUYER)
            self.token = accounts.issue_key(session, self.settings, account, "test")[1]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    home = Path(tempfile.gettempdir()) / f"cherish-away-{uuid.uuid4().hex[:12]}"
    made = Servers(home)
    yield made
    made.engine.dispose()
    made.postgres.destroy()
    made.redis.destroy()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def app(servers: Servers) -> FastAPI:
    return create_app(servers.settings)


@pytest.fixture
def client(app: FastAPI, servers: Servers) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {servers.token}"}
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        yield client


def eventually(client: TestClient, path: str, status: int, seconds: float = 20.0) -> Any:
    ends = time.monotonic() + seconds
    while (answer := client.get(path)).status_code != status:
        assert time.monotonic() < ends, answer.text
        time.sleep(0.1)
    return answer


def test_without_postgres_every_call_is_a_503_that_says_when_to_come_back(client: TestClient, servers: Servers) -> None:
    assert client.get("/v1/me").status_code == 200
    servers.postgres.stop()
    try:
        begun = time.monotonic()
        for method, path in (("GET", "/v1/me"), ("POST", "/v1/datasets"), ("GET", "/v1/catalog/datasets")):
            body = {"name": "d", "target": "y"} if method == "POST" else None
            refused = client.request(method, path, json=body)
            assert refused.status_code == 503, f"{path}: {refused.text}"
            assert refused.json()["type"].endswith("/problems/unavailable")
            assert int(refused.headers["Retry-After"]) > 0
        page = client.get("/", headers={"Accept": "text/html"})
        assert page.status_code in (200, 503)
        assert client.get("/healthz").status_code == 200
        not_ready = eventually(client, "/readyz", 503)
        assert "database" in not_ready.json()["detail"]
        assert time.monotonic() - begun < 20
    finally:
        servers.postgres.start()
    assert eventually(client, "/v1/me", 200).json()["name"] == "buyer"
    eventually(client, "/readyz", 200)


def test_a_client_that_waits_outlasts_a_restart_of_postgres(app: FastAPI, servers: Servers) -> None:
    """Through real HTTP: the client's own transport, our server."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client(url, servers.token) as client:
        assert client.get("/v1/me")["name"] == "buyer"
        servers.postgres.stop()
        timer = threading.Timer(1.0, servers.postgres.start)
        timer.start()
        assert client.get("/v1/me")["name"] == "buyer"
        timer.join()
    server.should_exit = True
    thread.join(timeout=10)


def test_without_redis_calls_go_on_and_the_process_is_ready_if_degraded(client: TestClient, servers: Servers) -> None:
    assert client.get("/readyz").json() == {"status": "ok", "parts": ["database", "migrations", "redis", "blobs"]}
    servers.redis.stop()
    try:
        client.app.state.parts = parts_of(client.app)  # type: ignore[attr-defined]  # nothing is remembered
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"status": "degraded", "parts": ["database", "migrations", "blobs"]}
        assert client.get("/v1/me").status_code == 200
    finally:
        servers.redis.start()


def test_a_schema_newer_than_the_code_is_no_reason_to_leave(client: TestClient, servers: Servers) -> None:
    assert client.get("/readyz").status_code == 200
    with servers.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = NULL"))
    client.app.state.parts = parts_of(client.app)  # type: ignore[attr-defined]  # nothing is remembered
    refused = client.get("/readyz")
    assert refused.status_code == 503
    assert "migrations" in refused.json()["detail"]
    with servers.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'a_newer_one'"))


def test_a_hundred_questions_are_one_look_at_the_blob_store(client: TestClient) -> None:
    state = client.app.state  # type: ignore[attr-defined]  # the application's
    looks = []

    class Counted:
        def check(self) -> None:
            looks.append(threading.get_ident())

    state.blobs, kept = Counted(), state.blobs
    state.parts = parts_of(client.app)  # type: ignore[arg-type]  # the application
    assert {client.get("/readyz").status_code for _ in range(100)} == {200}
    state.blobs = kept
    assert len(looks) == 1


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The address of an S3 server that takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    _point_at(monkeypatch, listener.getsockname()[1])
    yield
    listener.close()


def _point_at(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name, value in {
        "AWS_ENDPOINT": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu",
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def test_readiness_is_answered_in_seconds_where_the_blob_store_says_nothing(servers: Servers, silent: None) -> None:
    app = create_app(servers.settings.model_copy(update={"blob_url": "s3://bucket/p"}))
    with TestClient(app) as client:
        begun = time.monotonic()
        refused = client.get("/readyz")
        assert time.monotonic() - begun < 6
        assert refused.status_code == 503
        assert "blobs" in refused.json()["detail"]
        begun = time.monotonic()
        assert client.get("/readyz").status_code == 503
        assert time.monotonic() - begun < 1, "no further look is begun, or waited for, while one hangs"
        assert client.get("/healthz").status_code == 200


def test_an_upload_meets_a_refusing_store_as_a_503(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    _point_at(monkeypatch, port)
    app = create_app(servers.settings.model_copy(update={"blob_url": "s3://bucket/p"}))
    headers = {"Authorization": f"Bearer {servers.token}"}
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        made = client.post("/v1/datasets", json={"name": os.urandom(4).hex(), "target": "label", "kind": "test"})
        assert made.status_code == 201, made.text
        begun = time.monotonic()
        refused = client.put(f"/v1/datasets/{made.json()['id']}/content", content=b"a,label\n1,2\n2,3\n1,2\n")
        assert refused.status_code == 503, refused.text
        assert "blob store" in refused.json()["detail"]
        assert time.monotonic() - begun < 30


def test_without_postgres_metrics_are_this_process_s_own(servers: Servers) -> None:
    app = create_app(servers.settings.model_copy(update={"metrics_open": True}))
    with TestClient(app, raise_server_exceptions=False) as client:
        scraped = client.get("/metrics")
        assert "cherish_database_up 1.0" in scraped.text
        servers.postgres.stop()
        try:
            away = client.get("/metrics")
            assert away.status_code == 200, away.text
            assert "cherish_database_up 0.0" in away.text
            assert "cherish_http_requests_total" in away.text
            assert "cherish_jobs{" not in away.text
        finally:
            servers.postgres.start()
        assert "cherish_database_up 1.0" in client.get("/metrics").text


def operational(cause: Exception) -> OperationalError:
    return OperationalError("SELECT 1", {}, cause)


@pytest.mark.parametrize(
    ("error", "words", "seconds"),
    [
        (operational(LockNotAvailable()), "another request works on the same thing", 1),
        (operational(DeadlockDetected()), "another request works on the same thing", 1),
        (operational(QueryCanceled()), "the database took too long", 10),
        (operational(RuntimeError("gone")), "the database is away", 2),
        (PoolTimeout(), "the database is away", 2),
        (RedisConnectionError("gone"), "the message broker is away", 2),
        (GenericError("gone"), "the blob store is away", 5),
    ],
)
def test_each_part_that_is_away_is_named_with_when_to_come_back(error: Exception, words: str, seconds: int) -> None:
    away = outage(error)
    assert away is not None
    assert words in away.detail
    assert away.retry_after == seconds


def test_what_waiting_does_not_mend_is_no_outage() -> None:
    for error in (ValueError("it"), IntegrityError("INSERT", {}, RuntimeError("twice"))):
        assert outage(error) is None
