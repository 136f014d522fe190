"""What dies while a checkpoint is made to forget changes nothing: another worker goes on, or the weights are erased."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import transaction
from app.erasure import erasing, unlearning
from contract.learning.learners import Architecture
from tests.app.erasure.forgetting import Model, begin, erased, keep, record_of, step, train, value, withdraw
from tests.market import Hand, Market


def claim(hand: Hand) -> Any:
    """What a worker does first: the lease is taken, and then the worker is seen no more."""
    with transaction(hand.market.factory) as session:
        (unlearning_id,) = session.scalars(text("SELECT id FROM unlearnings")).all()
        return hand.runtime.unlearner.claim(session, unlearning_id)


@contextmanager
def cut_off(hand: Hand) -> Iterator[None]:
    """Let the lease of whoever is at it run out."""
    yield
    with transaction(hand.market.factory) as session:
        session.execute(text("UPDATE unlearnings SET lease_until = now() - interval '1 second'"))


def test_a_dead_workers_duty_is_done_by_another_and_its_own_late_word_changes_nothing(
    market: Market, hand: Hand, model: Model
) -> None:
    gone = withdraw(market, 2)
    begin(hand)
    with cut_off(hand):
        late = claim(hand)
        with market.factory() as session:
            duty = unlearning.load(session, late)
        write = hand.runtime.unlearner.run(late, duty)
    assert not erased(market, gone)
    hand.sweeper.sweep_once()
    hand.letters.waiting.clear()
    other = claim(hand)
    with pytest.raises(unlearning.LeaseLost), transaction(market.factory) as session:
        write(session)
    with transaction(market.factory) as session:
        unlearning.give_back(session, other)
    step(hand)
    assert erased(market, gone)
    before = market.rows("SELECT * FROM unlearnings")
    with pytest.raises(unlearning.LeaseLost), transaction(market.factory) as session:
        write(session)
    assert market.rows("SELECT * FROM unlearnings") == before
    assert market.scalar("SELECT attempt FROM unlearnings") == 2


def test_after_the_third_worker_that_died_of_it_the_weights_are_erased_and_the_owner_told(
    market: Market, hand: Hand, model: Model
) -> None:
    gone = withdraw(market, 2)
    begin(hand)
    for attempt in (1, 2, 3):
        with cut_off(hand):
            assert claim(hand).attempt == attempt
        hand.sweeper.sweep_once()
    assert claim(hand) is None
    record = record_of(market, model)
    assert (record["outcome"], record["attempts"]) == ("erased", 3)
    assert record["reason"] == "unlearning ended its worker 3 times"
    assert "nothing left to measure" in record["residual"]["unmeasured"]
    hand.letters.waiting.clear()
    step(hand)
    assert erased(market, gone)
    assert not market.blobs.exists(model.digest)


def test_a_crash_between_any_two_steps_leaves_neither_bytes_nor_old_weights(
    market: Market, hand: Hand, model: Model
) -> None:
    gone = withdraw(market, 2)
    begin(hand)
    mine = claim(hand)
    with market.factory() as session:
        duty = unlearning.load(session, mine)
    write = hand.runtime.unlearner.run(mine, duty)
    with transaction(market.factory) as session:
        # the new weights are there, and the worker dies before it has erased the old ones
        assert write(session) == (model.digest,)
    with transaction(market.factory) as session:
        # the next one knows what to erase, and dies before it has
        cleared = erasing.clear(session, market.settings, gone)
    assert cleared is not None
    assert market.blobs.exists(model.digest)
    hand.letters.waiting.clear()
    step(hand)
    assert erased(market, gone)
    assert not market.blobs.exists(model.digest)
    assert market.rows("SELECT doomed FROM erasures") == [(None,)]


def test_a_worker_killed_in_the_middle_is_followed_by_another(market: Market, hand: Hand, processes: Any) -> None:
    hyper = {"hidden": 32, "steps": 6000}
    weights = train(market, Architecture.MLP, hidden=32, steps=5)
    kept = keep(market, market.buyer, weights, architecture=Architecture.MLP, hyper=hyper)
    value(market, hand, kept)
    gone = withdraw(market, 2)
    processes.housekeeping()
    # long enough that a busy machine takes nobody's lease but the dead one's
    patient = {"CHERISH_LEASE_SECONDS": "10"}
    first = processes.worker(**patient)
    running = "SELECT count(*) FROM unlearnings WHERE status = 'running'"
    wait_until(lambda: market.scalar(running) == 1, processes)
    processes.kill(first)
    assert not erased(market, gone)
    processes.worker(**patient)
    over = "SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL"
    wait_until(lambda: market.scalar(over) == 1, processes)
    assert erased(market, gone)
    assert record_of(market, kept)["method"] == "retrain"
    assert record_of(market, kept)["attempts"] >= 2
    assert not market.blobs.exists(kept.digest)


def wait_until(true: Any, processes: Any, seconds: float = 200.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, processes.logs()
        time.sleep(0.05)


def test_a_worker_that_is_shut_down_or_finds_the_store_away_gives_back_what_it_took(
    market: Market, hand: Hand, model: Model
) -> None:
    gone = withdraw(market, 2)
    begin(hand)
    hand.runtime.heartbeat.drain()
    (unlearning_id,) = (row[0] for row in market.rows("SELECT id FROM unlearnings"))
    hand.runtime.unlearn(unlearning_id)
    assert market.rows("SELECT status, attempt FROM unlearnings") == [("waiting", 0)]
    hand.runtime.heartbeat._draining.clear()
    folder = Path(market.settings.blob_url.removeprefix("file://"))
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=gone)
    blob = folder / "sha256" / digest[:2] / digest[2:]
    content = blob.read_bytes()
    blob.write_bytes(b"the disk gave something else")
    hand.runtime.unlearn(unlearning_id)
    assert market.rows("SELECT status, attempt FROM unlearnings") == [("waiting", 0)]
    assert market.scalar("SELECT due_at > now() + interval '10 seconds' FROM unlearnings")
    with transaction(market.factory) as session:
        session.execute(text("UPDATE unlearnings SET due_at = now(), created_at = now() - interval '25 hours'"))
    hand.runtime.unlearn(unlearning_id)
    # a day is enough: from then on it is a failure like any other
    assert market.rows("SELECT status, attempt FROM unlearnings") == [("waiting", 1)]
    blob.write_bytes(content)
    with transaction(market.factory) as session:
        session.execute(text("UPDATE unlearnings SET due_at = now()"))
    step(hand)
    assert record_of(market, model)["outcome"] == "unlearned"
