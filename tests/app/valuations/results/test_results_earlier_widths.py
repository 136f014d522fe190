"""What a quote expects of precision: from the buyer's own job of the same kind, and of nobody else's."""

import uuid
from typing import Any

import pytest

from app.db.session import transaction
from app.identity import Caller
from app.valuations import quoting
from app.valuations.job_schemas import Quote
from app.valuations.results.earlier_widths import EarlierWidth
from contract.results.result import StoredResult
from tests.worker.jobs.test_jobs_measure import finished


def test_what_computing_left_goes_with_the_root_and_what_test_rows_leave_stays() -> None:
    earlier = EarlierWidth(uuid.uuid4(), reached=5.0, test_rows=3.0, retrains=16)
    assert earlier.with_retrains(16) == 5.0
    assert earlier.with_retrains(64) == pytest.approx((9 + 16 / 4) ** 0.5)
    assert earlier.with_retrains(10**9) == pytest.approx(3.0)
    widths = [earlier.with_retrains(number) for number in (8, 16, 32, 64)]
    assert widths == sorted(widths, reverse=True)


def quoted(market: Any, buyer: Caller, **changes: Any) -> Quote:
    with transaction(market.factory) as session:
        return quoting.quote(session, market.blobs, market.settings, buyer, market.order(**changes))


def test_a_quote_has_precision_against_cost_once_a_job_of_its_kind_has_ended(hand: Any) -> None:
    market = hand.market
    before = quoted(market, market.buyer, max_retrains=8)
    assert [each.max_retrains for each in before.budgets] == [6, 8, 12], "copies leave no more combinations"
    assert [each.widest for each in before.budgets] == [None] * 3
    assert before.widths_of is None
    seconds = [each.device_seconds for each in before.budgets]
    assert seconds == sorted(seconds)

    job = finished(hand, max_retrains=8)
    precision = StoredResult.from_dict(market.job(job).result).precision
    assert precision is not None
    assert precision.reached
    after = quoted(market, market.buyer, max_retrains=8)
    assert after.widths_of == job
    widths = {each.max_retrains: each.widest for each in after.budgets}
    assert widths[8] == pytest.approx(precision.reached, abs=0.01)
    assert widths[6] > widths[8] > widths[12]
    assert quoted(market, market.buyer, max_retrains=8, metric="log_loss").widths_of is None
    assert quoted(market, market.buyer, fidelity="unlearn").budgets == []
