"""What bounds a worker and a job: memory, orphans, queues, and what a job pays for when another has paid before."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.housekeeping.sweeper import Sweeper
from app.valuations.states import ShardKind, ValuationStatus
from app.valuations.tables import Shard, WorkerHeartbeat
from app.valuations.work import leases, protocol
from tests.market import rows_of

SAMPLED = {"fidelity": "retrain", "estimator": "permutation", "metric": "clipped_log_loss"}


def until(condition: Callable[[], Any], seconds: float = 90.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came to pass"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_repeated_with_a_tighter_interval_pays_only_for_the_difference(hand: Any) -> None:
    market = hand.market
    more = [market.add_dataset(market.providers[0], DatasetKind.TRAIN, *rows_of(20 + n, 40)) for n in range(5)]
    asked = SAMPLED | {"datasets": market.datasets + more, "players": "dataset", "max_evaluations": 150}
    rough = market.post(**asked, share_ci=60.0)
    assert hand.finish(rough).status is ValuationStatus.SUCCEEDED
    sql = "SELECT coalition, worth, valuation_id FROM evaluations ORDER BY coalition"
    bought = market.rows(sql)
    fine = market.post(**asked, share_ci=1.0)
    assert hand.finish(fine).status is ValuationStatus.SUCCEEDED
    now = market.rows(sql)
    assert len(bought) < len(now), "a tighter interval takes more worths"
    assert [row for row in now if row[2] == rough] == bought, "what was bought stays, and stays whose it was"
    ordered = market.scalar("SELECT sum(worths) FROM rounds WHERE valuation_id = :id", id=fine)
    assert ordered == len(now) - len(bought)


def test_two_sweepers_at_once_send_a_dead_workers_shard_once(hand: Any) -> None:
    market = hand.market
    market.post()
    [shard_id] = hand.collect()
    with transaction(market.factory) as session:
        assert protocol.claim(session, market.settings, shard_id, "a worker that dies") is not None
        session.execute(update(Shard).values(lease_until=leases.seconds_ago(1.0)))
    sweepers = [Sweeper(market.factory, hand.letters, market.settings) for _ in range(4)]
    threads = [threading.Thread(target=each.sweep_once) for each in sweepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hand.collect() == [shard_id]


def test_computing_waits_for_its_kind_of_device_and_planning_does_not(hand: Any) -> None:
    market = hand.market
    with transaction(market.factory) as session:
        session.add(WorkerHeartbeat(name="a GPU worker", queue="gpu", device="cuda:0", host="here", pid=1))
    market.post(device="gpu")
    queues = []
    for _ in range(3):
        while hand.relay.drain_once():
            pass
        [(task, args, queue), *_] = hand.letters.waiting
        queues.append((task.rpartition(".")[2], queue))
        hand.letters.waiting.clear()
        hand.deliver(args["shard_id"])
    assert queues == [("prepare", "gpu"), ("plan", "cpu"), ("evaluate", "gpu")]


def test_a_worker_keeps_no_more_games_than_its_memory_is_allowed(hand: Any) -> None:
    market, games = hand.market, hand.runtime.games
    first, second = market.post(seed=1), market.post(seed=2)
    games._settings = market.settings.model_copy(update={"worker_cache_bytes": 1})
    hand.finish(first)
    hand.finish(second)
    assert list(games._games) == [market.job(second).game_id]


def test_a_child_whose_worker_was_killed_ends_by_itself(market: Any, processes: Any) -> None:
    worker = processes.worker()
    until(lambda: market.rows("SELECT pid FROM worker_heartbeats"))
    [(child,)] = market.rows("SELECT pid FROM worker_heartbeats")
    assert child != worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not alive(child), 20.0)


@pytest.mark.long
def test_a_worker_above_its_memory_limit_is_replaced_and_the_job_goes_on(market: Any, processes: Any) -> None:
    processes.housekeeping()
    processes.worker(CHERISH_WORKER_MAX_MEMORY_BYTES=str(64 * 1024**2))
    job = market.post(**SAMPLED, share_ci=60.0)
    assert market.wait(job, seconds=240).status is ValuationStatus.SUCCEEDED, processes.logs()
    held = "SELECT count(DISTINCT worker) FROM shards WHERE kind <> :kind"
    assert market.scalar(held, kind=ShardKind.SETTLE.value) > 1, "each task was done by a fresh process"
    assert market.scalar("SELECT max(attempt) FROM shards") == 1, "no attempt was lost to it"
