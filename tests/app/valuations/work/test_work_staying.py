"""A worker that ends a short shard takes the job's next one itself, and nothing of the protocol is lost by it."""

import threading
import uuid
from typing import Any

import pytest
from sqlalchemy.orm import undefer

from app.db.session import transaction
from app.valuations import service
from app.valuations.states import ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import Shard, Valuation
from app.valuations.work import leases, protocol
from app.valuations.work import shards as shard_repository
from app.valuations.work.protocol import ComputedWorth, LeaseLost

FOUND = [ComputedWorth(b"\x01", 0.5, 0.1)]


@pytest.fixture
def begun(hand: Any, monkeypatch: Any) -> Any:
    """A job whose first round is cut into shards of one worth; nothing of it is computed."""
    monkeypatch.setattr("worker.jobs.steps.shard_size", lambda *_: 1)
    begin(hand, hand.market.post())
    hand.collect()
    return hand


def begin(hand: Any, job_id: uuid.UUID) -> None:
    for kind in (ShardKind.PREPARE, ShardKind.PLAN):
        hand.deliver(str(shards(hand, valuation_id=job_id, kind=kind)[0].id))


def shards(hand: Any, **equal: Any) -> list[Any]:
    with hand.market.factory() as session:
        rows = session.query(Shard).options(undefer(Shard.coalitions)).filter_by(**equal)
        return list(rows.order_by(Shard.round, Shard.ordinal))


def asked(hand: Any, **equal: Any) -> list[Any]:
    return shards(hand, kind=ShardKind.EVALUATE, **equal)


def sent(hand: Any) -> list[Any]:
    return [each for each in asked(hand, status=ShardStatus.QUEUED) if each.dispatched_at is not None]


def claimed(hand: Any, shard_id: uuid.UUID, by: str = "somebody") -> Any:
    with transaction(hand.market.factory) as session:
        return protocol.claim(session, hand.market.settings, shard_id, by)


def finish(hand: Any, claim: Any, by: str | None = "somebody") -> Any:
    with transaction(hand.market.factory) as session:
        return protocol.finish_evaluate(session, hand.market.settings, claim, FOUND, by)


def stay(hand: Any, seconds: float) -> None:
    hand.runtime.settings = hand.market.settings.model_copy(update={"stay_seconds": seconds})


def add_workers(hand: Any, count: int) -> None:
    row = {"queue": "cpu", "device": "cpu", "host": "elsewhere", "pid": 1, "shard_id": None}
    with transaction(hand.market.factory) as session:
        for number in range(count):
            leases.beat(session, {"name": f"worker {number}", **row})


def test_one_message_brings_a_worker_all_that_has_no_message_yet(begun: Any) -> None:
    stay(begun, 60.0)
    letters = [str(each.id) for each in sent(begun)]
    assert len(letters) == 2
    assert len(asked(begun)) > 4
    begun.deliver(letters[0])
    assert [each.id for each in asked(begun, status=ShardStatus.QUEUED)] == [uuid.UUID(letters[1])]
    assert begun.collect() == [], "what the worker took itself needed no message"
    begun.deliver(letters[1])
    assert {(each.status, each.attempt, each.fence) for each in asked(begun, round=1)} == {(ShardStatus.DONE, 1, 1)}
    stored = begun.market.scalar("SELECT count(*) FROM evaluations e JOIN shards s ON s.id = e.shard_id")
    assert stored == len(asked(begun, round=1)), "each worth is stored once, under the shard that asked for it"


def test_a_worker_looks_at_the_queue_again_after_a_while(begun: Any) -> None:
    stay(begun, 0.0)
    begun.deliver(str(sent(begun)[0].id))
    assert len(asked(begun, status=ShardStatus.DONE)) == 1
    assert len(begun.collect()) == 1, "the next one has a message"


def test_a_worker_that_is_to_end_takes_nothing_more(begun: Any) -> None:
    heartbeat = begun.runtime.heartbeat
    assert heartbeat.name_until(float("inf")) == heartbeat.name
    heartbeat.drain()
    assert heartbeat.name_until(float("inf")) is None


def test_a_worker_goes_back_to_the_queue_when_another_buyer_comes(begun: Any) -> None:
    stay(begun, 60.0)
    add_workers(begun, 3)
    begun.sweeper.sweep_once()
    assert len(sent(begun)) == 6, "twice the live workers"
    market = begun.market
    other = market.add_buyer("another buyer")
    with transaction(market.factory) as session:
        job = session.query(Valuation).one()
        session.add(
            Valuation(
                buyer_id=other.account_id, game_id=job.game_id, status=ValuationStatus.RUNNING, spec=job.spec,
                inputs=job.inputs, labels={}, pool_minor=1, currency="EUR", queue="cpu",
            )
        )  # fmt: skip
    begun.deliver(str(sent(begun)[0].id))
    assert len(asked(begun, status=ShardStatus.DONE)) == 1, "five of a window of three are still underway"
    assert asked(begun, status=ShardStatus.RUNNING) == []


def test_the_first_of_what_comes_into_the_window_is_taken_and_the_rest_is_sent(begun: Any) -> None:
    first = claimed(begun, sent(begun)[0].id)
    add_workers(begun, 2)
    following = finish(begun, first, "the same worker")
    held = asked(begun, status=ShardStatus.RUNNING)
    assert [(each.id, each.worker, each.fence, each.attempt) for each in held] == [
        (following.shard_id, "the same worker", 1, 1)
    ]
    ordinals = [each.ordinal for each in sent(begun)]
    assert held[0].ordinal == 2
    assert ordinals == [1, 3, 4], "four are underway, of which one is in hand"
    assert following.packed() == [held[0].coalitions]
    assert following.known == frozenset()


def test_a_worth_that_came_meanwhile_is_known_to_who_goes_on(begun: Any) -> None:
    first, third = claimed(begun, sent(begun)[0].id), asked(begun)[2]
    with transaction(begun.market.factory) as session:
        leases.store_worths(session, first, [third.coalitions], [0.5], [0.1])
    following = finish(begun, first)
    assert following.shard_id == third.id
    assert following.known == {third.coalitions}


def test_a_worker_that_lost_its_lease_takes_nothing(begun: Any) -> None:
    slow = claimed(begun, sent(begun)[0].id, "slow")
    with transaction(begun.market.factory) as session:
        session.get_one(Shard, slow.shard_id).lease_until = leases.seconds_ago(1.0)
    claimed(begun, slow.shard_id, "quick")
    with pytest.raises(LeaseLost):
        finish(begun, slow, "slow")
    assert [each.worker for each in asked(begun, status=ShardStatus.RUNNING)] == ["quick"]
    counts = begun.market.rows("SELECT open = shards, done FROM rounds")
    assert counts == [(True, 0)], "nor does the round count its worths"


def test_a_worker_killed_after_it_went_on_costs_the_next_shard_one_attempt(begun: Any) -> None:
    following = finish(begun, claimed(begun, sent(begun)[0].id))
    with transaction(begun.market.factory) as session:
        session.get_one(Shard, following.shard_id).lease_until = leases.seconds_ago(1.0)
    begun.sweeper.sweep_once()
    assert str(following.shard_id) in begun.collect()
    again = claimed(begun, following.shard_id, "another")
    assert (again.fence, again.attempt) == (2, 2)
    with pytest.raises(LeaseLost):
        finish(begun, following)


def test_nothing_is_taken_after_the_deadline(begun: Any) -> None:
    first = claimed(begun, sent(begun)[0].id)
    with transaction(begun.market.factory) as session:
        session.get_one(Valuation, first.valuation_id).deadline = leases.seconds_ago(1.0)
    assert finish(begun, first) is None
    assert asked(begun, status=ShardStatus.RUNNING) == []
    assert len(sent(begun)) == 1, "and nothing more is sent"


def test_a_cancellation_that_meets_the_end_of_a_shard_waits_and_sees_what_was_taken(begun: Any) -> None:
    market = begun.market
    first = claimed(begun, sent(begun)[0].id)
    answers: list[ValuationStatus] = []

    def cancel() -> None:
        with transaction(market.factory) as session:
            answers.append(service.cancel(session, market.settings, market.buyer, first.valuation_id).status)

    cancelling = threading.Thread(target=cancel)
    with transaction(market.factory) as session:
        following = protocol.finish_evaluate(session, market.settings, first, FOUND, "somebody")
        cancelling.start()
        cancelling.join(timeout=1.5)
        assert cancelling.is_alive(), "the cancellation waits for the job's row, longer than it takes to see a deadlock"
    cancelling.join(timeout=30)
    assert answers == [ValuationStatus.CANCELLING], "there is work in hand"
    assert finish(begun, following) is None
    assert market.job(first.valuation_id).status is ValuationStatus.CANCELLED


def test_the_end_of_a_shard_that_meets_a_cancellation_waits_and_takes_nothing(begun: Any) -> None:
    market = begun.market
    first = claimed(begun, sent(begun)[0].id)
    taken: list[Any] = []
    finishing = threading.Thread(target=lambda: taken.append(finish(begun, first)))
    with transaction(market.factory) as session:
        service.cancel(session, market.settings, market.buyer, first.valuation_id)
        finishing.start()
        finishing.join(timeout=1.5)
        assert finishing.is_alive(), "the worker waits for the job's row"
    finishing.join(timeout=30)
    assert taken == [None]
    assert market.job(first.valuation_id).status is ValuationStatus.CANCELLED
    assert {each.status for each in asked(begun)} == {ShardStatus.DONE, ShardStatus.ABANDONED}


def test_a_cancellation_after_a_shard_was_taken_does_not_wait_for_it_and_the_worker_lets_go(
    begun: Any, monkeypatch: Any
) -> None:
    market = begun.market
    add_workers(begun, 2)
    first = claimed(begun, sent(begun)[0].id)
    count_down = shard_repository.count_down
    answers: list[ValuationStatus] = []

    def cancel() -> None:
        with transaction(market.factory) as session:
            answers.append(service.cancel(session, market.settings, market.buyer, first.valuation_id).status)

    def meanwhile(*args: Any) -> Any:
        # the next shards are locked by now, the job is not
        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        cancelling.join(timeout=10)
        assert answers == [ValuationStatus.CANCELLING], "the cancellation waited, with the job's row in its hand"
        return count_down(*args)

    monkeypatch.setattr(shard_repository, "count_down", meanwhile)
    assert finish(begun, first) is None
    assert {each.status for each in asked(begun)} == {ShardStatus.DONE, ShardStatus.ABANDONED}
    assert market.job(first.valuation_id).status is ValuationStatus.CANCELLED
