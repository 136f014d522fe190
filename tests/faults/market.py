"""A small market on a whole embedded stack, whose job is run again and again while things are broken around it.

Every job has the same data, spec and seed and a buyer of its own, so that no worth can be taken from an earlier run and
the answer must be the same to the last bit. ``verdict`` says what a storm left wrong; it never looks at logs.
"""

import hashlib
import json
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
import numpy as np
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app.accounts import service as accounts
from app.db.session import make_engine, make_session_factory, transaction
from app.identity import Role
from app.payouts import proof
from app.payouts import service as payouts
from app.settings import Settings
from app.storage import scratch
from cherish import Client
from contract.orders.estimators import REPLICATES
from tests.faults.upped import FACTOR

# short leases, so that a test sees in seconds what a deployment sees in minutes
SHORT = {
    "CHERISH_LEASE_SECONDS": "4",
    "CHERISH_HEARTBEAT_SECONDS": "0.3",
    "CHERISH_SWEEP_SECONDS": "0.5",
    "CHERISH_REDISPATCH_SECONDS": "1.5",
    "CHERISH_SHARD_SECONDS": "0.3",
    # often, so that it meets faults, too; what it may erase must be half an hour old all the same
    "CHERISH_COLLECT_SECONDS": "5",
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
# how an object store's folder names a file that is being written
STAGED = re.compile(r"#\d+$")
_PROVIDERS = 5
# every coalition, and those that are trained again from another start to measure seed noise
_WORTHS = 2**_PROVIDERS + REPLICATES


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


class Place(Protocol):
    """Where a market stands: its processes by name, and the folders in which they may leave files."""

    home: Path
    api_url: str

    @property
    def temporaries(self) -> list[Path]: ...
    @property
    def workers(self) -> list[str]: ...
    def processes(self, name: str) -> list[int]: ...
    def kill(self, name: str, number: signal.Signals = ...) -> None: ...
    def pause(self, name: str) -> None: ...
    def resume(self, name: str) -> None: ...
    def orphans(self) -> list[str]: ...
    def settings_env(self) -> dict[str, str]: ...


@dataclass
class StormyMarket:
    """The stack, its providers' datasets, and an engine to look behind the curtain with.

    ``beside`` are jobs that a fault posted, ``wrong`` what it found amiss itself; ``verdict`` looks at both.
    """

    place: Place
    settings: Settings
    engine: Engine
    datasets: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    jobs: int = 0
    job: Job | None = None
    beside: list[Job] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, place: Place) -> Self:
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
        """A new account, its id and a key of it; the database may just be coming back."""
        for _ in range(int(100 * FACTOR)):
            try:
                with transaction(make_session_factory(self.engine)) as session:
                    account = accounts.create_account(session, name, role)
                    if deposit:
                        payouts.deposit(session, account.id, deposit, "EUR", f"first deposit of {name}")
                    _, token = accounts.issue_key(session, self.settings, account, "faults")
                    return f"acc_{account.id.hex}", token
            except DBAPIError:
                time.sleep(0.3)
        raise AssertionError("the database did not come back within 30 s")

    def briefly(self, key: str) -> Client:
        """A client that takes no for an answer after a few tries."""
        return Client(self.place.api_url, key, retries=3)

    def ready(self, seconds: float = 60.0 * FACTOR) -> None:
        """Wait until the API says that it and all it needs are there."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                if httpx.get(f"{self.place.api_url}/readyz", timeout=5, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"the API was not ready within {seconds:.0f} s")

    def client(self, key: str) -> Client:
        """A patient client, closed with the market."""
        self.clients.append(Client(self.place.api_url, key, retries=30))
        return self.clients[-1]

    def post(self) -> Job:
        """The one job, for a new buyer; the API may just be coming back."""
        self.jobs += 1
        self.ready()
        _, key = self.key(f"buyer {self.jobs}", Role.BUYER, deposit=1000_00)
        client = self.client(key)
        content = rows(np.random.default_rng(12), 120)
        test = client.upload_dataset("test", content, target="y", format="npz", kind="test")
        job = client.create_valuation(datasets=self.datasets, test_dataset=test["id"], **_SPEC)
        return Job(job["id"], client, key)

    def scalar(self, statement: str, **values: Any) -> Any:
        """One value from the database, which may just be coming back."""
        for _ in range(int(100 * FACTOR)):
            try:
                with self.engine.connect() as connection:
                    return connection.execute(text(statement), values).scalar_one()
            except DBAPIError:
                time.sleep(0.2)
        raise AssertionError("the database did not come back within 20 s")

    def under_way(self, job: Job, worths: int, seconds: float = 120.0 * FACTOR) -> bool:
        """Wait until the job has that many worths; False when it has ended before."""
        ends = time.monotonic() + seconds
        while (found := self._worths(job)) is not None and found < worths:
            if time.monotonic() > ends:
                raise AssertionError(f"{job.id} did not reach {worths} worths within {seconds:.0f} s; it has {found}")
            time.sleep(0.05)
        return found is not None

    def goes_on_to(self, worths: int) -> bool:
        """Wait until the present job has so many worths more; False when it has ended before."""
        assert self.job is not None, "no job is under way"
        found = self._worths(self.job)
        return found is not None and self.under_way(self.job, found + worths)

    def goes_on(self, worths: int, seconds: float) -> None:
        """Wait until the present job has so many worths more, has ended, or the time is over."""
        ends = time.monotonic() + seconds
        before = None if self.job is None else self._worths(self.job)
        while self.job is not None and before is not None and time.monotonic() < ends:
            found = self._worths(self.job)
            if found is None or found >= before + worths:
                return
            time.sleep(0.1)

    def _worths(self, job: Job) -> int | None:
        """How many worths a job has; None once it has ended."""
        statement = """SELECT CASE WHEN v.status IN ('queued', 'planning', 'running')
            THEN (SELECT count(*) FROM evaluations e WHERE e.game_id = v.game_id) ELSE -1 END
            FROM valuations v WHERE v.id = :id"""
        found = int(self.scalar(statement, id=job.id.removeprefix("val_")))
        return None if found < 0 else found

    def verdict(self, job: Job, calm: str, seconds: float = 180.0 * FACTOR) -> list[str]:
        """What is wrong after a storm, with this job and those posted beside it: nothing, one hopes."""
        found, self.wrong = self.wrong, []
        jobs, self.beside = [job, *self.beside], []
        for each in jobs:
            found += self._of_job(each, calm, seconds)
        return found + self.books() + self.place.orphans() + self.litter()

    def _of_job(self, job: Job, calm: str, seconds: float) -> list[str]:
        try:
            ended = job.end(seconds)
        except TimeoutError:
            # written out, because a long comparison is shown in part
            sys.stderr.write("\n".join(self.scene(job)) + "\n")
            return [f"{job.id} did not end within {seconds:.0f} s"]
        if ended["status"] != "succeeded":
            return [f"the job ended as {ended['status']}: {ended['reason']}: {ended['error']}"]
        wrong = []
        if job.answer() != calm:
            wrong.append(f"the answer differs from the undisturbed one:\n{job.answer()}\n{calm}")
        plain = job.id.removeprefix("val_")
        worths = """SELECT count(*) FROM evaluations e JOIN valuations v ON v.game_id = e.game_id
            WHERE v.id = :id AND e.source NOT LIKE 'check:%'"""
        if (count := self.scalar(worths, id=plain)) != _WORTHS:
            wrong.append(f"{count} worths are stored; {_WORTHS} are due, each once")
        settled = "SELECT count(*) FROM payout_settlements WHERE valuation_id = :id"
        if (count := self.scalar(settled, id=plain)) != 1:
            wrong.append(f"the job was settled {count} times")
        held = "SELECT count(*) FROM shards WHERE valuation_id = :id AND status NOT IN ('done')"
        if count := self.scalar(held, id=plain):
            wrong.append(f"{count} shards of a job that has ended are not done")
        return wrong

    def scene(self, job: Job) -> list[str]:
        """Where a job stands, for whoever must find out why it does not go on: its shards that are not done, messages
        that were not sent, workers that are alive, and what the processes wrote last."""
        plain = job.id.removeprefix("val_")
        questions = {
            "shards": "SELECT kind, status, attempt, fence, lease_until, dispatched_at FROM shards "
            "WHERE valuation_id = CAST(:id AS uuid) AND status <> 'done'",
            "unsent": "SELECT task, queue, attempts, available_at, last_error FROM outbox WHERE sent_at IS NULL",
            "workers": "SELECT name, seen_at, shard_id FROM worker_heartbeats",
        }
        found = []
        for name, statement in questions.items():
            with self.engine.connect() as connection:
                bound = {"id": plain} if ":id" in statement else {}
                found += [f"{name}: {dict(row)}" for row in connection.execute(text(statement), bound).mappings()]
        for name in (*self.place.workers, "relay", "sweeper"):
            log = self.place.home / name / f"{name}.log"
            if log.exists():
                found.append(f"{name}, processes {self.place.processes(name)}:\n" + log.read_text()[-3000:])
        return found

    def litter(self) -> list[str]:
        """Files that nobody will use, once what was killed has had a while to come back and clear up."""
        ends = time.monotonic() + 60
        while True:
            found = leftovers(self.place.home / "blobs")
            for folder in self.place.temporaries:
                found += [f"{each} belongs to no process" for each in scratch.left_over(folder)]
                found += [f"{each} is left over" for each in folder.iterdir() if not each.name.startswith("cherish-")]
            if not found or time.monotonic() > ends:
                return found
            time.sleep(0.5)

    def books(self) -> list[str]:
        """What the ledger's own proof objects to."""
        for _ in range(int(100 * FACTOR)):
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
    """Files in the blob folder that are neither whole blobs under their own digest nor marked as half-written.

    What a killed writer has half-written is the collector's, once it is old.
    """
    found = []
    for path in (blobs / "sha256").rglob("*"):
        if path.is_file() and not STAGED.search(path.name):
            name = "".join(path.relative_to(blobs / "sha256").parts)
            if hashlib.sha256(path.read_bytes()).hexdigest() != name:
                found.append(f"{path} is left over: it is no blob under its digest")
    return found
