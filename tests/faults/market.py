"""A small market on a whole embedded stack, whose job is run again and again while things are broken around it.

Every job has the same data, spec and seed and a buyer of its own, so that no worth can be taken from an earlier run and
the answer must be the same to the last bit. ``verdict`` says what a storm left wrong; it never looks at logs.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app.accounts import service as accounts
from app.accounts.roles import Role
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import Stack
from app.payouts import proof
from app.payouts import service as payouts
from app.settings import Settings
from cherish import Client

# short leases, so that a test sees in seconds what a deployment sees in minutes
SHORT = {
    "CHERISH_LEASE_SECONDS": "4",
    "CHERISH_HEARTBEAT_SECONDS": "0.3",
    "CHERISH_SWEEP_SECONDS": "0.5",
    "CHERISH_REDISPATCH_SECONDS": "1.5",
    "CHERISH_SHARD_SECONDS": "0.3",
    # in a storm one shard may meet several faults, none of them its own fault
    "CHERISH_MAX_ATTEMPTS": "12",
}
_SPEC: dict[str, Any] = {
    "pool": "1000.00",
    "model": {"name": "mlp", "hyper": {"hidden": 64, "steps": 400}},
    "metric": "clipped_log_loss",
    "fidelity": "retrain",
    "estimator": "exact",
    "seed": 3,
}
_PROVIDERS = 5
_COALITIONS = 2**_PROVIDERS


@dataclass(frozen=True)
class Seen:
    """A stack of another process, as its state file tells: enough to be its customer, not to break its parts."""

    home: Path
    api_url: str
    env: dict[str, str]

    def settings_env(self) -> dict[str, str]:
        return self.env


@dataclass
class Job:
    """A posted job, and the client of the buyer who posted it."""

    id: str
    client: Client
    key: str

    def end(self, seconds: float) -> dict[str, Any]:
        """The job when it has ended, however often the API went away meanwhile."""
        ends = time.monotonic() + seconds
        while True:
            try:
                return self.client.wait(self.id, timeout=max(1.0, ends - time.monotonic()))
            except TimeoutError:
                raise
            except Exception:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.3)

    def answer(self) -> str:
        """Values, intervals, shares and money of every player, as one canonical text."""
        values = self.client.get(f"/v1/valuations/{self.id}/values")
        kept = ("provider", "rows", "digest", "value", "stderr", "value_ci", "share", "share_ci", "amount")
        players = [{name: player[name] for name in kept} for player in values["players"]]
        top = {name: values[name] for name in ("empty_worth", "full_worth", "evaluations", "stopped_by")}
        return json.dumps([sorted(players, key=lambda player: player["provider"]), top], sort_keys=True)


@dataclass
class StormyMarket:
    """The stack, its providers' datasets, and an engine to look behind the curtain with."""

    place: Stack | Seen
    settings: Settings
    engine: Engine
    datasets: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    jobs: int = 0

    @property
    def stack(self) -> Stack:
        """The stack as its supervisor holds it, to break its parts."""
        assert isinstance(self.place, Stack), "only a stack of this process can be broken part by part"
        return self.place

    @classmethod
    def on(cls, place: Stack | Seen) -> "StormyMarket":
        settings = Settings.from_variables(place.settings_env())
        market = cls(place, settings, make_engine(settings.database_url.get_secret_value(), pool_size=2))
        rng = np.random.default_rng(11)
        for number in range(_PROVIDERS):
            _, key = market.key(f"provider {number}", Role.PROVIDER)
            with Client(place.api_url, key) as client:
                content = rows(rng, 60 + 20 * number, flip=0.1 * number)
                dataset = client.upload_dataset(f"rows {number}", content, target="y", format="npz")
                client.publish_dataset(dataset["id"], "CC0-1.0")
            market.datasets.append(dataset["id"])
        return market

    def key(self, name: str, role: Role, deposit: int = 0) -> tuple[str, str]:
        """A new account, its id and a key of it."""
        with transaction(make_session_factory(self.engine)) as session:
            account = accounts.create_account(session, name, role)
            if deposit:
                payouts.deposit(session, account.id, deposit, "EUR", f"first deposit of {name}")
            _, token = accounts.issue_key(session, self.settings, account, "faults")
            return f"acc_{account.id.hex}", token

    def client(self, key: str) -> Client:
        """A patient client, closed with the market."""
        self.clients.append(Client(self.place.api_url, key, retries=12))
        return self.clients[-1]

    def post(self) -> Job:
        """The one job, for a new buyer."""
        self.jobs += 1
        _, key = self.key(f"buyer {self.jobs}", Role.BUYER, deposit=1000_00)
        client = self.client(key)
        content = rows(np.random.default_rng(12), 120)
        test = client.upload_dataset("test", content, target="y", format="npz", kind="test")
        job = client.create_valuation(datasets=self.datasets, test_dataset=test["id"], **_SPEC)
        return Job(job["id"], client, key)

    def scalar(self, statement: str, **values: Any) -> Any:
        """One value from the database, which may just be coming back."""
        for _ in range(100):
            try:
                with self.engine.connect() as connection:
                    return connection.execute(text(statement), values).scalar_one()
            except DBAPIError:
                time.sleep(0.2)
        raise AssertionError("the database did not come back within 20 s")

    def under_way(self, job: Job, evaluations: int, seconds: float = 60.0) -> None:
        """Wait until the job has that many worths (or has ended)."""
        statement = """SELECT (SELECT count(*) FROM evaluations e WHERE e.game_id = v.game_id) >= :wanted
            OR v.status NOT IN ('queued', 'planning', 'running') FROM valuations v WHERE v.id = :id"""
        ends = time.monotonic() + seconds
        while not self.scalar(statement, id=job.id.removeprefix("val_"), wanted=evaluations):
            if time.monotonic() > ends:
                raise AssertionError(f"{job.id} did not reach {evaluations} worths within {seconds:.0f} s")
            time.sleep(0.05)

    def verdict(self, job: Job, calm: str, seconds: float = 120.0) -> list[str]:
        """What is wrong after a storm: nothing, one hopes."""
        ended = job.end(seconds)
        if ended["status"] != "succeeded":
            return [f"the job ended as {ended['status']}: {ended['reason']}: {ended['error']}"]
        wrong = []
        if job.answer() != calm:
            wrong.append(f"the answer differs from the undisturbed one:\n{job.answer()}\n{calm}")
        plain = job.id.removeprefix("val_")
        worths = "SELECT count(*) FROM evaluations e JOIN valuations v ON v.game_id = e.game_id WHERE v.id = :id"
        if (count := self.scalar(worths, id=plain)) != _COALITIONS:
            wrong.append(f"{count} worths are stored; {_COALITIONS} are due, each once")
        settled = "SELECT count(*) FROM payout_settlements WHERE valuation_id = :id"
        if (count := self.scalar(settled, id=plain)) != 1:
            wrong.append(f"the job was settled {count} times")
        held = "SELECT count(*) FROM shards WHERE valuation_id = :id AND status NOT IN ('done')"
        if count := self.scalar(held, id=plain):
            wrong.append(f"{count} shards of a job that has ended are not done")
        return wrong + self.books() + leftovers(self.place.home / "blobs")

    def books(self) -> list[str]:
        """What the ledger's own proof objects to."""
        for _ in range(100):
            try:
                with transaction(make_session_factory(self.engine)) as session:
                    found = proof.prove(session)
            except DBAPIError:
                time.sleep(0.2)
            else:
                return [] if found.ok else [f"the ledger does not prove: {found.problems}"]
        return ["the database did not come back within 20 s"]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.engine.dispose()


def rows(rng: np.random.Generator, count: int, flip: float = 0.0) -> bytes:
    """An NPZ of ``count`` rows of three classes in six columns, a part of the labels flipped."""
    import io

    y = rng.integers(0, 3, count)
    X = (np.eye(6)[y] * 1.5 + rng.normal(size=(count, 6))).astype(np.float32)
    wrong = rng.random(count) < flip
    sink = io.BytesIO()
    np.savez(sink, X=X, y=np.where(wrong, (y + 1) % 3, y).astype(np.int64))
    return sink.getvalue()


def leftovers(blobs: Path) -> list[str]:
    """Files in the blob folder that are not whole blobs under their own digest."""
    found = []
    for path in blobs.rglob("*"):
        if path.is_file():
            name = "".join(path.relative_to(blobs / "sha256").parts)
            if hashlib.sha256(path.read_bytes()).hexdigest() != name:
                found.append(f"{path} is left over: it is no blob under its digest")
    return found


def orphans(home: Path) -> list[str]:
    """Processes that still belong to a stack in this folder: by command line, working folder or environment."""
    mark = os.fsencode(str(home))
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            belongs = mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes()
            if belongs and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(f"process {entry.name} is an orphan: {(entry / 'cmdline').read_bytes()[:200]!r}")
        except OSError:
            # it ended while we looked, or is another user's
            continue
    return found
