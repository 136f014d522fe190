"""Whole jobs on real Celery workers, relay and sweeper, which are killed, stopped and robbed of their Redis."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import redis

from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.valuations import service
from app.valuations.states import ValuationStatus
from tests.market import rows_of

# long enough that a fault meets a shard at work: every coalition is retrained, one shard each
LONG: dict[str, Any] = {
    "model": {"name": "mlp", "hyper": {"hidden": 64}},
    "fidelity": "retrain",
    "estimator": "permutation",
    "max_evaluations": 12,
    "share_ci": 0.001,
}


def until(condition: Callable[[], Any], processes: Any, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"it never came to pass\n{processes.logs()}"
        time.sleep(0.05)


def amounts(market: Any, job_id: Any) -> list[Any]:
    sql = "SELECT name, value, share, amount_minor FROM valuation_players WHERE valuation_id = :id ORDER BY name"
    return [list(row) for row in market.rows(sql, id=job_id)]


def test_jobs_survive_killed_and_stopped_workers_and_a_lost_redis_with_the_same_numbers(
    market: Any, processes: Any
) -> None:
    processes.settings = processes.settings.model_copy(update={"shard_seconds": 0.05})
    market.settings = processes.settings
    housekeeping = processes.housekeeping()
    first, second = processes.worker(), processes.worker()

    calm = market.post(**LONG)
    job = market.wait(calm)
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}\n{processes.logs()}"

    other = market.add_buyer("another buyer")
    test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    stormy = market.post(other, test_dataset=test, **LONG)
    held = "SELECT count(*) FROM shards WHERE status = 'running' AND kind = 'evaluate' AND valuation_id = :id"
    until(lambda: market.scalar(held, id=stormy), processes)
    processes.kill(first)
    with redis.Redis.from_url(market.settings.redis_url.get_secret_value()) as client:
        client.flushdb()
    processes.kill(housekeeping)
    processes.housekeeping()
    third = processes.worker()
    os.kill(second.pid, signal.SIGTERM)
    job = market.wait(stormy, seconds=90)
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}\n{processes.logs()}"
    assert amounts(market, stormy) == amounts(market, calm)
    assert second.wait(timeout=30) == 0, processes.logs()
    assert market.scalar("SELECT count(*) FROM shards WHERE status = 'running'") == 0
    assert third.poll() is None


def test_a_task_that_kills_its_worker_fails_its_job_and_nobody_elses(market: Any, processes: Any) -> None:
    processes.housekeeping()
    # the kernel ends the child as it would when memory runs out: nothing of ours hears of it
    worker = processes.worker(CHERISH_LEASE_SECONDS="1")
    until(lambda: market.scalar("SELECT count(*) FROM worker_heartbeats"), processes)
    job_id = market.post(**LONG | {"model": {"name": "mlp", "hyper": {"hidden": 256, "steps": 600}}})
    running = """SELECT h.pid, s.fence FROM shards s JOIN worker_heartbeats h ON h.name = s.worker
        WHERE s.status = 'running' AND s.kind = 'evaluate' AND s.lease_until > now()"""
    killed = set()

    def ended() -> bool:
        for pid, _ in market.rows(running):
            if pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        return market.job(job_id).status in (ValuationStatus.FAILED, ValuationStatus.SUCCEEDED)

    until(ended, processes, seconds=100)
    assert len(killed) >= 3
    job = market.job(job_id)
    assert (job.status, job.reason) == (ValuationStatus.FAILED, "worker_lost"), processes.logs()
    assert market.scalar("SELECT max(attempt) FROM shards") == 3
    assert worker.poll() is None, "Celery's main process lives on and has a new child"


def test_cancelling_stops_the_work_in_hand_within_five_seconds(market: Any, processes: Any) -> None:
    processes.housekeeping()
    processes.worker()
    heavy = LONG | {"model": {"name": "mlp", "hyper": {"hidden": 512, "steps": 100_000}}}
    job_id = market.post(**heavy)
    until(lambda: market.scalar("SELECT count(*) FROM shards WHERE status = 'running'"), processes)
    with transaction(market.factory) as session:
        service.cancel(session, market.settings, market.buyer, job_id)
    # the job ends only when no worker holds any of it; the pool of devices is the buyer's no longer
    job = market.wait(job_id)
    assert job.status is ValuationStatus.CANCELLED, processes.logs()
    took = "SELECT extract(epoch FROM finished_at - cancel_requested_at) FROM valuations"
    assert market.scalar(took) < 5.0
