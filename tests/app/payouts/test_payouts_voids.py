"""Void payouts: they wait in escrow, go back unless disputed, and follow what is found when rows are opened again."""

import uuid
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput, NotFound
from app.outbox.tables import OutboxMessage
from app.payouts import proof, repository, service, voids
from app.payouts.policies import PayoutClaim, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from app.payouts.voids import VoidState
from contract.orders.policies import PayoutPolicy

POOL = 1_000_000
TERMS = PayoutTerms(policy=PayoutPolicy.PROPORTIONAL)
DAY = 86_400.0


def settled(session: Session, buyer: uuid.UUID, void_seconds: float) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """A job of two providers, of whom the second's quarter is void."""
    job, providers = uuid.uuid4(), sorted(uuid.uuid4() for _ in range(2))
    service.reserve(session, job, buyer, POOL, "EUR")
    honest, liar = (PayoutClaim(id_, id_, value) for id_, value in zip(providers, (0.75, 0.25), strict=True))
    plan = make_plan(job, "EUR", POOL, TERMS, [honest, replace(liar, void="it did not come")], JobOutcome(0.5, 0.75))
    service.settle(session, job, plan, void_seconds=void_seconds)
    return job, providers


def has(session: Session, owner: uuid.UUID) -> int:
    return sum(balance.available for balance in service.balances(session, owner))


@pytest.fixture
def buyer(session: Session) -> uuid.UUID:
    owner = uuid.uuid4()
    service.deposit(session, owner, POOL, "EUR", "bank-1")
    return owner


def test_without_time_for_a_dispute_it_goes_back_at_once(session: Session, buyer: uuid.UUID) -> None:
    job, (_, liar) = settled(session, buyer, 0.0)
    assert has(session, buyer) == 250_000
    assert [each.state for each in voids.of_job(session, job)] == [VoidState.RETURNED]
    with pytest.raises(Conflict, match="at settlement"):
        voids.open_dispute(session, job, liar, "the host was moved")


def test_what_nobody_disputes_in_time_goes_back_once(session: Session, buyer: uuid.UUID) -> None:
    job, (honest, liar) = settled(session, buyer, -1.0)
    assert (has(session, buyer), has(session, honest)) == (0, 750_000)
    with pytest.raises(Conflict, match="until it went back"):
        voids.open_dispute(session, job, liar, "too late")
    assert [voids.return_due(session), voids.return_due(session)] == [1, 0]
    assert (has(session, buyer), has(session, liar)) == (250_000, 0)
    assert proof.prove(session).ok


def test_a_dispute_keeps_it_until_an_administrator_lets_it_stand(session: Session, buyer: uuid.UUID) -> None:
    job, (honest, liar) = settled(session, buyer, DAY)
    with pytest.raises(NotFound):
        voids.open_dispute(session, job, honest, "not mine")
    with pytest.raises(InvalidInput, match="says why"):
        voids.open_dispute(session, job, liar, "  ")
    with pytest.raises(Conflict, match="in dispute"):
        voids.stand(session, job, liar)
    for reason in ("the host was moved", "again"):
        (void,) = voids.open_dispute(session, job, liar, reason)
    assert void.dispute is not None
    assert (void.dispute.reason, void.amount, void.state) == ("the host was moved", 250_000, VoidState.WAITS)
    assert [each.transfer_id for each in voids.waiting(session)] == [void.transfer_id]
    later = repository.now(session).replace(year=2100)
    assert repository.overdue(session, service.VOID, later, 10) == []
    (stood,) = voids.stand(session, job, liar)
    assert (stood.state, has(session, buyer), has(session, liar)) == (VoidState.RETURNED, 250_000, 0)
    assert voids.waiting(session) == []


@pytest.mark.parametrize(("borne_out", "ends"), [(True, VoidState.PAID), (False, VoidState.RETURNED)])
def test_what_is_found_when_rows_are_opened_again_decides_once(
    session: Session, buyer: uuid.UUID, borne_out: bool, ends: VoidState
) -> None:
    job, (_, liar) = settled(session, buyer, DAY)
    voids.open_dispute(session, job, liar, "the host was moved")
    for _ in range(2):
        (void,) = voids.ask_recheck(session, job, liar)
    sent = session.query(OutboxMessage).filter(OutboxMessage.task == voids.TASK).all()
    assert [message.args for message in sent] == [{"transfer_id": str(void.transfer_id)}]
    with pytest.raises(Conflict, match="opened once more"):
        voids.stand(session, job, liar)
    voids.decide(session, void.transfer_id, "8 rows were opened", borne_out=borne_out)
    voids.decide(session, void.transfer_id, "and again", borne_out=not borne_out)
    (decided,) = voids.of_job(session, job, liar)
    assert decided.state is ends
    assert decided.dispute is not None
    assert decided.dispute.finding == "8 rows were opened"
    expected = (0, 250_000) if borne_out else (250_000, 0)
    assert (has(session, buyer), has(session, liar)) == expected
    assert proof.prove(session).ok
