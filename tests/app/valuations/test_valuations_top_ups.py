"""A top-up goes on where a job ended, pays for what is computed besides, and is what one larger job would have been."""

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.accounts.tables import Account
from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.errors import Conflict, InvalidInput
from app.identity import Caller, Role
from app.payouts import service as payouts
from app.valuations import service, top_ups
from app.valuations.orders.top_up import TopUp
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation
from contract.results.result import StoredResult
from tests.market import rows_of

FEW: dict[str, Any] = {"players": "dataset", "max_retrains": 12, "share_ci": 0.5, "checked_part": 0.0}
TEST_ROWS = 2000  # so many that they are not what makes intervals wide
MORE = TopUp(max_retrains=40)


@pytest.fixture
def seven(hand: Any) -> Any:
    """The market with seven datasets, so that a job does not train every combination."""
    market = hand.market
    for number in range(3):
        rows = rows_of(20 + number, 40 + number)
        market.datasets.append(market.add_dataset(market.providers[number], DatasetKind.TRAIN, *rows))
    market.test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(9, TEST_ROWS))
    return hand


def more(market: Any, job: uuid.UUID, asked: TopUp = MORE) -> uuid.UUID:
    with transaction(market.factory) as session:
        return top_ups.post(session, market.blobs, market.settings, market.buyer, job, asked).id


def result(job: Valuation) -> StoredResult:
    return StoredResult.from_dict(job.result)


def wallet(market: Any) -> int:
    with market.factory() as session:
        (balance,) = payouts.balances(session, market.buyer.account_id)
        return balance.available


def test_its_values_are_those_of_one_larger_job_to_the_last_digit(seven: Any) -> None:
    market = seven.market
    first = market.post(**FEW)
    assert seven.finish(first).status is ValuationStatus.SUCCEEDED
    before = market.scalar("SELECT count(*) FROM evaluations WHERE source = 'retrain'")
    following = more(market, first)
    assert seven.finish(following).status is ValuationStatus.SUCCEEDED
    besides = market.scalar("SELECT count(*) FROM evaluations WHERE source = 'retrain'") - before
    assert (before, besides) == (12, 28), "nothing is trained twice"

    other = Caller(uuid.uuid4(), Role.BUYER, frozenset(), uuid.uuid4())
    with transaction(market.factory) as session:
        session.add(Account(id=other.account_id, name="another buyer", role=Role.BUYER))
        session.flush()
        payouts.deposit(session, other.account_id, 10_000_00, "EUR", "another deposit")
    market.test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, TEST_ROWS))
    whole = market.post(buyer=other, **FEW | {"max_retrains": 40})
    assert seven.finish(whole).status is ValuationStatus.SUCCEEDED
    one, two = result(market.job(following)), result(market.job(whole))
    assert one.players == two.players
    assert replace(one, seconds=0, seconds_by_source={}, retrain_seconds_estimate=None, costs={}).trace == two.trace
    assert one.precision == two.precision

    with market.factory() as session:
        values = service.values(session, market.buyer, following)
        signed = service.certificate(session, market.settings, market.buyer, following)["certificate"]
        earlier = service.values(session, market.buyer, first)
    assert signed["tops_up"] == f"val_{first.hex}"
    assert signed["digests"]["topped_up_result"] == earlier.digests["result"]
    assert {each.amount for each in values.players} == {"0.00"}
    assert all(f"val_{first.hex}" in (each.reason or "") for each in values.players)


def test_it_costs_the_device_time_of_what_is_computed_besides_and_what_was_paid_stands(seven: Any) -> None:
    market = seven.market
    first = market.post(**FEW)
    seven.finish(first)
    with market.factory() as session:
        paid = service.payout_lines(session, market.buyer, first)
    market.settings = market.settings.model_copy(update={"compute_prices": {"EUR": Decimal(3600)}})
    with transaction(market.factory) as session:
        told = top_ups.quote(session, market.blobs, market.settings, market.buyer, first, MORE)
    assert (told.evaluations["retrain"], told.evaluations["unlearn"]) == (28, 0)
    assert float(told.compute) > 0
    before = wallet(market)
    following = more(market, first)
    held = before - wallet(market)
    assert held == round(100 * float(told.compute))
    seven.finish(following)
    with market.factory() as session:
        lines = service.payout_lines(session, market.buyer, following)
        assert service.payout_lines(session, market.buyer, first) == paid
    charged = round(100 * float(lines.compute))
    assert 0 < charged <= held
    assert before - wallet(market) == charged
    assert lines.nobody_paid == f"it tops up val_{first.hex}, which pays"


def test_a_job_that_waits_is_settled_on_its_top_up(seven: Any) -> None:
    market = seven.market
    first = market.post(**FEW, payout={"top_up_window_seconds": 3600})
    _until_it_waits(seven, first)
    waiting = market.job(first)
    assert waiting.status is ValuationStatus.SETTLING
    seven.sweeper.sweep_once()
    assert market.job(first).waits_until is not None, "its hour is not over"
    following = more(market, first)
    with pytest.raises(Conflict, match="was topped up by"):
        more(market, first)
    seven.finish(following)
    assert seven.finish(first).status is ValuationStatus.SUCCEEDED
    one, two = market.job(first), market.job(following)
    assert one.result == two.result
    with market.factory() as session:
        values = service.values(session, market.buyer, first)
        events = service.events(session, market.buyer, first, 0, 100)
        lines = service.payout_lines(session, market.buyer, first)
    (told,) = [each.data for each in events if each.type == "valuation.topped_up"]
    assert told["by"] == f"val_{following.hex}"
    assert told["result_digest_before"] != values.digests["result"]
    assert sum(float(each.amount) for each in lines.payouts) + float(lines.refunded) == pytest.approx(1000.0)
    assert [each.share for each in values.players] == [each.share for each in result(two).players]


@pytest.mark.parametrize("ended", ["never posted", "cancelled"])
def test_a_job_that_waited_for_nothing_is_settled_as_it_is(seven: Any, ended: str) -> None:
    market = seven.market
    first = market.post(**FEW, payout={"top_up_window_seconds": 3600})
    _until_it_waits(seven, first)
    found = market.job(first).result
    if ended == "cancelled":
        following = more(market, first)
        with transaction(market.factory) as session:
            service.cancel(session, market.settings, market.buyer, following)
        seven.collect()
    with transaction(market.factory) as session:
        past = text("UPDATE valuations SET waits_until = now() - interval '1 second' WHERE id = :id")
        session.execute(past, {"id": first})
    seven.sweeper.sweep_once()
    assert seven.finish(first).status is ValuationStatus.SUCCEEDED
    assert market.job(first).result == found
    assert market.job(first).waits_until is None


def test_what_cannot_go_on_is_refused_with_the_reason(seven: Any) -> None:
    market = seven.market
    first = market.post(**FEW)
    with pytest.raises(Conflict, match="only a job that has succeeded can be topped up"):
        more(market, first)
    seven.finish(first)
    with pytest.raises(InvalidInput, match="max_retrains was 12 and would be 12"):
        more(market, first, TopUp(max_retrains=12))
    with pytest.raises(InvalidInput, match="computes nothing that is not known"):
        more(market, first, TopUp(share_ci=0.4))
    market.datasets = market.datasets[:4]
    small = market.post(players="dataset")
    assert seven.finish(small).status is ValuationStatus.SUCCEEDED
    with pytest.raises(Conflict, match="every combination of valuation"):
        more(market, small)


def _until_it_waits(hand: Any, job: uuid.UUID) -> None:
    for _ in range(200):
        for shard_id in hand.collect():
            hand.deliver(shard_id)
        if hand.market.job(job).waits_until is not None:
            return
    raise AssertionError("the job does not wait")
