"""The whole service around the real engine: two workers against one, and what the service adds to the engine alone.

A stack without workers, whose workers are started here, each with one thread, so that two of them on two cores are
twice one. Every job has the same files, order and seed and a buyer of its own, so nothing is reused; all answers must
be equal, and equal to the bare engine's. Processor time stands beside the clock, because the machine may be busy.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from app.accounts import service as accounts
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations.work import leases, protocol
from benchmarks.dispatch.place import cpu_seconds
from benchmarks.store import ROOT
from cherish import Client

PLAYERS, ROWS, COLUMNS, CLASSES = 8, 250, 32, 5
SPEC: dict[str, Any] = {
    "pool": "1000.00",
    "model": {"name": "mlp", "hyper": {"hidden": 64}},
    "metric": "clipped_log_loss",
    "fidelity": "retrain",
    "estimator": "exact",
    "seed": 3,
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_PATIENCE = 1800.0


def write_files(folder: Path) -> None:
    """The providers' rows and the test set: classes around centres of their own, some labels wrong."""
    rng = np.random.default_rng(17)
    centres = rng.normal(size=(CLASSES, COLUMNS))
    for name, wrong in [(f"provider-{number}", 0.05 * number) for number in range(PLAYERS)] + [("test", 0.0)]:
        y = rng.integers(0, CLASSES, ROWS)
        X = (centres[y] + 1.5 * rng.normal(size=(ROWS, COLUMNS))).astype(np.float32)
        label = np.where(rng.random(ROWS) < wrong, (y + 1) % CLASSES, y).astype(np.int64)
        sink = BytesIO()
        np.savez(sink, X=X, y=label)
        (folder / f"{name}.npz").write_bytes(sink.getvalue())


class Market:
    """A stack without workers, its providers' datasets, and buyers who order the one job."""

    def __init__(self, stack: EmbeddedStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._settings = Settings.from_variables(stack.settings_env())
        self._factory = make_session_factory(make_engine(self._settings.database_url.get_secret_value(), pool_size=2))
        self._datasets = []
        for path in sorted(folder.glob("provider-*.npz")):
            with Client(stack.api_url, self._key(path.stem, Role.PROVIDER)) as client:
                made = client.upload_dataset(path.stem, path.read_bytes(), target="y", format="npz")
                client.publish_dataset(made["id"], "CC0-1.0")
            self._datasets.append(made["id"])

    def _key(self, name: str, role: Role) -> str:
        with transaction(self._factory) as session:
            account = accounts.create_account(session, name, role)
            if role is Role.BUYER:
                payouts.deposit(session, account.id, 1000_00, "EUR", f"deposit of {name}")
            return accounts.issue_key(session, self._settings, account, "benchmark")[1]

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """So many workers of one thread, all of them alive, nothing else to do."""
        env = os.environ | self._stack.settings_env() | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
        started = []
        try:
            for number in range(count):
                with (self._stack.home / "logs" / f"worker-{number}.log").open("ab") as log:
                    command = [sys.executable, "-m", "worker", "cpu"]
                    started.append(subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log))
            ends = time.monotonic() + 300
            while self._alive() < count:
                if time.monotonic() > ends:
                    raise TimeoutError(f"{count} workers did not start; see {self._stack.home}/logs")
                time.sleep(0.2)
            yield
        finally:
            for each in started:
                each.terminate()
            for each in started:
                each.wait()

    def _alive(self) -> int:
        with transaction(self._factory) as session:
            return leases.live_workers(session, "cpu", protocol.alive_within(self._settings))

    def run(self, steps: int) -> dict[str, Any]:
        """The job from its posting to its money: seconds, processor seconds of all processes, values."""
        buyer = self._key(f"buyer {uuid.uuid4().hex[:8]}", Role.BUYER)
        hyper = SPEC["model"]["hyper"] | {"steps": steps}
        order = SPEC | {"model": SPEC["model"] | {"hyper": hyper}}
        with Client(self._stack.api_url, buyer, timeout=120) as client:
            test = client.upload_dataset(
                "test", (self._folder / "test.npz").read_bytes(), target="y", format="npz", kind="test"
            )
            # what the upload asked of workers is no part of the job
            while client.get(f"/v1/datasets/{test['id']}/profile")["profile_status"] == "pending":
                time.sleep(0.2)
            before = cpu_seconds(psutil.Process())
            job = client.create_valuation(datasets=self._datasets, test_dataset=test["id"], **order)
            job = client.wait(job["id"], timeout=_PATIENCE)
            after = cpu_seconds(psutil.Process())
            assert job["status"] == "succeeded", job
            players = client.get(f"/v1/valuations/{job['id']}/values")["players"]
        begun, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "finished_at"))
        return {
            "seconds": (ended - begun).total_seconds(),
            "cpu_seconds": after - before,
            "values": {player["provider"]: player["value"] for player in players},
        }


@contextmanager
def market() -> Iterator[tuple[Market, Path]]:
    """A market on a stack of its own, gone afterwards; and the folder of its files."""
    home = Path(tempfile.gettempdir()) / f"cherish-service-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        stack = EmbeddedStack(home, workers=0)
        with stack:
            yield Market(stack, Path(folder)), Path(folder)
        stack.destroy()


def bare(folder: Path, steps: int) -> dict[str, Any]:
    """The engine alone, in a process of its own with one thread."""
    command = [sys.executable, "-m", "benchmarks.dispatch.bare", str(folder), str(steps)]
    env = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(steps: int, repeats: int) -> dict[str, Any]:
    """The engine alone, the service with one worker and with two, in turn; ratios are of medians."""
    runs: dict[str, list[dict[str, Any]]] = {"bare": [], "one": [], "two": []}
    with market() as (found, folder):
        for _ in range(repeats):
            runs["bare"].append(bare(folder, steps))
            for name, count in (("one", 1), ("two", 2)):
                with found.workers(count):
                    runs[name].append(found.run(steps))
    everyone = [run.pop("values") for each in runs.values() for run in each]
    assert all(values == everyone[0] for values in everyone), "the service and the engine found different values"
    middle = {
        name: {what: statistics.median(run[what] for run in each) for what in ("seconds", "cpu_seconds")}
        for name, each in runs.items()
    }
    return {
        "worths": 2**PLAYERS,
        "steps": steps,
        "repeats": repeats,
        "runs": runs,
        **middle,
        "speed_up": middle["one"]["seconds"] / middle["two"]["seconds"],
        "overhead": middle["one"]["seconds"] / middle["bare"]["seconds"] - 1,
        "cpu_overhead": middle["one"]["cpu_seconds"] / middle["bare"]["cpu_seconds"] - 1,
        "load": os.getloadavg()[0],
    }
