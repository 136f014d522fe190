"""Fixtures of tests that need committed data and real processes: a database and a Redis number of the test's own.

``tests/conftest.py`` makes them known to all tests; the compute side is loaded by those only that use it.
"""

import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import redis
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetFormat, DatasetKind, DatasetStatus, Modality
from app.db.registry import load_tables
from app.db.session import make_engine, make_session_factory, transaction
from app.housekeeping.sweeper import Sweeper
from app.identity import Caller, Role
from app.main import create_app
from app.outbox.broker import CeleryBroker
from app.outbox.relay import Relay
from app.payouts import service as payouts
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import service
from app.valuations.schemas import NewValuation
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import Valuation
from tests.frozen_models import write_backbone, write_encoder, write_resnet
from tests.place import PROVIDERS, Place

if TYPE_CHECKING:
    from worker.runtime import Runtime

ROOT = Path(__file__).parents[1]
_redis_numbers = itertools.cycle(range(1, 16))


@dataclass
class Market:
    """A small market whose data is committed: one buyer with money, providers with digit-like rows, a test set."""

    settings: Settings
    factory: sessionmaker[Session]
    blobs: BlobStore
    buyer: Caller
    providers: list[uuid.UUID] = field(default_factory=list)
    datasets: list[uuid.UUID] = field(default_factory=list)
    test: uuid.UUID | None = None

    def order(self, **changes: Any) -> NewValuation:
        """An order over all of the market's datasets."""
        body: dict[str, Any] = {
            "datasets": self.datasets,
            "test_dataset": self.test,
            "pool": "1000.00",
            "model": {"name": "logistic", "hyper": {"l2": 0.01}},
            "seed": 3,
        }
        return NewValuation.model_validate(body | changes)

    def post(self, buyer: Caller | None = None, **changes: Any) -> uuid.UUID:
        """Post an order and commit."""
        with transaction(self.factory) as session:
            return service.post(session, self.blobs, self.settings, buyer or self.buyer, self.order(**changes)).id

    def job(self, valuation_id: uuid.UUID) -> Valuation:
        with self.factory() as session:
            job = session.get_one(Valuation, valuation_id)
            _ = job.traceback, job.result
            return job

    def wait(self, valuation_id: uuid.UUID, *statuses: ValuationStatus, seconds: float = 60.0) -> Valuation:
        """The job once it has one of these statuses (or any terminal one)."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            job = self.job(valuation_id)
            if job.status in (statuses or TERMINAL) or job.status in TERMINAL:
                return job
            time.sleep(0.05)
        raise AssertionError(f"after {seconds} s the job is {self.job(valuation_id).status}")

    def scalar(self, statement: str, **values: Any) -> Any:
        with self.factory() as session:
            return session.execute(text(statement), values).scalar_one()

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.factory() as session:
            return [tuple(row) for row in session.execute(text(statement), values)]

    def add_buyer(self, name: str) -> Caller:
        """Another buyer with money, who owns a copy of the test set."""
        with transaction(self.factory) as session:
            account = Account(name=name, role=Role.BUYER)
            session.add(account)
            session.flush()
            payouts.deposit(session, account.id, 10_000_00, "EUR", "a first deposit")
            return Caller(account.id, Role.BUYER, frozenset(), uuid.uuid4())

    def add_dataset(self, owner: uuid.UUID, kind: DatasetKind, X: Any, y: Any) -> uuid.UUID:
        path = Path(self.settings.blob_url.removeprefix("file://")).parent / f"{uuid.uuid4().hex}.npz"
        np.savez(path, X=X, y=y)
        with transaction(self.factory) as session:
            blob = self.blobs.put_file(path)
            status = DatasetStatus.PUBLISHED if kind is DatasetKind.TRAIN else DatasetStatus.READY
            dataset = Dataset(
                provider_id=owner, name=path.stem, kind=kind, status=status, target="y",
                licence=Licence("CC0-1.0").to_json(), format=DatasetFormat.NPZ, modality=Modality.TABULAR,
                digest=blob.digest, size_bytes=blob.size, rows=len(y), columns=[],
            )  # fmt: skip
            session.add(dataset)
            session.flush()
            return dataset.id


def rows_of(seed: int, count: int, flip: float = 0.0) -> tuple[Any, Any]:
    """``count`` rows of three well separated classes in four columns; a part of the labels flipped."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    X = (np.eye(4)[y] * 2 + rng.normal(size=(count, 4))).astype(np.float32)
    wrong = rng.random(count) < flip
    return X, np.where(wrong, (y + 1) % 3, y).astype(np.int64)


@pytest.fixture(scope="session")
def template(postgres_url: str) -> Iterator[str]:
    """An empty database with the schema, to be copied by each test that needs one of its own."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = make_engine(make_url(postgres_url).set(database=name).render_as_string(hide_password=False))
    load_tables().create_all(engine)
    engine.dispose()
    yield name
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def own_settings(postgres_url: str, redis_url: str, template: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings over an empty database with the schema, an empty Redis number and a blob folder; leases are short."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    broker = f"{redis_url}?db={next(_redis_numbers)}"
    with redis.Redis.from_url(broker) as client:
        client.flushdb()
    yield Settings(
        database_url=url,  # type: ignore[arg-type]  # pydantic makes the secrets
        redis_url=broker,  # type: ignore[arg-type]  # same
        blob_url=f"file://{tmp_path}/blobs",
        log_level="INFO",
        lease_seconds=2.0,
        heartbeat_seconds=0.2,
        sweep_seconds=0.3,
        agent_answer_seconds=3.0,
        agent_patience_seconds=30.0,
        redispatch_seconds=0.5,
    )
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def market(own_settings: Settings) -> Iterator[Market]:
    """Four providers (one with flipped labels, one an exact copy of another) and one buyer with 10,000 EUR."""
    engine = make_engine(own_settings.database_url.get_secret_value())
    factory = make_session_factory(engine)
    blobs = BlobStore.from_url(own_settings.blob_url)
    buyer = Caller(uuid.uuid4(), Role.BUYER, frozenset(), uuid.uuid4())
    market = Market(own_settings, factory, blobs, buyer)
    with transaction(factory) as session:
        session.add(Account(id=buyer.account_id, name="buyer", role=Role.BUYER))
        session.flush()
        payouts.deposit(session, buyer.account_id, 10_000_00, "EUR", "a first deposit")
        for number in range(4):
            account = Account(name=f"provider {number}", role=Role.PROVIDER)
            session.add(account)
            session.flush()
            market.providers.append(account.id)
    parts = [rows_of(1, 60), rows_of(2, 40), rows_of(3, 50, flip=0.5), rows_of(1, 60)]
    for owner, (X, y) in zip(market.providers, parts, strict=True):
        market.datasets.append(market.add_dataset(owner, DatasetKind.TRAIN, X, y))
    market.test = market.add_dataset(buyer.account_id, DatasetKind.TEST, *rows_of(9, 80))
    yield market
    engine.dispose()


@dataclass
class Letters:
    """A broker of the test's own: it keeps messages until the test hands them on, in any order."""

    waiting: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    away: bool = False

    def send(self, task: str, args: Mapping[str, Any], queue: str, priority: int) -> None:
        if self.away:
            raise ConnectionError("the broker is away")
        self.waiting.append((task, dict(args), queue))

    def length(self, queue: str) -> int:
        return sum(each[2] == queue for each in self.waiting)


@dataclass
class Hand:
    """A worker, a relay and a sweeper in this process, moved by hand: nothing happens unasked."""

    market: Market
    letters: Letters
    runtime: "Runtime"
    relay: Relay
    sweeper: Sweeper

    def deliver(self, shard_id: str) -> None:
        """What a task does when its message comes."""
        self.runtime.work_on(uuid.UUID(shard_id))

    def collect(self) -> list[str]:
        """Everything that is due goes from the outbox to the broker and out of it; the shards that are named."""
        while self.relay.drain_once():
            pass
        shards = [args["shard_id"] for _, args, _ in self.letters.waiting if "shard_id" in args]
        self.letters.waiting.clear()
        return shards

    def finish(self, valuation_id: uuid.UUID, arrange: Callable[[list[str]], list[str]] = list) -> Valuation:
        """Deliver messages, as ``arrange`` orders and repeats them, until the job has ended."""
        for _ in range(500):
            for shard_id in arrange(self.collect()):
                self.deliver(shard_id)
            job = self.market.job(valuation_id)
            if job.status in TERMINAL:
                return job
        raise AssertionError(f"the job is still {job.status}")


@pytest.fixture
def hand(market: Market) -> Iterator[Hand]:
    from worker.runtime import Runtime

    letters = Letters()
    runtime = Runtime(market.settings, "cpu")
    yield Hand(
        market, letters, runtime, Relay(market.factory, letters), Sweeper(market.factory, letters, market.settings)
    )
    runtime.close()


@pytest.fixture
def place(market: Any) -> Iterator[Place]:
    app = create_app(market.settings)
    clients = {}
    with transaction(market.factory) as session:
        owners = {"buyer": market.buyer.account_id} | dict(zip(PROVIDERS, market.providers, strict=False))
        for name, account_id in owners.items():
            account = session.get_one(Account, account_id)
            _, token = accounts.issue_key(session, market.settings, account, "test")
            clients[name] = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    with TestClient(app):
        yield Place(market, app, clients)


@dataclass
class Processes:
    """Real processes of the service, each in a session of its own; none outlives the test."""

    settings: Settings
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *module: str, **more: str) -> subprocess.Popen[bytes]:
        """``python -m <module>`` with this test's settings; ``more`` are further environment variables."""
        env = os.environ | {
            "CHERISH_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "CHERISH_REDIS_URL": self.settings.redis_url.get_secret_value(),
            "CHERISH_BLOB_URL": self.settings.blob_url,
            "CHERISH_LOG_LEVEL": "INFO",
            "OMP_NUM_THREADS": "1",
        }
        for name in ("lease_seconds", "heartbeat_seconds", "sweep_seconds", "redispatch_seconds", "shard_seconds"):
            env[f"CHERISH_{name.upper()}"] = str(getattr(self.settings, name))
        with (self.folder / f"{'-'.join(module)}-{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=env | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def worker(self, **more: str) -> subprocess.Popen[bytes]:
        return self.start("worker", "cpu", **more)

    def housekeeping(self) -> subprocess.Popen[bytes]:
        return self.start("app.housekeeping")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 of a process and of all its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        for process in self.running:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-4000:]}" for path in sorted(self.folder.glob("*.log")))


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "encoder")


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return write_backbone(tmp_path / "backbone")


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """A narrow ResNet's folder."""
    return write_resnet(tmp_path / "resnet")


@pytest.fixture
def processes(own_settings: Settings, tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "logs"
    folder.mkdir()
    started = Processes(own_settings, folder)
    yield started
    started.end()


@pytest.fixture
def broker(own_settings: Settings) -> Iterator[CeleryBroker]:
    broker = CeleryBroker(own_settings.redis_url.get_secret_value())
    yield broker
    broker.close()
