"""A duty to make a checkpoint forget is taken once, held under a name of its own, and ends with what came of it."""

import uuid
from typing import Any

import pytest

from app.db.session import transaction
from app.erasure import unlearning
from app.erasure.unlearning_repository import UnlearningClaim
from contract.learning.withdrawal import WithdrawalMethod
from tests.app.erasure.forgetting import Model, keep, record_of, train, value, withdraw
from tests.market import Hand, Market
from worker.jobs.unlearn import Unlearner


@pytest.fixture
def due(market: Market, hand: Hand) -> tuple[Model, uuid.UUID]:
    """A checkpoint whose owner has weights erased, and the duty that a withdrawal made."""
    kept = keep(market, market.buyer, train(market), unlearning=WithdrawalMethod.ERASE)
    value(market, hand, kept)
    gone = withdraw(market, 2)
    hand.sweeper.sweep_once()
    hand.runtime.forget(gone)
    return kept, market.scalar("SELECT id FROM unlearnings")


def take(market: Market, unlearner: Unlearner, duty_id: uuid.UUID) -> UnlearningClaim | None:
    with transaction(market.factory) as session:
        return unlearner.claim(session, duty_id)


def write(market: Market, act: Any) -> tuple[str, ...]:
    with transaction(market.factory) as session:
        blobs: tuple[str, ...] = act(session)
        return blobs


def test_a_duty_is_taken_by_one_worker_and_one_that_is_not_there_by_none(
    market: Market, hand: Hand, due: tuple[Model, uuid.UUID]
) -> None:
    unlearner: Unlearner = hand.runtime.unlearner
    taken = take(market, unlearner, due[1])
    assert taken is not None
    assert (taken.unlearning_id, taken.checkpoint_id, taken.attempt) == (due[1], due[0].id, 1)
    assert take(market, unlearner, due[1]) is None
    assert take(market, unlearner, uuid.uuid4()) is None
    assert unlearner.held(taken).name == f"unlearning {due[1]}"


def test_where_the_owner_wants_it_the_weights_are_named_for_erasing_after_the_write(
    market: Market, hand: Hand, due: tuple[Model, uuid.UUID]
) -> None:
    unlearner: Unlearner = hand.runtime.unlearner
    taken = take(market, unlearner, due[1])
    assert taken is not None
    with transaction(market.factory) as session:
        loaded = unlearning.load(session, taken)
    assert loaded is not None
    assert loaded.chosen is WithdrawalMethod.ERASE
    act = unlearner.run(taken, loaded)
    assert market.scalar("SELECT digest FROM checkpoints") == due[0].digest, "nothing is written before the write"
    assert write(market, act) == (due[0].digest,)
    record = record_of(market, due[0])
    assert (record["method"], record["outcome"]) == ("erase", "erased")
    assert market.scalar("SELECT digest FROM checkpoints") is None


def test_a_checkpoint_whose_weights_are_gone_already_has_nothing_to_forget(
    market: Market, hand: Hand, due: tuple[Model, uuid.UUID]
) -> None:
    unlearner: Unlearner = hand.runtime.unlearner
    taken = take(market, unlearner, due[1])
    assert taken is not None
    write(market, unlearner.run(taken, None))
    assert "erased before, for another withdrawal" in record_of(market, due[0])["reason"]
    assert take(market, unlearner, due[1]) is None
