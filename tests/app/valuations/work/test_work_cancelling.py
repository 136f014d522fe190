"""A cancelled job ends whatever its workers do, gives the money back and keeps what was computed."""

import time
import uuid
from typing import Any

import pytest

from app.db.session import transaction
from app.valuations.states import ShardKind, ValuationStatus
from app.valuations.work import leases, protocol
from app.valuations.work.protocol import ComputedWorth
from tests.app.valuations.work.test_work_protocol import cancel, claim, expire, money, shards
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.tensors import batching
from worker.process.heartbeat import Held, Stop


def test_a_cancelled_job_gives_the_money_back_and_keeps_what_was_computed(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    hand.deliver(str(shards(market, kind=ShardKind.PREPARE)[0].id))
    hand.deliver(str(shards(market, kind=ShardKind.PLAN)[0].id))
    held = claim(market, shards(market, kind=ShardKind.EVALUATE)[0].id)
    assert cancel(market, job_id) is ValuationStatus.CANCELLING
    assert money(market)[1] == 1000_00, "the pool is held until nobody works on it"
    with market.factory() as session:
        assert not leases.may_go_on(session, held.shard_id, held.fence)
    with transaction(market.factory) as session:
        protocol.stand_down(session, market.settings, held, [ComputedWorth(b"\x01", 0.5, 0.1)])
    assert market.job(job_id).status is ValuationStatus.CANCELLED
    assert money(market) == (10_000_00, 0)
    assert market.scalar("SELECT count(*) FROM evaluations") == 1
    assert hand.collect() == [] or all(claim(market, uuid.UUID(each)) is None for each in hand.collect())


def test_cancelling_ends_even_where_the_last_worker_died(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    shard = shards(market, kind=ShardKind.PREPARE)[0]
    claim(market, shard.id)
    cancel(market, job_id)
    hand.sweeper.sweep_once()
    assert market.job(job_id).status is ValuationStatus.CANCELLING
    expire(market, shard.id)
    hand.sweeper.sweep_once()
    assert market.job(job_id).status is ValuationStatus.CANCELLED


def test_the_heartbeat_stops_work_on_a_job_that_was_cancelled(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    hand.runtime.heartbeat.start()
    held = claim(market, shards(market)[0].id)
    hand.runtime.heartbeat.take(Held.of_shard(held), time.monotonic())
    time.sleep(0.5)
    assert hand.runtime.heartbeat.why_stop() is None
    cancel(market, job_id)
    for _ in range(100):
        if hand.runtime.heartbeat.should_stop():
            break
        time.sleep(0.05)
    assert hand.runtime.heartbeat.why_stop() is Stop.UNWANTED


def first_evaluation(hand: Any, job_id: uuid.UUID) -> Any:
    """The one shard of the job's first round, prepared and planned."""
    hand.deliver(str(shards(hand.market, valuation_id=job_id, kind=ShardKind.PREPARE)[0].id))
    hand.deliver(str(shards(hand.market, valuation_id=job_id, kind=ShardKind.PLAN)[0].id))
    return shards(hand.market, valuation_id=job_id, kind=ShardKind.EVALUATE)[0]


def test_a_shard_finished_during_a_cancellation_ends_the_job_without_the_sweeper(hand: Any, monkeypatch: Any) -> None:
    market = hand.market
    monkeypatch.setattr("worker.jobs.steps.shard_size", lambda *_: 1)
    job_id = market.post()
    held = claim(market, first_evaluation(hand, job_id).id)
    cancel(market, job_id)
    assert market.job(job_id).status is ValuationStatus.CANCELLING
    with transaction(market.factory) as session:
        protocol.finish_evaluate(session, market.settings, held, [ComputedWorth(b"\x01", 0.5, 0.1)])
    assert market.job(job_id).status is ValuationStatus.CANCELLED
    assert market.scalar("SELECT count(*) FROM evaluations") == 1, "what was computed stays"
    assert money(market) == (10_000_00, 0)


@pytest.mark.parametrize("why", [Stop.DRAINING, Stop.UNWANTED, Stop.TIME_LIMIT])
def test_what_a_stopped_shard_had_computed_is_kept_and_not_computed_again(
    hand: Any, monkeypatch: Any, why: Stop
) -> None:
    market = hand.market
    job_id = market.post()
    shard = first_evaluation(hand, job_id)
    assert shard.count > 4
    real = Evaluator.worths_with_seconds

    def stopped_half_way(self: Any, source: str, coalitions: Any, should_stop: Any) -> Any:
        real(self, source, coalitions[:3])
        raise batching.Stopped("as asked")

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "worths_with_seconds", stopped_half_way)
        patch.setattr(type(hand.runtime.heartbeat), "check", lambda _: None)
        patch.setattr(type(hand.runtime.heartbeat), "why_stop", lambda _: why)
        hand.deliver(str(shard.id))
    kept = market.rows("SELECT coalition, worth, fence FROM evaluations ORDER BY coalition")
    assert len(kept) == 3
    assert market.scalar("SELECT done FROM rounds") == 3
    asked: list[int] = []

    def counted(self: Any, source: str, coalitions: Any, should_stop: Any) -> Any:
        asked.append(len(coalitions))
        return real(self, source, coalitions, should_stop)

    monkeypatch.setattr(Evaluator, "worths_with_seconds", counted)
    if why is not Stop.UNWANTED:
        hand.deliver(str(shard.id))
        assert asked == [shard.count - 3]
        assert market.scalar("SELECT done FROM rounds") == shard.count
        statement = "SELECT coalition, worth, fence FROM evaluations WHERE fence = 1 ORDER BY coalition"
        assert market.rows(statement) == kept
