"""One request to a stranger's server: bounded in time and bytes, pinned, and never led elsewhere. Real sockets."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from app.webhooks import transport
from app.webhooks.guard import AddressPolicy
from tests.app.webhooks.conftest import Receiver, handler_of

LOCAL = AddressPolicy(allow_http=True, allow_private=True)


def test_what_is_sent_arrives_whole_and_the_answer_comes_back(receiver: Receiver) -> None:
    answer = transport.post(httpx.URL(receiver.url), b'{"a":1}', {"webhook-id": "evt_1"}, LOCAL)
    assert (answer.status, answer.excerpt, answer.error) == (200, "ok", None)
    (request,) = receiver.requests
    assert request.path == "/hook?key=1"
    assert request.body == b'{"a":1}'
    assert request.headers["webhook-id"] == "evt_1"
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["Content-Type"] == "application/json"


def test_a_redirect_is_not_followed_and_not_a_success(receiver: Receiver) -> None:
    receiver.answer = (302, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}, b"")
    answer = transport.post(httpx.URL(receiver.url), b"{}", {}, LOCAL)
    assert (answer.status, answer.succeeded) == (302, False)
    assert "redirect" in str(answer.error)
    assert [request.path for request in receiver.requests] == ["/hook?key=1"]


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert transport.post(httpx.URL(receiver.url), b"{}", {}, LOCAL).succeeded


def test_only_the_beginning_of_an_answer_is_kept_and_it_can_be_stored(receiver: Receiver) -> None:
    receiver.answer = (200, {"Content-Encoding": "gzip"}, b"\0\xff" + b"x" * 5_000_000)
    answer = transport.post(httpx.URL(receiver.url), b"{}", {}, LOCAL)
    assert answer.succeeded
    assert len(answer.excerpt) <= transport.EXCERPT_BYTES
    assert "\0" not in answer.excerpt


@contextlib.contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server for one connection, which ``serve`` answers in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                serve(connection)
                # What is closed with something unread is reset, and a reset may overtake the answer.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def drip(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def test_an_answer_that_drips_ends_at_the_deadline_of_the_whole_exchange() -> None:
    with raw_server(lambda c: drip(c, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000)) as port:
        answer = transport.post(httpx.URL(f"http://127.0.0.1:{port}/"), b"{}", {}, LOCAL, total_seconds=0.3)
    assert answer.status is None
    assert "no answer within" in str(answer.error)


def test_a_body_that_drips_does_not_undo_the_status() -> None:
    with raw_server(lambda c: drip(c, b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 10_000)) as port:
        answer = transport.post(httpx.URL(f"http://127.0.0.1:{port}/"), b"{}", {}, LOCAL, total_seconds=1.5)
    assert answer.succeeded
    assert answer.excerpt.startswith("a")


def test_what_is_not_http_is_a_failed_attempt() -> None:
    with raw_server(lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")) as port:
        answer = transport.post(httpx.URL(f"http://127.0.0.1:{port}/"), b"{}", {}, LOCAL)
    assert answer.status is None
    assert "not HTTP" in str(answer.error)


def test_a_name_server_that_never_answers_is_a_failed_attempt() -> None:
    release = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        release.wait(10)
        return []

    url = httpx.URL("https://hooks.example.com/")
    answer = transport.post(url, b"{}", {}, LOCAL, resolve=silent, total_seconds=0.2)
    release.set()
    assert answer.status is None
    assert "no connection" in str(answer.error)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for hooks.example.com of our own making, and its key."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    extra = ["-addext", "subjectAltName=DNS:hooks.example.com", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    return cert, key


def test_over_tls_the_checked_address_is_used_and_the_urls_name_stays(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    receiver, names = Receiver(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(receiver))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    trusting = ssl.create_default_context(cafile=str(cert))
    port = server.server_address[1]
    try:

        def send(host: str) -> transport.ReceiverAnswer:
            url = httpx.URL(f"https://{host}:{port}/")
            return transport.post(url, b"{}", {}, LOCAL, resolve=lambda *_: ["127.0.0.1"], ssl_context=trusting)

        assert send("hooks.example.com").succeeded
        assert names == ["hooks.example.com"]
        assert receiver.requests[0].headers["Host"] == f"hooks.example.com:{port}"
        other = send("other.example.com")
        assert other.status is None
        assert "certificate" in str(other.error).lower()
        assert len(receiver.requests) == 1, "nothing was told to a server that is not the one named"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
