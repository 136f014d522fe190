"""What people see of held money and of disputes: the ledger's own amounts, per provider, before and after."""

import uuid

import pytest
from sqlalchemy.orm import Session

from app.payouts import disputes, service
from app.payouts.disputes import DisputedAmount
from app.payouts.policies import PayoutClaim, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from contract.orders.policies import DisputeKind, PayoutPolicy

POOL = 1_000_000
WINDOW = PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=3600)


@pytest.fixture
def buyer(session: Session) -> uuid.UUID:
    owner = uuid.uuid4()
    service.deposit(session, owner, 2 * POOL, "EUR", "bank-1")
    return owner


def settled(session: Session, buyer: uuid.UUID) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """A job of two providers, of whom each has 500.00 EUR of its part held back."""
    job, providers = uuid.uuid4(), sorted(uuid.uuid4() for _ in range(2))
    service.reserve(session, job, buyer, POOL, "EUR")
    claims = [
        PayoutClaim(id_, id_, value, (value - 0.02, value + 0.02), (value - 0.05, value + 0.05))
        for id_, value in zip(providers, (0.75, 0.25), strict=True)
    ]
    service.settle(session, job, make_plan(job, "EUR", POOL, WINDOW, claims, JobOutcome(0.5, 0.75)))
    return job, providers


def test_what_is_held_is_the_sum_over_providers_until_it_is_disputed(session: Session, buyer: uuid.UUID) -> None:
    job, _ = settled(session, buyer)
    assert disputes.held(session, job) == 100_000
    assert disputes.held(session, uuid.uuid4()) == 0
    service.open_dispute(session, job, buyer, "labels are wrong")
    assert disputes.held(session, job) == 0


def test_a_job_without_a_dispute_has_none(session: Session, buyer: uuid.UUID) -> None:
    job, _ = settled(session, buyer)
    assert disputes.of_job(session, job) is None
    assert disputes.waiting(session) == []


def test_an_open_dispute_says_of_whom_how_much_why_and_of_what_kind(session: Session, buyer: uuid.UUID) -> None:
    job, providers = settled(session, buyer)
    service.open_dispute(session, job, buyer, "labels are wrong", DisputeKind.WRONG_LABEL_MAP)
    dispute = disputes.of_job(session, job)
    assert dispute is not None
    assert dispute.parts == tuple(DisputedAmount(owner, 50_000) for owner in providers)
    assert (dispute.amount, dispute.open_amount, dispute.currency) == (100_000, 100_000, "EUR")
    assert (dispute.kind, dispute.reason) == (DisputeKind.WRONG_LABEL_MAP, "labels are wrong")
    assert (dispute.to_buyer, dispute.to_providers) == (0, 0)


def test_a_decided_dispute_says_who_got_what_and_waits_no_longer(session: Session, buyer: uuid.UUID) -> None:
    (first, providers), (second, _) = settled(session, buyer), settled(session, buyer)
    for job in (first, second):
        service.open_dispute(session, job, buyer, "labels are wrong")
    assert {dispute.valuation_id for dispute in disputes.waiting(session)} == {first, second}
    assert len(disputes.waiting(session, limit=1)) == 1
    service.resolve_dispute(session, first, {providers[0]: 30_000})
    decided = disputes.of_job(session, first)
    assert decided is not None
    assert (decided.amount, decided.open_amount) == (100_000, 0)
    assert (decided.to_buyer, decided.to_providers) == (30_000, 70_000)
    assert [dispute.valuation_id for dispute in disputes.waiting(session)] == [second]
