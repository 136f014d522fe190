"""Fixtures of the webhooks' tests: a real HTTP server that receives, and endpoints that point at it."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.identity import Role
from app.settings import Settings
from app.webhooks import service
from app.webhooks.tables import WebhookDelivery, WebhookEndpoint


@dataclass
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server on this machine; ``answer`` is (status, headers, body) and may be changed at any time."""

    port: int = 0
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"ok")
    requests: list[Received] = field(default_factory=list)
    # where set, an answer waits for it; and how many requests were in hand at once, at most
    gate: threading.Event | None = None
    open: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=1"


def handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                receiver.requests.append(Received(self.path, dict(self.headers), body))
                receiver.open += 1
                receiver.most_open = max(receiver.most_open, receiver.open)
            if receiver.gate is not None:
                receiver.gate.wait(20)
            with lock:
                receiver.open -= 1
            status, headers, answer = receiver.answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A plain HTTP receiver on 127.0.0.1."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(receiver))
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The test run's settings, with deliveries to this machine allowed."""
    return settings.model_copy(update={"webhook_allow_private": True, "webhook_failed_events": 2})


@pytest.fixture
def factory(session: Session) -> sessionmaker[Session]:
    """Sessions inside the test's transaction."""
    return sessionmaker(session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False)


@pytest.fixture
def account(session: Session) -> Account:
    return accounts.create_account(session, f"buyer {uuid.uuid4().hex}", Role.BUYER)


@pytest.fixture
def listen(session: Session, settings: Settings, account: Account) -> Callable[..., tuple[WebhookEndpoint, str]]:
    """A factory: ``listen(url, event_types=[...])`` registers an endpoint of the account's; it and its secret."""

    def make(url: str, **how: Any) -> tuple[WebhookEndpoint, str]:
        made = service.create_endpoint(session, settings, account.id, url=url, **how)
        session.commit()
        return made

    return make


@pytest.fixture
def emitted(session: Session, account: Account) -> Callable[..., list[WebhookDelivery]]:
    """A factory: ``emitted()`` tells of a valuation and returns the deliveries, oldest endpoint first."""

    def make(event_type: str = "valuation.succeeded") -> list[WebhookDelivery]:
        before = {row.id for row in session.query(WebhookDelivery)}
        service.emit(session, account.id, event_type, {"id": uuid.uuid4(), "status": event_type.split(".")[1]})
        session.commit()
        return [row for row in session.query(WebhookDelivery).order_by(WebhookDelivery.id) if row.id not in before]

    return make


@pytest.fixture
def make_due(session: Session) -> Callable[[], None]:
    """Let the time until the next attempts pass."""

    def act() -> None:
        session.execute(
            text("UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'pending'")
        )
        session.commit()

    return act
