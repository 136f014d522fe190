"""The protocol of leases: every fault that one message, one worker or one transaction can have changes nothing."""

import json
import random
import time
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.outbox.tables import OutboxMessage
from app.payouts import service as payouts
from app.valuations import service
from app.valuations.results import settlement
from app.valuations.states import Reason, ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import Shard, Valuation
from app.valuations.work import leases, protocol
from app.valuations.work.protocol import ComputedWorth, LeaseLost
from tests.market import rows_of
from worker.engine.evaluation.evaluator import Evaluator

CORRECTED = {"max_retrains": 8, "share_ci": 1.0}


def shards(market: Any, **equal: Any) -> list[Any]:
    with market.factory() as session:
        return list(session.query(Shard).filter_by(**equal).order_by(Shard.round, Shard.ordinal))


def claim(market: Any, shard_id: uuid.UUID, worker: str = "somebody") -> Any:
    with transaction(market.factory) as session:
        return protocol.claim(session, market.settings, shard_id, worker)


def expire(market: Any, shard_id: uuid.UUID) -> None:
    with transaction(market.factory) as session:
        session.get_one(Shard, shard_id).lease_until = leases.seconds_ago(1.0)


def outcome(market: Any, valuation_id: uuid.UUID) -> str:
    """Everything of a job that must not depend on who computed it; seconds are what they are, and the evidence's root
    is over them, too."""
    job = market.job(valuation_id)
    result = dict(job.result)
    for name in ("seconds", "seconds_by_source", "retrain_seconds_estimate", "evidence"):
        result.pop(name)
    amounts = market.rows(
        "SELECT name, value, share, amount_minor FROM valuation_players WHERE valuation_id = :id ORDER BY name",
        id=valuation_id,
    )
    return json.dumps([result, [list(row) for row in amounts]], sort_keys=True)


def test_every_message_twice_and_out_of_order_gives_the_same_bytes_and_each_worth_once(hand: Any) -> None:
    market = hand.market
    calm = market.post(**CORRECTED)
    assert hand.finish(calm).status is ValuationStatus.SUCCEEDED
    other = market.add_buyer("another buyer")
    test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    order = random.Random(5)  # noqa: S311  an order that can be repeated, not a secret

    def arrange(letters: list[str]) -> list[str]:
        twice = letters * 2
        order.shuffle(twice)
        return twice

    stormy = market.post(other, test_dataset=test, **CORRECTED)
    assert hand.finish(stormy, arrange).status is ValuationStatus.SUCCEEDED
    assert outcome(market, stormy) == outcome(market, calm)
    assert market.scalar("SELECT count(*) FROM shards WHERE attempt <> 1 AND status = 'done'") == 0


def test_the_size_of_shards_and_so_the_number_of_workers_changes_no_byte(hand: Any, monkeypatch: Any) -> None:
    market = hand.market
    whole = market.post(**CORRECTED)
    hand.finish(whole)
    other = market.add_buyer("another buyer")
    test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    monkeypatch.setattr("worker.jobs.steps.shard_size", lambda *_: 1)
    single = market.post(other, test_dataset=test, **CORRECTED)
    hand.finish(single)
    assert market.scalar("SELECT max(count) FROM shards WHERE valuation_id = :id", id=single) == 1
    assert outcome(market, single) == outcome(market, whole)


def test_a_second_job_over_the_same_game_computes_nothing_again(hand: Any) -> None:
    market = hand.market
    hand.finish(market.post(**CORRECTED))
    before = market.rows("SELECT source, coalition, worth, shard_id FROM evaluations ORDER BY source, coalition")
    again = market.post(**CORRECTED)
    hand.finish(again)
    assert market.rows("SELECT source, coalition, worth, shard_id FROM evaluations ORDER BY 1, 2") == before
    kinds = {shard.kind for shard in shards(market, valuation_id=again)}
    assert kinds == {ShardKind.PLAN, ShardKind.SETTLE}


def test_worths_are_never_shared_between_buyers(hand: Any) -> None:
    market = hand.market
    hand.finish(market.post(**CORRECTED))
    other = market.add_buyer("another buyer")
    test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    theirs = market.post(other, test_dataset=test, **CORRECTED)
    hand.finish(theirs)
    digests = market.rows("SELECT digest, count(*) FROM games GROUP BY digest")
    assert [count for _, count in digests] == [2], "the games are the same and yet kept apart"
    kinds = {shard.kind for shard in shards(market, valuation_id=theirs)}
    assert ShardKind.EVALUATE in kinds


def test_a_shard_is_claimed_once(hand: Any) -> None:
    market = hand.market
    market.post()
    shard = shards(market, kind=ShardKind.PREPARE)[0]
    assert claim(market, shard.id).fence == 1
    assert claim(market, shard.id) is None


def test_a_worker_that_lost_its_lease_cannot_write(hand: Any) -> None:
    market = hand.market
    job = market.post()
    hand.deliver(str(shards(market, kind=ShardKind.PREPARE)[0].id))
    hand.deliver(str(shards(market, kind=ShardKind.PLAN)[0].id))
    shard = shards(market, kind=ShardKind.EVALUATE)[0]
    slow = claim(market, shard.id, "slow")
    expire(market, shard.id)
    quick = claim(market, shard.id, "quick")
    assert (quick.fence, quick.attempt) == (slow.fence + 1, 2)
    found = [ComputedWorth(b"\x01", 0.5, 0.1)]
    endings = [
        lambda s: protocol.finish_evaluate(s, market.settings, slow, found),
        lambda s: protocol.give_back(s, slow, found),
        lambda s: protocol.stand_down(s, market.settings, slow, found),
        lambda s: protocol.fail_attempt(s, market.settings, slow, Reason.INTERNAL, "no", "trace", final=True),
    ]
    for end in endings:
        with pytest.raises(LeaseLost), transaction(market.factory) as session:
            end(session)
    assert market.scalar("SELECT count(*) FROM evaluations") == 0
    assert market.job(job).status is ValuationStatus.RUNNING
    assert shards(market, id=shard.id)[0].worker == "quick"


def test_an_expired_lease_is_swept_and_its_message_recorded_again(hand: Any) -> None:
    market = hand.market
    job = market.post()
    hand.collect()
    shard = shards(market, kind=ShardKind.PREPARE)[0]
    claim(market, shard.id, "killed")
    assert hand.sweeper.sweep_once() == 0, "a lease that runs is left alone"
    expire(market, shard.id)
    hand.sweeper.sweep_once()
    assert hand.collect() == [str(shard.id)]
    hand.deliver(str(shard.id))
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED


def test_a_shard_that_ends_its_worker_three_times_fails_the_job_and_frees_the_money(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    shard = shards(market, kind=ShardKind.PREPARE)[0]
    for _ in range(3):
        assert claim(market, shard.id, "killed") is not None
        expire(market, shard.id)
    assert claim(market, shard.id) is None, "three claims are all there are, whoever delivers the message"
    hand.sweeper.sweep_once()
    job = market.job(job_id)
    assert (job.status, job.reason) == (ValuationStatus.FAILED, "worker_lost")
    assert "3 times" in job.error
    assert str(shard.id) in job.traceback
    assert money(market) == (10_000_00, 0)


def money(market: Any) -> tuple[int, int]:
    with market.factory() as session:
        balance = payouts.balances(session, market.buyer.account_id)[0]
    return balance.available, balance.reserved


def test_a_failing_evaluation_is_tried_three_times_and_is_never_a_score(hand: Any, monkeypatch: Any) -> None:
    market = hand.market
    job_id = market.post()

    def broken(*_: Any) -> None:
        raise FloatingPointError("a learner broke")

    monkeypatch.setattr(Evaluator, "worths_with_seconds", broken)
    for _ in range(12):
        for shard_id in [str(each.id) for each in shards(market, status=ShardStatus.QUEUED)]:
            hand.deliver(shard_id)
    job = market.job(job_id)
    assert (job.status, job.reason) == (ValuationStatus.FAILED, "internal")
    assert "FloatingPointError: a learner broke" in job.traceback
    assert "FloatingPointError" not in job.error
    assert "tried 3 times" in job.error
    assert market.scalar("SELECT count(*) FROM evaluations") == 0
    assert market.scalar("SELECT max(attempt) FROM shards") == 3
    assert money(market) == (10_000_00, 0)


def test_what_no_second_try_can_mend_fails_at_once_with_the_engines_sentence(hand: Any) -> None:
    market = hand.market
    job_id = market.post(model={"name": "logistic", "hyper": {"l2": 0.01}})
    with transaction(market.factory) as session:
        # a game from before the rule: today no such order is admitted
        session.execute(text("UPDATE games SET frozen = jsonb_set(frozen, '{learner,hyper,l2}', '0')"))
    job = hand.finish(job_id)
    assert (job.status, job.reason) == (ValuationStatus.FAILED, "invalid_data")
    assert "l2 must be a number above 0" in job.error
    assert market.scalar("SELECT max(attempt) FROM shards") == 1


def test_settling_twice_pays_once(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    hand.finish(job_id)
    paid = market.rows("SELECT * FROM ledger_transfers ORDER BY 1")
    with transaction(market.factory) as session:
        assert settlement.settle(session, market.settings, job_id) is False
    with transaction(market.factory) as session:
        job = session.get_one(Valuation, job_id)
        # even a job that were put back by hand meets the ledger's own unique settlement
        job.status = ValuationStatus.SETTLING
    with transaction(market.factory) as session:
        settlement.settle(session, market.settings, job_id)
    assert market.rows("SELECT * FROM ledger_transfers ORDER BY 1") == paid


def test_values_payouts_and_status_appear_together_or_not_at_all(hand: Any, monkeypatch: Any) -> None:
    market = hand.market
    job_id = market.post()
    with monkeypatch.context() as patch:

        def away(*_: Any, **__: Any) -> None:
            raise RuntimeError("the ledger is away")

        patch.setattr("app.payouts.service.settle", away)
        for _ in range(30):
            waiting = [str(e.id) for e in shards(market, status=ShardStatus.QUEUED)]
            settling = shards(market, kind=ShardKind.SETTLE)
            if settling and settling[0].attempt:
                break
            for shard_id in waiting:
                hand.deliver(shard_id)
    assert market.job(job_id).status is ValuationStatus.SETTLING
    unpaid = "SELECT count(*) FROM valuation_players WHERE value IS NOT NULL OR amount_minor IS NOT NULL"
    assert market.scalar(unpaid) == 0
    hand.deliver(str(shards(market, kind=ShardKind.SETTLE)[0].id))
    assert market.job(job_id).status is ValuationStatus.SUCCEEDED
    assert market.scalar(unpaid) == 4


def test_a_lost_message_is_recorded_again_and_one_that_waits_is_not(hand: Any) -> None:
    market = hand.market
    market.post()
    while hand.relay.drain_once():
        pass
    age = "UPDATE shards SET dispatched_at = now() - interval '1 hour'"
    with transaction(market.factory) as session:
        session.connection().exec_driver_sql(age)
    assert hand.sweeper.sweep_once() == 0, "its message waits in the broker"
    hand.letters.waiting.clear()
    assert hand.sweeper.sweep_once() == 1
    assert hand.sweeper.sweep_once() == 0, "its message waits in the outbox"
    assert hand.collect() == [str(shards(market)[0].id)]


def test_a_deadline_expires_the_job(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    with transaction(market.factory) as session:
        session.get_one(Valuation, job_id).deadline = leases.seconds_ago(1.0)
    assert claim(market, shards(market)[0].id) is None
    hand.sweeper.sweep_once()
    job = market.job(job_id)
    assert (job.status, job.reason) == (ValuationStatus.EXPIRED, "deadline")
    assert money(market) == (10_000_00, 0)


def test_a_draining_worker_gives_its_shard_back_and_it_costs_no_attempt(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    shard_id = hand.collect()[0]
    hand.runtime.heartbeat.drain()
    hand.deliver(shard_id)
    given = shards(market)[0]
    assert (given.status, given.attempt, given.fence) == (ShardStatus.QUEUED, 0, 1)
    hand.runtime.heartbeat._draining.clear()
    assert hand.finish(job_id).status is ValuationStatus.SUCCEEDED


def test_the_clock_of_a_worker_does_not_matter(hand: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert hand.finish(hand.market.post()).status is ValuationStatus.SUCCEEDED


def test_a_job_waits_while_its_buyer_has_as_many_as_allowed(hand: Any) -> None:
    market = hand.market
    jobs = [market.post() for _ in range(market.settings.max_running_per_buyer + 1)]
    assert [market.job(each).status for each in jobs][-1] is ValuationStatus.QUEUED
    cancel(market, jobs[0])
    assert market.job(jobs[-1]).status is ValuationStatus.PLANNING


def test_a_long_job_leaves_room_for_a_short_one(hand: Any, monkeypatch: Any) -> None:
    market = hand.market
    # a worker that looks at the queue after each shard; tests/app/valuations/work/test_work_staying.py has the others
    hand.runtime.settings = market.settings.model_copy(update={"stay_seconds": 0.0})
    monkeypatch.setattr("worker.jobs.steps.shard_size", lambda *_: 1)
    market.post()
    hand.deliver(str(shards(market, kind=ShardKind.PREPARE)[0].id))
    hand.deliver(str(shards(market, kind=ShardKind.PLAN)[0].id))
    hand.collect()
    waiting = shards(market, kind=ShardKind.EVALUATE)
    flying = [each for each in waiting if each.dispatched_at is not None]
    assert len(waiting) > 2
    assert len(flying) == 2, "with one worker a job has two shards underway and no more"
    hand.deliver(str(flying[0].id))
    assert len(hand.collect()) == 1, "each that is done brings the next"


def test_a_round_is_planned_once_however_its_shards_end(hand: Any, monkeypatch: Any) -> None:
    market = hand.market
    monkeypatch.setattr("worker.jobs.steps.shard_size", lambda *_: 1)
    job = hand.finish(market.post(**CORRECTED), lambda letters: letters + letters[::-1])
    assert job.status is ValuationStatus.SUCCEEDED
    early = """SELECT count(*) FROM shards p JOIN shards e USING (valuation_id, round)
        WHERE p.kind = 'plan' AND e.kind = 'evaluate' AND p.started_at < e.finished_at"""
    assert market.scalar(early) == 0, "no plan before the last worth of its round"
    plans = market.rows("SELECT round, count(*) FROM shards WHERE kind = 'plan' GROUP BY round")
    assert plans
    assert {count for _, count in plans} == {1}
    first = shards(market, kind=ShardKind.PLAN)[0]
    second = Shard(
        valuation_id=first.valuation_id, round=first.round, kind=ShardKind.PLAN, ordinal=0,
        status=ShardStatus.QUEUED, queue="cpu",
    )  # fmt: skip
    with market.factory() as session:
        session.add(second)
        with pytest.raises(IntegrityError):
            session.flush()


def test_a_job_and_its_first_message_are_one_transaction(hand: Any) -> None:
    market = hand.market
    with market.factory() as session:
        service.post(session, market.blobs, market.settings, market.buyer, market.order())
        assert session.query(OutboxMessage).count() == 1
        session.rollback()
    with market.factory() as session:
        assert session.query(Valuation).count() == 0
        assert session.query(OutboxMessage).count() == 0
    assert money(market) == (10_000_00, 0)


def cancel(market: Any, job_id: uuid.UUID) -> ValuationStatus:
    with transaction(market.factory) as session:
        return service.cancel(session, market.settings, market.buyer, job_id).status
