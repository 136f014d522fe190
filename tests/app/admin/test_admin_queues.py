"""What waits and who works, as administrators see it: unfinished shards of working jobs, and workers by name."""

from datetime import timedelta
from typing import Any

from app.admin import queues, service
from app.db.session import transaction
from app.valuations import repository
from app.valuations.states import ShardStatus
from app.valuations.tables import Shard, WorkerHeartbeat


def lines(market: Any) -> list[tuple[str, str, str, int]]:
    with market.factory() as session:
        return [(line.queue, line.kind, line.status, line.shards) for line in queues.queue(session)]


def test_unfinished_shards_are_counted_by_queue_kind_and_state_and_finished_ones_not(hand: Any) -> None:
    market = hand.market
    assert lines(market) == []
    first = market.post(max_retrains=4)
    market.post(max_retrains=5)
    assert lines(market) == [("cpu", "prepare", "queued", 2)]
    with transaction(market.factory) as session:
        session.query(Shard).filter_by(valuation_id=first).update({"status": ShardStatus.RUNNING})
    assert lines(market) == [("cpu", "prepare", "queued", 1), ("cpu", "prepare", "running", 1)]


def test_shards_of_jobs_that_have_ended_wait_for_nobody(hand: Any) -> None:
    market = hand.market
    hand.finish(market.post(max_retrains=4))
    assert lines(market) == []
    with market.factory() as session:
        assert service.queues(session).jobs == {}


def test_workers_come_by_name_and_are_alive_for_half_a_minute(market: Any) -> None:
    with transaction(market.factory) as session:
        now = repository.now(session)
        for name, age in (("b", 29), ("a", 31)):
            beat = {"queue": "cpu", "device": "cpu", "host": "h", "pid": 1, "seen_at": now - timedelta(seconds=age)}
            session.add(WorkerHeartbeat(name=name, **beat))
    with market.factory() as session:
        assert [worker.name for worker in queues.workers(session)] == ["a", "b"]
        assert [worker.alive for worker in service.workers(session)] == [False, True]
        assert service.gauges(session)["workers"] == [(("cpu",), 1)]
