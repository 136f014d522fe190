"""A server for fetched files that every name leads to, without one public address being dialled."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore
import pytest

from app.datasets.remote.fetching import RemoteFetcher
from app.webhooks.guard import AddressPolicy

PUBLIC = "93.184.215.14"


@dataclass
class FileServer:
    """``answers`` maps a path to (status, headers, body); ``asked`` are (host, path, headers) as they came;
    ``addresses`` is what the stubbed resolver says of each name; ``dialled`` are those that would have been connected
    to."""

    port: int = 0
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    dialled: list[str] = field(default_factory=list)

    def fetcher(self, *, most_bytes: int = 10_000_000, seconds: float = 5.0) -> RemoteFetcher:
        """One with the product's rules, whose resolver and dialler are this server's."""
        policy = AddressPolicy(allow_http=True)
        return RemoteFetcher(policy, most_bytes, seconds, resolve=self._resolve, dial=_Dialler(self))

    def _resolve(self, host: str, _port: int) -> list[str]:
        return self.addresses.get(host, [PUBLIC])


class _Dialler(httpcore.SyncBackend):
    def __init__(self, server: FileServer) -> None:
        self._server = server

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self._server.dialled.append(host)
        return super().connect_tcp("127.0.0.1", self._server.port, timeout, local_address, socket_options)


@pytest.fixture
def files() -> Iterator[FileServer]:
    """The server."""
    served = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.headers["Host"], self.path, dict(self.headers)))
            status, headers, body = served.answers.get(self.path.partition("?")[0], (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()
