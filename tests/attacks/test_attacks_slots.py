"""Somebody without a key tries to take what all calls need."""

import ast
import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI

from app.http.deps import get_session
from app.http.turns.shares import Shares
from tests.app.conftest import Known


@pytest.fixture
def port(app: FastAPI) -> Iterator[int]:
    """A real server for the application: slow clients are sockets."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def slow_forms(port: int, count: int, path: str) -> Iterator[None]:
    """So many connections, each with a form of which the last byte does not come."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            connection.sendall(f"{head}Content-Length: 100\r\n\r\ncsrf=a".encode())
        time.sleep(0.5)
        yield


@pytest.mark.parametrize("path", ["/login", "/admin/ledger/proof", "/webhooks", "/v1/ledger/provider-events"])
def test_slow_forms_of_nobody_take_no_turn_at_the_database(app: FastAPI, port: int, path: str) -> None:
    """Before: 16 of them held all 16 turns, and every other call hung."""
    app.state.connections = anyio.Semaphore(2)
    with slow_forms(port, 4, path):
        assert app.state.connections.value == 2
        assert httpx.get(f"http://127.0.0.1:{port}/v1/me", timeout=5).status_code == 401


def test_readiness_says_that_no_turn_can_be_had(app: FastAPI, port: int) -> None:
    """Before: /readyz said 200 while every other call hung."""
    url = f"http://127.0.0.1:{port}/readyz"
    assert httpx.get(url, timeout=60).status_code == 200
    app.state.connections = anyio.Semaphore(0)
    refused = httpx.get(url, timeout=10)
    assert (refused.status_code, "all are taken" in refused.json()["detail"]) == (503, True)


def test_one_key_takes_a_part_of_the_turns_and_no_more(app: FastAPI, port: int, buyer: Known) -> None:
    """Before: whatever one key's requests waited for, sixteen of them held every turn."""
    url, keyed = f"http://127.0.0.1:{port}/v1/me", {"Authorization": f"Bearer {buyer.token}"}
    app.state.connections, app.state.shares = anyio.Semaphore(2), Shares(1)
    holding, let_go = threading.Event(), threading.Event()

    @app.get("/v1/slow", dependencies=[Depends(get_session, scope="function")])
    async def held() -> bool:
        holding.set()
        return await anyio.to_thread.run_sync(lambda: let_go.wait(20))

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(httpx.get, f"http://127.0.0.1:{port}/v1/slow", headers=keyed, timeout=30)
        assert holding.wait(10)
        more = [pool.submit(httpx.get, url, headers=keyed, timeout=30) for _ in range(3)]
        time.sleep(0.3)
        assert not any(one.done() for one in more), "they wait behind the key's own"
        assert httpx.get(url, timeout=5).status_code == 401, "somebody else is answered at once"
        let_go.set()
        assert first.result().status_code == 200
        assert [one.result().status_code for one in more] == [200] * 3


# what takes as long as a file is large: receiving it, writing a copy of it, comparing it with others
_LONG = re.compile(
    r"received(_so_far)?$|lent\.(file|body|read|fetch)$|data_delivery\.(write|compare)$|resumable\.put_together$|incoming\.\w+$"
)


def _waits_for_a_file(node: ast.AST) -> bool:
    """Whether it is such a call, also one that is handed to a thread."""
    if not isinstance(node, ast.Call):
        return False
    called = [node.func, *node.args[:1]] if ast.unparse(node.func) in ("run_sync", "run_in_threadpool") else [node.func]
    return any(_LONG.match(ast.unparse(each)) for each in called)


def _lends_its_turn(node: ast.AST) -> bool:
    return isinstance(node, ast.AsyncWith) and any(
        isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func).split(".")[-1] in ("without_connection", "waiting")
        for item in node.items
    )


def test_whoever_waits_for_a_file_holds_no_turn_meanwhile() -> None:
    """Before: a file to be traced was received, and copies of delivered rows were written, while their requests held
    one of the turns at the database."""
    held, calls = [], 0
    for path in sorted((Path(__file__).parents[2] / "app").rglob("*.py")):
        tree = ast.parse(path.read_text())
        lent = {id(call) for block in ast.walk(tree) if _lends_its_turn(block) for call in ast.walk(block)}
        # what is no coroutine runs in the threads of whoever calls it
        coroutines = [each for each in ast.walk(tree) if isinstance(each, ast.AsyncFunctionDef)]
        for call in filter(_waits_for_a_file, (node for each in coroutines for node in ast.walk(each))):
            calls += 1
            if id(call) not in lent:
                held.append(f"{path.name}:{call.lineno}")  # type: ignore[attr-defined]  # a call has a place
    assert calls >= 12
    assert not held, "received outside of without_connection"
