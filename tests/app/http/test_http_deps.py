"""A request's transaction: committed before its answer, rolled back where it raises, lent to others while it waits."""

from collections.abc import AsyncIterator

import anyio
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.errors import Unavailable
from app.http import deps, problems
from app.http.deps import PageDep, SessionDep, get_session, without_connection
from app.http.turns.shares import Shares
from app.settings import Settings


class Session:
    """Stands for a session and writes down what is done with it."""

    def __init__(self, name: str, done: list[str]) -> None:
        self.name, self.done = name, done

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def commit(self) -> None:
        self.done.append(f"{self.name} commit")

    def close(self) -> None:
        self.done.append(f"{self.name} close")


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def app(done: list[str]) -> FastAPI:
    app = FastAPI()
    problems.register(app)
    app.state.settings = Settings(signing_secret=SecretStr("it"))
    app.state.connections = anyio.Semaphore(1)
    app.state.shares = Shares(1)
    app.state.session_factory = lambda: Session("writing", done)
    app.state.reading_factory = lambda: Session("reading", done)

    @app.get("/it")
    @app.post("/it")
    async def it(request: Request, session: SessionDep) -> bool:
        done.append("endpoint")
        return request.state.session is session

    @app.post("/fails")
    async def fails(session: SessionDep) -> None:
        raise Unavailable("it is away")

    @app.post("/waits")
    async def waits(request: Request, session: SessionDep) -> int:
        async with without_connection(request, session):
            done.append("waiting")
            free = request.app.state.connections.value
        return int(free)

    @app.get("/page")
    async def page(page: PageDep) -> list[object]:
        return [page.limit, page.cursor, page.secret.decode()]

    return app


def test_reading_has_the_session_of_reads_and_changing_a_transaction_that_is_committed(
    app: FastAPI, done: list[str]
) -> None:
    client = TestClient(app)
    assert client.get("/it").json() is True
    assert client.post("/it").json() is True
    assert done == ["endpoint", "reading commit", "reading close", "endpoint", "writing commit", "writing close"]


def test_what_raises_is_not_committed_and_gives_its_turn_back(app: FastAPI, done: list[str]) -> None:
    client = TestClient(app)
    for _ in range(3):
        assert client.post("/fails").status_code == 503
    assert done == ["writing close"] * 3


def test_a_long_wait_lends_its_connection_to_others_after_a_commit(app: FastAPI, done: list[str]) -> None:
    assert TestClient(app).post("/waits").json() == 1
    assert done == ["writing commit", "waiting", "writing commit", "writing close"]
    assert app.state.connections.value == 1


def test_who_waits_too_long_for_a_turn_is_told_to_come_back(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deps, "_TURN_SECONDS", 0.02)
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "app": app})

    async def second() -> None:
        await app.state.connections.acquire()
        sessions: AsyncIterator[object] = get_session(request)
        with pytest.raises(Unavailable, match="busy") as refused:
            await anext(sessions)
        assert refused.value.retry_after == 2

    anyio.run(second)


@pytest.mark.parametrize(
    ("query", "status"), [("", 200), ("?limit=200&cursor=c", 200), ("?limit=201", 422), ("?limit=0", 422)]
)
def test_a_page_has_between_one_and_two_hundred_items(app: FastAPI, query: str, status: int) -> None:
    answer = TestClient(app).get(f"/page{query}")
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == ([200, "c", "it"] if query else [50, None, "it"])
