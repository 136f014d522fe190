"""The faults: each takes a market with a job under way and a seeded generator, breaks one thing, and mends nothing
that the product must mend by itself. What only an operator could mend (a paused server, a quota) is undone here.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
import redis
from kombu.exceptions import OperationalError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.identity import Role
from app.outbox.broker import CeleryBroker
from cherish import Client, Problem
from tests.faults.market import StormyMarket, leftovers, rows
from tests.faults.upped import SOURCE, Upped

Fault = Callable[[StormyMarket, np.random.Generator], None]

# how long an ill process does the work of the well ones, in worths and at most in seconds
_ILL_WORTHS, _ILL_SECONDS = 4, 40.0


def _upped(market: StormyMarket) -> Upped:
    assert isinstance(market.place, Upped), "this fault is one of the embedded stack"
    return market.place


def _worker(rng: np.random.Generator) -> str:
    return f"worker-{rng.integers(1, 3)}"


def kill_a_worker(market: StormyMarket, rng: np.random.Generator) -> None:
    """kill -9 of a worker and its child, mid-shard."""
    market.place.kill(_worker(rng))


def kill_a_workers_child(market: StormyMarket, rng: np.random.Generator) -> None:
    """kill -9 of the child alone, as the kernel does when memory runs out."""
    processes = market.place.processes(_worker(rng))
    if processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(processes[-1], signal.SIGKILL)


def stop_a_worker(market: StormyMarket, rng: np.random.Generator) -> None:
    """SIGTERM: the shard in hand is finished or given back."""
    market.place.kill(_worker(rng), signal.SIGTERM)


def pause_a_worker(market: StormyMarket, rng: np.random.Generator) -> None:
    """Frozen for longer than a lease: somebody else takes the shard, and the sleeper must not write."""
    name = _worker(rng)
    market.place.pause(name)
    time.sleep(5.0)
    market.place.resume(name)


def kill_the_api(market: StormyMarket, _rng: np.random.Generator) -> None:
    market.place.kill("api")


def kill_the_api_before_dispatch(market: StormyMarket, _rng: np.random.Generator) -> None:
    """A job is committed, its message is not sent yet, and the API is gone."""
    for name in ("relay", "sweeper"):
        market.place.pause(name)
    market.beside.append(market.post())
    market.place.kill("api")
    for name in ("relay", "sweeper"):
        market.place.resume(name)


def kill_the_api_during_an_upload(market: StormyMarket, rng: np.random.Generator) -> None:
    """Its last byte is held back for a moment, and before it comes the API is gone."""
    market.ready()
    _, key = market.key(f"provider {uuid.uuid4().hex[:6]}", Role.PROVIDER)
    with market.briefly(key) as client:
        draft = client.post("/v1/datasets", {"name": "cut off", "target": "y", "format": "npz"})
    content = rows(rng, 30_000)

    def dripping() -> Iterator[bytes]:
        yield content[:-1]
        time.sleep(0.5)
        market.place.kill("api")
        yield content[-1:]

    with contextlib.suppress(httpx.TransportError):
        httpx.put(
            f"{market.place.api_url}/v1/datasets/{draft['id']}/content",
            content=dripping(), headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False,
        )  # fmt: skip
    market.ready()
    with market.briefly(key) as client:
        assert client.get(f"/v1/datasets/{draft['id']}")["status"] == "draft", "half an upload became a dataset"


def kill_the_relay(market: StormyMarket, _rng: np.random.Generator) -> None:
    market.place.kill("relay")


def kill_the_sweeper(market: StormyMarket, _rng: np.random.Generator) -> None:
    market.place.kill("sweeper")


def kill_the_supervisor(market: StormyMarket, _rng: np.random.Generator) -> None:
    """kill -9; nothing of it lives on, and `cherish up` again goes on where it was."""
    place = _upped(market)
    market.wrong += place.crash()
    place.start()


def kill_redis(market: StormyMarket, _rng: np.random.Generator) -> None:
    """It comes back empty."""
    market.place.kill("redis")


def wipe_redis(market: StormyMarket, _rng: np.random.Generator) -> None:
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis.from_url(market.settings.redis_url.get_secret_value()) as client,
    ):
        client.flushall()


def pause_redis(market: StormyMarket, rng: np.random.Generator) -> None:
    """Deaf for a moment, for longer than its clients' patience, or for half a minute."""
    market.place.pause("redis")
    time.sleep(float(rng.choice([1.0, 8.0, 30.0])))
    market.place.resume("redis")


def restart_postgres(market: StormyMarket, rng: np.random.Generator) -> None:
    """Fast shutdown or kill -9, mid-round."""
    market.place.kill("postgres", signal.SIGINT if rng.random() < 0.5 else signal.SIGKILL)


def time_out_statements(market: StormyMarket, _rng: np.random.Generator) -> None:
    """For a second every new connection's statements end after five milliseconds."""
    set_to = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = {}', current_database()); END $$"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    engine = market.engine.execution_options(isolation_level="AUTOCOMMIT")
    with contextlib.suppress(DBAPIError), engine.connect() as connection:
        connection.execute(text(set_to.format("5")))
        connection.execute(text(cut))
    time.sleep(1.0)
    for _ in range(200):
        try:
            with engine.connect() as connection:
                connection.execute(text("SET statement_timeout = 0"))
                connection.execute(text(set_to.format("0")))
                connection.execute(text(cut))
        except DBAPIError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the statement timeout could not be taken back")


def deliver_everything_again(market: StormyMarket, rng: np.random.Generator) -> None:
    """Every message of the last job once more, in any order."""
    statement = """SELECT s.id, s.kind FROM shards s JOIN valuations v ON v.id = s.valuation_id
        WHERE v.created_at = (SELECT max(created_at) FROM valuations)"""
    # what was killed a moment ago may be away still, for us as for anybody
    away = (DBAPIError, OperationalError, ConnectionError, redis.RedisError, OSError)
    with contextlib.suppress(*away), market.engine.connect() as found:
        messages = [(str(row.id), row.kind) for row in found.execute(text(statement))]
        broker = CeleryBroker(market.settings.redis_url.get_secret_value())
        for index in rng.permutation(len(messages)):
            shard_id, kind = messages[index]
            broker.send(f"worker.tasks.{kind}", {"shard_id": shard_id}, "cpu", 0)
        broker.close()


def deliver_everything_twice_and_late(market: StormyMarket, rng: np.random.Generator) -> None:
    """For a while the relay is one whose messages all come twice, late, and in any order."""
    market.place.pause("relay")
    try:
        with _ill(market, "stuttering", ["app.housekeeping", "relay"], int(rng.integers(2**31))):
            market.goes_on(8, _ILL_SECONDS)
    finally:
        market.place.resume("relay")


def pause_the_relay(market: StormyMarket, rng: np.random.Generator) -> None:
    """Messages wait, then all come at once."""
    market.place.pause("relay")
    time.sleep(float(rng.uniform(0.5, 3.0)))
    market.place.resume("relay")


def set_a_workers_clock_wrong(market: StormyMarket, rng: np.random.Generator) -> None:
    """An hour ahead, or behind."""
    _work_by(market, "late" if rng.random() < 0.5 else "early")


def fail_one_read_in_five(market: StormyMarket, _rng: np.random.Generator) -> None:
    _work_by(market, "forgetful")


def run_out_of_memory(market: StormyMarket, _rng: np.random.Generator) -> None:
    """In the middle of a batch, as the device's allocator says it."""
    _work_by(market, "crammed")


def fill_the_disk_during_an_upload(market: StormyMarket, rng: np.random.Generator) -> None:
    """No file of the API may grow beyond half of what is sent; then it may, and the same upload is taken."""
    market.ready()
    _, key = market.key(f"provider {uuid.uuid4().hex[:6]}", Role.PROVIDER)
    content = rows(rng, 60_000)
    with market.briefly(key) as client:
        draft = client.post("/v1/datasets", {"name": "large", "target": "y", "format": "npz"})
        path = f"/v1/datasets/{draft['id']}"
        with contextlib.ExitStack() as limits:
            for pid in market.place.processes("api"):
                limits.enter_context(_full_disk(pid, len(content) // 2))
            # a patient client would wait for as long as the answer asks, and try again
            with Client(market.place.api_url, key, retries=0) as hasty, pytest.raises(Problem) as refused:
                hasty.put(f"{path}/content", content)
        assert refused.value.status >= 500, f"a full disk is no fault of the caller's: {refused.value}"
        assert client.get(path)["status"] == "draft", "an upload that was refused became a dataset"
        assert leftovers(market.place.home / "blobs") == []
        assert client.put(f"{path}/content", content)["status"] != "draft"


FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        kill_a_worker,
        kill_a_workers_child,
        stop_a_worker,
        pause_a_worker,
        kill_the_api,
        kill_the_api_before_dispatch,
        kill_the_api_during_an_upload,
        kill_the_relay,
        kill_the_sweeper,
        kill_the_supervisor,
        kill_redis,
        wipe_redis,
        pause_redis,
        restart_postgres,
        time_out_statements,
        deliver_everything_again,
        deliver_everything_twice_and_late,
        pause_the_relay,
        set_a_workers_clock_wrong,
        fail_one_read_in_five,
        run_out_of_memory,
        fill_the_disk_during_an_upload,
    )
}


@contextlib.contextmanager
def only_worker(market: StormyMarket, disease: str) -> Iterator[None]:
    """The stack's workers are frozen and one with a disease does all the work (see ``workers/sitecustomize.py``)."""
    names = market.place.workers
    for name in names:
        market.place.pause(name)
    try:
        with _ill(market, disease, ["worker", "cpu"], 0):
            yield
    finally:
        for name in names:
            market.place.resume(name)


def _work_by(market: StormyMarket, disease: str) -> None:
    with only_worker(market, disease):
        market.goes_on(_ILL_WORTHS, _ILL_SECONDS)


@contextlib.contextmanager
def _ill(market: StormyMarket, disease: str, module: list[str], seed: int) -> Iterator[None]:
    """One more process of the stack, with a disease."""
    env = _upped(market).env | market.place.settings_env()
    env |= {"FAULTY": disease, "FAULTY_SEED": str(seed), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = f"{SOURCE / 'tests/faults/workers'}:{SOURCE}"
    log = market.place.home / "logs" / f"{disease}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=market.place.home, env=env, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def _full_disk(pid: int, allowed: int) -> Iterator[None]:
    """No file of this process may grow beyond ``allowed`` bytes: the write fails as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (allowed, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
