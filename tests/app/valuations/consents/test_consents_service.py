"""A job that names data used by request waits for its providers: approved it runs, refused it ends or goes on without
it."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.db.session import transaction
from app.errors import Conflict, InvalidInput, NotFound
from app.housekeeping.readmission import Readmission
from app.http.pages import PageRequest
from app.identity import SCOPES, Caller, Role
from app.payouts import service as payouts
from app.valuations import quoting, top_ups
from app.valuations import service as valuations
from app.valuations.consents import service
from app.valuations.explorations import service as explorations
from app.valuations.explorations.schemas import NewExploration
from app.valuations.orders.top_up import TopUp
from app.valuations.states import ConsentStatus, Reason, ValuationStatus
from app.valuations.tables import ValuationConsent
from app.valuations.work import consents
from contract.orders.grants import Approval

YES, NO, LAPSED = ConsentStatus.APPROVED, ConsentStatus.REFUSED, ConsentStatus.LAPSED
PAGE = PageRequest(10, None, b"secret")
POOL = 1000_00


@pytest.fixture
def by_request(hand: Any) -> Any:
    """The market, whose first two datasets are used by request only."""
    market = hand.market
    with transaction(market.factory) as session:
        for dataset_id in market.datasets[:2]:
            licence = Licence("CC0-1.0", approval=Approval.BY_REQUEST)
            session.get_one(Dataset, dataset_id).licence = licence.to_json()
    return hand


def provider(market: Any, number: int) -> Caller:
    return Caller(market.providers[number], Role.PROVIDER, SCOPES[Role.PROVIDER], uuid.uuid4())


def say(market: Any, job: uuid.UUID, number: int, said: ConsentStatus, note: str | None = None) -> Any:
    with transaction(market.factory) as session:
        return service.answer(session, market.settings, provider(market, number), job, said, note)


def readmission(market: Any) -> Readmission:
    return Readmission(market.factory, market.blobs, market.settings)


def wallet(market: Any) -> int:
    with market.factory() as session:
        (balance,) = payouts.balances(session, market.buyer.account_id)
        return int(balance.available)


def run_out(market: Any, job: uuid.UUID) -> None:
    with transaction(market.factory) as session:
        session.execute(
            text("UPDATE valuation_consents SET answer_until = now() - interval '1 s' WHERE valuation_id = :job"),
            {"job": job},
        )


def values(market: Any, job: uuid.UUID) -> Mapping[str, float | None]:
    with market.factory() as session:
        return {each.provider: each.value for each in valuations.values(session, market.buyer, job).players}


def test_nothing_is_computed_before_everybody_has_approved_and_then_the_job_is_as_any_other(by_request: Any) -> None:
    market, before = by_request.market, wallet(by_request.market)
    job = market.post(purpose="research", territory="NO")
    assert market.job(job).status is ValuationStatus.AWAITING_CONSENT
    assert wallet(market) == before - POOL, "the pool is set aside"
    by_request.sweeper.sweep_once()
    assert by_request.collect() == []
    assert readmission(market).once() == 0
    with market.factory() as session:
        shown = service.get_mine(session, provider(market, 0), job)
        assert (shown.buyer, shown.purpose, shown.territory, shown.pool) == ("buyer", "research", "NO", "1000.00")
        assert (shown.status, shown.datasets, shown.rows, shown.providers) == ("pending", [market.datasets[0]], 60, 4)
        assert shown.terms
        assert shown.deliver == []
        with pytest.raises(NotFound, match="asks you for no consent"):
            service.get_mine(session, provider(market, 2), job)
        assert [each.status for each in service.of_job(session, market.buyer, job)] == ["pending", "pending"]

    say(market, job, 0, YES, "gladly")
    assert market.job(job).status is ValuationStatus.AWAITING_CONSENT
    assert say(market, job, 0, YES).note == "gladly", "saying it twice is saying it once"
    with pytest.raises(Conflict, match="approved, and is final"):
        say(market, job, 0, NO)
    say(market, job, 1, YES)
    assert by_request.finish(job).status is ValuationStatus.SUCCEEDED

    with transaction(market.factory) as session:  # the same market without the terms
        for dataset_id in market.datasets[:2]:
            session.get_one(Dataset, dataset_id).licence = Licence("CC0-1.0").to_json()
    plain = market.post()
    assert by_request.finish(plain).status is ValuationStatus.SUCCEEDED
    assert values(market, job) == values(market, plain)


def test_one_refusal_ends_it_and_the_pool_goes_back(by_request: Any) -> None:
    market, before = by_request.market, wallet(by_request.market)
    job = market.post()
    say(market, job, 1, NO, "not for this")
    ended = market.job(job)
    assert (ended.status, ended.reason) == (ValuationStatus.CANCELLED, Reason.CONSENT_REFUSED)
    assert ended.error == "provider 1 did not consent to it; nothing was charged"
    assert wallet(market) == before
    with market.factory() as session:
        said = {each.provider: (each.status, each.note) for each in service.of_job(session, market.buyer, job)}
    assert said == {"provider 0": (ConsentStatus.CLOSED, None), "provider 1": (NO, "not for this")}
    with pytest.raises(Conflict, match="closed, and is final"):
        say(market, job, 0, YES)


def test_it_goes_on_without_who_refused_where_its_order_says_so(by_request: Any) -> None:
    market = by_request.market
    job = market.post(drop_refused=True)
    say(market, job, 1, NO)
    assert readmission(market).once() == 0, "another provider has not answered"
    say(market, job, 0, YES)
    assert market.job(job).status is ValuationStatus.AWAITING_CONSENT
    assert readmission(market).once() == 1
    done = by_request.finish(job)
    assert (done.status, done.order.datasets) == (
        ValuationStatus.SUCCEEDED,
        [market.datasets[0], *market.datasets[2:]],
    )
    assert "Left out without consent: provider 1." in done.job_inputs.notes
    assert set(values(market, job)) == {"provider 0", "provider 2", "provider 3"}
    with market.factory() as session:
        mine, _ = valuations.list_mine(session, provider(market, 1), PAGE)
        assert mine == [], "its data is in no job"
        asked, _ = service.list_mine(session, provider(market, 1), [NO], PAGE)
        assert [each.valuation_id for each in asked] == [job]

    market.datasets = [market.datasets[0], *market.datasets[2:]]
    whole = market.post()
    say(market, whole, 0, YES)
    assert by_request.finish(whole).status is ValuationStatus.SUCCEEDED
    assert values(market, job) == values(market, whole), "as a job that never named it"


def test_no_answer_in_time_is_no_consent(by_request: Any) -> None:
    market, before = by_request.market, wallet(by_request.market)
    job = market.post(consent_seconds=60)
    with market.factory() as session:
        until = consents.until(session, job)
        assert until is not None
        # the order's minute, not the market's days
        assert 55 < (until - market.job(job).created_at).total_seconds() < 600
    say(market, job, 0, YES)
    run_out(market, job)
    with pytest.raises(Conflict, match="the time to answer"):
        say(market, job, 1, YES)
    assert by_request.sweeper.sweep_once() == 1
    assert (market.job(job).status, market.job(job).reason) == (ValuationStatus.CANCELLED, Reason.CONSENT_REFUSED)
    assert wallet(market) == before
    with market.factory() as session:
        assert consents.of_provider(session, market.providers[1], job).status is LAPSED  # type: ignore[union-attr]


def test_what_cannot_go_on_without_them_ends_and_says_why(by_request: Any) -> None:
    market, before = by_request.market, wallet(by_request.market)
    job = market.post(datasets=market.datasets[:2], drop_refused=True)
    say(market, job, 0, NO)
    say(market, job, 1, YES)
    assert readmission(market).once() == 1
    ended = market.job(job)
    assert (ended.status, ended.reason, wallet(market)) == (ValuationStatus.CANCELLED, Reason.CONSENT_REFUSED, before)
    assert ended.error is not None
    assert "provider 0 did not consent, and without that data" in ended.error
    assert "this job has one" in ended.error
    nobody = market.post(datasets=market.datasets[:2], drop_refused=True)
    for number in (0, 1):
        say(market, nobody, number, NO)
    assert readmission(market).once() == 1
    assert "no dataset is left" in str(market.job(nobody).error)


def test_a_buyer_cancels_while_it_waits_and_a_deadline_passes(by_request: Any) -> None:
    market, before = by_request.market, wallet(by_request.market)
    job = market.post()
    with transaction(market.factory) as session:
        valuations.cancel(session, market.settings, market.buyer, job)
    assert (market.job(job).status, wallet(market)) == (ValuationStatus.CANCELLED, before)
    late = market.post()
    with transaction(market.factory) as session:
        session.execute(text("UPDATE valuations SET deadline = now() WHERE id = :job"), {"job": late})
    by_request.sweeper.sweep_once()
    assert (market.job(late).status, wallet(market)) == (ValuationStatus.EXPIRED, before)
    with market.factory() as session:
        rows = session.scalars(ValuationConsent.__table__.select().with_only_columns(ValuationConsent.status)).all()
    assert set(rows) == {ConsentStatus.CLOSED}


def test_a_quote_names_who_is_asked_and_nothing_is_explored_of_them(by_request: Any) -> None:
    market = by_request.market
    with transaction(market.factory) as session:
        quoted = quoting.quote(session, market.blobs, market.settings, market.buyer, market.order())
    assert (
        "The job waits up to 72 hours for the consent of provider 0, provider 1; if one refuses, the job ends and the "
        "pool goes back." in quoted.notes
    )
    named = NewExploration(datasets=market.datasets, test_dataset=market.test)
    with transaction(market.factory) as session, pytest.raises(InvalidInput, match="approves each job by itself"):
        explorations.post(session, market.blobs, market.settings, market.buyer, named)
    assert market.scalar("SELECT count(*) FROM valuation_consents") == 0


def test_a_top_up_rests_on_the_consent_to_its_job(by_request: Any) -> None:
    market = by_request.market
    budgets: dict[str, Any] = {"max_retrains": 3, "share_ci": 0.01, "checked_part": 0.0}
    job = market.post(**budgets)
    for number in (0, 1):
        say(market, job, number, YES)
    assert by_request.finish(job).status is ValuationStatus.SUCCEEDED
    with transaction(market.factory) as session:
        more = TopUp(max_retrains=10)
        again = top_ups.post(session, market.blobs, market.settings, market.buyer, job, more).id
    assert by_request.finish(again).status is ValuationStatus.SUCCEEDED
