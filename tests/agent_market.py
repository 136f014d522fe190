"""A market some of whose providers keep their rows: a service that listens, agents in threads, tables in folders."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from agent import policy
from agent.desk import Desk
from agent.policy import Policy
from agent.serve import Server, connect, register
from agent.state import Folder
from agent.text_desk import TextDesk
from app.accounts import service as accounts
from app.accounts.tables import Account
from app.db.session import transaction
from app.main import create_app
from cherish import Client
from tests.market import Hand, Market
from tests.serving import serving

COLUMNS = ("age", "weight", "ward", "stay", "ill")
LICENCE: dict[str, object] = {"spdx": "CC0-1.0"}


def table(seed: int, rows: int = 150, shift: float = 0.0) -> str:
    """A CSV file of two numbers, a ward, a number that follows from them, and whether somebody is ill."""
    rng = np.random.default_rng(seed)
    age, weight = rng.normal(50, 10, rows).round(3), rng.normal(70, 8, rows).round(3)
    ward = rng.integers(0, 3, rows)
    stay = (0.1 * age - 0.05 * weight + ward + rng.normal(0, 1 + shift, rows)).round(4)
    ill = np.where(rng.random(rows) < 1 / (1 + np.exp(-(age - 50) / 5 - (ward - 1))), "yes", "no")
    lines = [",".join(map(str, each)) for each in zip(age, weight, [f"w{w}" for w in ward], stay, ill, strict=True)]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def with_gaps(content: str, seed: int) -> str:
    """The table without one age in ten and one ward in eight, spelt in several ways."""
    rng, spelt = np.random.default_rng(seed), ("", "NA", "?")
    head, *lines = content.splitlines()
    for at, line in enumerate(lines):
        age, weight, ward, *others = line.split(",")
        gone = rng.random(2) < (0.1, 0.125)
        cells = [spelt[at % 3] if gone[0] else age, weight, spelt[at % 3] if gone[1] else ward, *others]
        lines[at] = ",".join(cells)
    return "\n".join([head, *lines]) + "\n"


class Capture(httpx.BaseTransport):
    """The network below an agent: every byte that a request is made of, as it goes out."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self._below = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = b"".join(name + b": " + value for name, value in request.headers.raw)
        self.sent.append(request.method.encode() + str(request.url).encode() + headers + request.read())
        return self._below.handle_request(request)

    def close(self) -> None:
        self._below.close()


@dataclass
class Home:
    """One provider: its key, its folder, its agent where it runs."""

    key: str
    folder: Path
    dataset: str = ""
    said: list[str] = field(default_factory=list)
    capture: Capture = field(default_factory=Capture)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def desk(self, target: str, allowed: Policy) -> Desk:
        return Desk.open(self.folder / "rows.csv", target, allowed, Folder(self.folder / "state"))

    def start(self, url: str, target: str, allowed: Policy) -> None:
        """Register the table, if it is not, and serve in a thread."""
        self._start(url, self.desk(target, allowed))

    def start_texts(self, url: str, bases: list[Path], allowed: Policy) -> None:
        """The same of the documents in ``texts.csv``."""
        folder = Folder(self.folder / "state")
        self._start(url, TextDesk.of_documents(self.folder / "texts.csv", bases, allowed, folder))

    def _start(self, url: str, desk: Desk) -> None:
        self._stop = threading.Event()
        client = connect(url, self.key, desk, self.capture)
        self.dataset = register(client, desk, self.folder.name, LICENCE, self.said.append)

        def serve() -> None:
            server = Server(client, desk, self.said.append)
            desk.check_unchanged()
            while not self._stop.is_set():
                server.once(1.0)
            client.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)


@dataclass
class AgentMarket:
    """The market with a service in front; every home has a table of its own."""

    market: Market
    hand: Hand
    url: str
    buyer: Client
    homes: list[Home]
    keys: list[str]

    def upload(self, place: int, content: str, target: str) -> str:
        with Client(self.url, self.keys[place]) as client:
            made = client.upload_dataset("rows", content.encode(), target=target, format="csv")
            client.publish_dataset(made["id"], "CC0-1.0")
            return str(made["id"])

    def test_set(self, content: str, target: str) -> str:
        return str(self.buyer.upload_dataset("test", content.encode(), target=target, format="csv", kind="test")["id"])

    def run(self, datasets: list[str], test: str, **order: Any) -> dict[str, Any]:
        """Post a job, do it, and return its result with its status."""
        body = {"datasets": datasets, "test_dataset": test, "pool": "100.00", "currency": "EUR", "seed": 3} | order
        posted = self.buyer.create_valuation(**body)
        return self.finish(posted["id"])

    def finish(self, job: str) -> dict[str, Any]:
        from app.http.ids import parse_id

        self.hand.finish(parse_id("val", job))
        told = self.buyer.get(f"/v1/valuations/{job}")
        return told | ({"values": self.buyer.values(job)} if told["status"] == "succeeded" else {})


@contextmanager
def listening(market: Market) -> Iterator[str]:
    """The service of a market on a port of this machine."""
    with serving(create_app(market.settings), lifespan="on") as url:
        yield url


@pytest.fixture
def agent_market(market: Market, hand: Hand, tmp_path: Path) -> Iterator[AgentMarket]:
    """Three homes whose tables are seeds 1 to 3, and the keys of their providers."""
    with transaction(market.factory) as session:
        keys = [
            accounts.issue_key(session, market.settings, session.get_one(Account, owner), "test")[1]
            for owner in (market.buyer.account_id, *market.providers)
        ]
    homes = []
    for place, key in enumerate(keys[1:4], start=1):
        folder = tmp_path / f"home{place}"
        folder.mkdir()
        (folder / "rows.csv").write_text(table(place))
        homes.append(Home(key, folder))
    with listening(market) as url, Client(url, keys[0]) as buyer:
        yield AgentMarket(market, hand, url, buyer, homes, keys[1:])
        for home in homes:
            home.stop()


def allowed(**changes: Any) -> Policy:
    """The default policy with changes."""
    return policy.Policy(**changes)
