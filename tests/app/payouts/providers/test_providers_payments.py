"""Payment providers: signatures as Stripe makes them, idempotent payouts, events that count once."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput, Unauthorized
from app.payouts import provider_events, service, withdrawals
from app.payouts.policies import PayoutClaim, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from app.payouts.providers import stripe_like
from app.payouts.providers.interface import EventKind
from contract.orders.policies import PayoutPolicy
from tests.app.payouts.providers.fake_provider import FakeProvider

GAINED = JobOutcome(empty_worth=0.5, full_worth=0.75)
PROPORTIONAL = PayoutTerms(policy=PayoutPolicy.PROPORTIONAL)

SECRET = "whsec_test"
NOW = 1_800_000_000


@pytest.fixture
def fake() -> FakeProvider:
    return FakeProvider(SECRET)


def earned(session: Session, amount: int = 5_000) -> uuid.UUID:
    buyer, provider, job = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    service.deposit(session, buyer, amount, "EUR", "b")
    service.reserve(session, job, buyer, amount, "EUR")
    service.settle(
        session, job, make_plan(job, "EUR", amount, PROPORTIONAL, [PayoutClaim(provider, provider, 1.0)], GAINED)
    )
    return provider


def test_a_signature_is_the_one_that_stripe_documents(fake: FakeProvider) -> None:
    payload, header = fake.event(EventKind.PAYOUT_PAID, uuid.uuid4(), 5, "EUR", NOW)
    mac = hmac.new(SECRET.encode(), f"{NOW}.".encode() + payload, hashlib.sha256).hexdigest()
    assert header == f"t={NOW},v1={mac}"
    stripe_like.verify(payload, f"t={NOW},v1={'0' * 64},v1={mac},v0=x", SECRET, NOW)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "no Stripe-Signature"),
        ("v1=abc", "no Stripe-Signature"),
        (f"t={NOW},t={NOW},v1=abc", "no Stripe-Signature"),
        ("t=x,v1=abc", "no Stripe-Signature"),
        (f"t={NOW}", "not of this body"),
        (f"t={NOW},v1=", "not of this body"),
        (f"t={NOW},v1=ä", "not of this body"),
        (f"t={NOW},v0=good", "not of this body"),
    ],
)
def test_an_event_without_a_true_signature_is_not_believed(fake: FakeProvider, header: str, words: str) -> None:
    payload, good = fake.event(EventKind.PAYOUT_PAID, uuid.uuid4(), 5, "EUR", NOW)
    with pytest.raises(Unauthorized, match=words):
        fake.receive(payload, header.replace("good", good.rpartition("=")[2]), now=NOW)


def test_an_old_a_changed_or_another_s_event_is_not_believed(fake: FakeProvider) -> None:
    payload, header = fake.event(EventKind.PAYOUT_PAID, uuid.uuid4(), 5, "EUR", NOW)
    assert fake.receive(payload, header, now=NOW + 300) is not None
    for now in (NOW + 301, NOW - 301):
        with pytest.raises(Unauthorized, match="away from now"):
            fake.receive(payload, header, now=now)
    with pytest.raises(Unauthorized):
        fake.receive(payload.replace(b'"amount": 5', b'"amount": 6'), header, now=NOW)
    with pytest.raises(Unauthorized):
        FakeProvider("another").receive(payload, header, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"id": "e", "type": "payout.paid"}',
        b'{"id": "e", "type": "payout.paid", "data": {"object": {"id": "p", "amount": 5, "currency": "eur", '
        b'"metadata": {"withdrawal": "acc_00000000000000000000000000000000"}}}}',
        b'{"id": "e", "type": "payout.paid", "data": {"object": {"id": "p", "amount": 5.0, "currency": "eur", '
        b'"metadata": {"withdrawal": "wd_00000000000000000000000000000000"}}}}',
        b'{"id": "e", "type": "payout.paid", "data": {"object": {"id": "p", "amount": true, "currency": "eur", '
        b'"metadata": {"withdrawal": "wd_00000000000000000000000000000000"}}}}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        stripe_like.read(body)


def test_a_kind_that_does_not_move_the_ledger_is_ignored() -> None:
    assert stripe_like.read(json.dumps({"id": "e", "type": "invoice.paid"}).encode()) is None


def test_a_payout_is_made_once_for_a_withdrawal(session: Session, fake: FakeProvider) -> None:
    asked = withdrawals.request(session, earned(session), 3_000, "EUR")
    first = provider_events.send(session, fake, asked, "bank account 1")
    assert provider_events.send(session, fake, asked, "bank account 1") is first
    with pytest.raises(Conflict, match="other parameters"):
        provider_events.send(session, fake, asked, "bank account 2")
    withdrawals.decide(session, asked.id, approve=True)
    with pytest.raises(Conflict, match="only one that waits"):
        provider_events.send(session, fake, asked, "bank account 1")


@pytest.mark.parametrize(
    ("kind", "status", "left"),
    [(EventKind.PAYOUT_PAID, "approved", 2_000), (EventKind.PAYOUT_FAILED, "rejected", 5_000)],
)
def test_an_event_decides_a_withdrawal_once_and_its_contrary_is_refused(
    session: Session, fake: FakeProvider, kind: EventKind, status: str, left: int
) -> None:
    owner = earned(session)
    asked = withdrawals.request(session, owner, 3_000, "EUR")
    for _ in range(2):
        event = fake.receive(*fake.event(kind, asked.id, 3_000, "EUR", NOW), now=NOW)
        assert event is not None
        provider_events.apply(session, event)
    assert withdrawals.get(session, asked.id).status == status
    assert service.balances(session, owner)[0].available == left
    (other,) = {EventKind.PAYOUT_PAID, EventKind.PAYOUT_FAILED} - {kind}
    contrary = fake.receive(*fake.event(other, asked.id, 3_000, "EUR", NOW), now=NOW)
    assert contrary is not None
    with pytest.raises(Conflict, match="a decision stands"):
        provider_events.apply(session, contrary)


def test_an_event_about_another_amount_changes_nothing(session: Session, fake: FakeProvider) -> None:
    asked = withdrawals.request(session, earned(session), 3_000, "EUR")
    event = fake.receive(*fake.event(EventKind.PAYOUT_PAID, asked.id, 2_999, "EUR", NOW), now=NOW)
    assert event is not None
    with pytest.raises(Conflict, match="compare the provider's books"):
        provider_events.apply(session, event)
    assert withdrawals.get(session, asked.id).status == "pending"


def post(client: Any, told: tuple[bytes, str]) -> Any:
    payload, header = told
    return client.post(
        "/v1/ledger/provider-events",
        content=payload,
        headers={"Stripe-Signature": header, "Content-Type": "application/json"},
    )


@pytest.fixture
def listening(app: Any) -> Any:
    """The application with a provider's secret."""
    app.state.settings = app.state.settings.model_copy(update={"payment_webhook_secret": SecretStr(SECRET)})
    return app


def test_a_signed_deposit_reaches_the_wallet_once_though_told_by_two_events(
    listening: Any, client: Any, buyer: Any, provider: Any, fake: FakeProvider
) -> None:
    for _ in range(2):
        told = fake.event(EventKind.DEPOSIT_SUCCEEDED, buyer.account.id, 700, "EUR", int(time.time()), "pi_77")
        answer = post(client, told)
        assert (answer.status_code, answer.json()) == (200, {"received": True, "applied": True})
    assert buyer.client.get("/v1/me/balance").json()["balances"][0]["available"] == "7.00"
    wrong = fake.event(EventKind.DEPOSIT_SUCCEEDED, provider.account.id, 700, "EUR", int(time.time()))
    assert post(client, wrong).status_code == 422
    assert post(client, (wrong[0], "t=1,v1=0")).status_code == 401


def test_without_a_provider_there_is_no_such_endpoint(
    client: Any, buyer: Any, fake: FakeProvider, known: Callable[..., Any]
) -> None:
    told = fake.event(EventKind.DEPOSIT_SUCCEEDED, buyer.account.id, 700, "EUR", int(time.time()))
    assert post(client, told).status_code == 404
    assert buyer.client.get("/v1/me/balance").json() == {"balances": []}
