"""Somebody without a key tries to take what all calls need."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import anyio
import httpx
import pytest
import uvicorn
from fastapi import FastAPI


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
    assert httpx.get(url).status_code == 200
    app.state.connections = anyio.Semaphore(0)
    refused = httpx.get(url, timeout=10)
    assert (refused.status_code, "all are taken" in refused.json()["detail"]) == (503, True)
