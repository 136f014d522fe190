"""The faults themselves: each takes a market under way and a seeded generator, breaks one thing, and mends nothing
that the product must mend by itself. What only an operator could mend (a paused server, a quota) is undone here.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.outbox.broker import CeleryBroker
from tests.faults.market import StormyMarket

SOURCE = Path(__file__).parents[2]
Fault = Callable[[StormyMarket, np.random.Generator], None]


def kill_a_worker(market: StormyMarket, rng: np.random.Generator) -> None:
    """kill -9 of a worker and its child, mid-shard."""
    market.stack.kill(f"worker-{rng.integers(1, 3)}")


def kill_a_workers_child(market: StormyMarket, rng: np.random.Generator) -> None:
    """kill -9 of the child alone, as the kernel does when memory runs out."""
    processes = market.stack.processes(f"worker-{rng.integers(1, 3)}")
    if processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(processes[-1], signal.SIGKILL)


def stop_a_worker(market: StormyMarket, rng: np.random.Generator) -> None:
    """SIGTERM: the shard in hand is finished or given back."""
    market.stack.kill(f"worker-{rng.integers(1, 3)}", signal.SIGTERM)


def pause_a_worker(market: StormyMarket, rng: np.random.Generator) -> None:
    """Frozen for longer than a lease: somebody else takes the shard, and the sleeper must not write."""
    name = f"worker-{rng.integers(1, 3)}"
    market.stack.pause(name)
    time.sleep(5.0)
    market.stack.resume(name)


def kill_the_api(market: StormyMarket, _rng: np.random.Generator) -> None:
    market.stack.kill("api")


def kill_the_relay(market: StormyMarket, _rng: np.random.Generator) -> None:
    market.stack.kill("relay")


def kill_the_sweeper(market: StormyMarket, _rng: np.random.Generator) -> None:
    market.stack.kill("sweeper")


def kill_redis(market: StormyMarket, _rng: np.random.Generator) -> None:
    """It comes back empty."""
    market.stack.kill("redis")


def wipe_redis(market: StormyMarket, _rng: np.random.Generator) -> None:
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis.from_url(market.settings.redis_url.get_secret_value()) as client,
    ):
        client.flushall()


def pause_redis(market: StormyMarket, rng: np.random.Generator) -> None:
    """Deaf for up to half a minute."""
    market.stack.pause("redis")
    time.sleep(float(rng.choice([1.0, 3.0, 30.0], p=[0.5, 0.45, 0.05])))
    market.stack.resume("redis")


def restart_postgres(market: StormyMarket, rng: np.random.Generator) -> None:
    """Fast shutdown or kill -9, mid-round."""
    market.stack.kill("postgres", signal.SIGINT if rng.random() < 0.5 else signal.SIGKILL)


def time_out_statements(market: StormyMarket, _rng: np.random.Generator) -> None:
    """For a second every new connection's statements end after five milliseconds."""
    set_to = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = {}', current_database()); END $$"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    engine = market.engine.execution_options(isolation_level="AUTOCOMMIT")
    with contextlib.suppress(DBAPIError), engine.connect() as connection:
        connection.execute(text(set_to.format("5")))
        connection.execute(text(cut))
    time.sleep(1.0)
    for _ in range(100):
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
    """Every message of the last job once more: doubled, late and out of order."""
    statement = """SELECT s.id, s.kind FROM shards s JOIN valuations v ON v.id = s.valuation_id
        WHERE v.created_at = (SELECT max(created_at) FROM valuations)"""
    with contextlib.suppress(DBAPIError, ConnectionError, redis.RedisError, OSError), market.engine.connect() as found:
        messages = [(str(row.id), row.kind) for row in found.execute(text(statement))]
        broker = CeleryBroker(market.settings.redis_url.get_secret_value())
        for index in rng.permutation(len(messages)):
            shard_id, kind = messages[index]
            broker.send(f"worker.tasks.{kind}", {"shard_id": shard_id}, "cpu", 0)
        broker.close()


def pause_the_relay(market: StormyMarket, rng: np.random.Generator) -> None:
    """Messages wait, then all come at once."""
    market.stack.pause("relay")
    time.sleep(float(rng.uniform(0.5, 3.0)))
    market.stack.resume("relay")


ANY_TIME: dict[str, Fault] = {
    each.__name__: each
    for each in (
        kill_a_worker,
        kill_a_workers_child,
        stop_a_worker,
        pause_a_worker,
        kill_the_api,
        kill_the_relay,
        kill_the_sweeper,
        kill_redis,
        wipe_redis,
        pause_redis,
        restart_postgres,
        time_out_statements,
        deliver_everything_again,
        pause_the_relay,
    )
}


@contextlib.contextmanager
def only_worker(market: StormyMarket, disease: str) -> Iterator[None]:
    """The stack's workers are away and one with a disease does all the work (see ``workers/sitecustomize.py``)."""
    names = [name for name in market.stack.children if name.startswith("worker-")]
    for name in names:
        market.stack.take_down(name, signal.SIGTERM)
    env = os.environ | market.stack.settings_env()
    env |= {"FAULTY_WORKER": disease, "PYTHONPATH": f"{SOURCE / 'tests/faults/workers'}:{SOURCE}"}
    log = market.stack.home / "logs" / f"worker-{disease}.log"
    with log.open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker", "cpu"],
            cwd=market.stack.home, env=env, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        for name in names:
            market.stack.bring_up(name)


@contextlib.contextmanager
def full_disk(pid: int, allowed: int) -> Iterator[None]:
    """No file of this process may grow beyond ``allowed`` bytes: the write fails as on a full disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (allowed, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
