"""A deposit that was a mistake goes back once, by a transfer the other way, and only money that is still there."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.payouts import proof, reversals, service


@pytest.fixture(autouse=True)
def _books_stay_true(session: Session) -> Iterator[None]:
    yield
    found = proof.prove(session)
    assert found.ok, found.problems


def deposit(session: Session, owner: uuid.UUID, amount: int = 1_000) -> uuid.UUID:
    return service.deposit(session, owner, amount, "EUR", uuid.uuid4().hex).id


def available(session: Session, owner: uuid.UUID) -> int:
    return sum(balance.available for balance in service.balances(session, owner))


def test_it_goes_back_once_and_the_first_reason_stands(session: Session) -> None:
    owner = uuid.uuid4()
    wrong, right = deposit(session, owner), deposit(session, owner, 500)
    assert reversals.reversal_of(session, wrong) is None
    back = reversals.take_back(session, wrong, "the bank named another buyer")
    assert available(session, owner) == 500
    assert reversals.take_back(session, wrong, "another reason") == back
    assert available(session, owner) == 500
    known = reversals.reversal_of(session, wrong)
    assert known is not None
    assert (known.code, known.amount, known.reference) == ("deposit_reversed", 1_000, "the bank named another buyer")
    assert reversals.reversal_of(session, right) is None


def test_money_that_is_set_aside_or_spent_cannot_go_back(session: Session) -> None:
    owner, job = uuid.uuid4(), uuid.uuid4()
    wrong = deposit(session, owner)
    service.reserve(session, job, owner, 400, "EUR")
    with pytest.raises(Conflict, match=r"10\.00 EUR cannot be taken back: 6\.00 EUR is available"):
        reversals.take_back(session, wrong, "a mistake")
    assert reversals.reversal_of(session, wrong) is None
    service.refund(session, job)
    reversals.take_back(session, wrong, "a mistake")
    assert available(session, owner) == 0


def test_only_deposits_go_back(session: Session) -> None:
    owner, job = uuid.uuid4(), uuid.uuid4()
    wrong = deposit(session, owner)
    reserved = service.reserve(session, job, owner, 400, "EUR")
    for other in (uuid.uuid4(), reserved.id):
        with pytest.raises(NotFound, match=f"there is no deposit tr_{other.hex}"):
            reversals.take_back(session, other, "a mistake")
    service.refund(session, job)
    back = reversals.take_back(session, wrong, "a mistake")
    with pytest.raises(NotFound):
        reversals.take_back(session, back.id, "a mistake of a mistake")
