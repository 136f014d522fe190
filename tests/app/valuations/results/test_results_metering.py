"""Device time of a job comes off its pool at settlement: what it took, and never more than was quoted."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import transaction
from app.payouts import service as payouts
from app.valuations import service
from app.valuations.states import ValuationStatus


@pytest.mark.parametrize("took", [0.0001, 100_000.0])
def test_device_time_comes_off_the_pool_up_to_the_quote(hand: Any, took: float) -> None:
    market = hand.market
    market.settings = market.settings.model_copy(update={"compute_prices": {"EUR": Decimal(36_000_000)}})  # a small job
    job = market.post()
    most = market.job(job).inputs["terms"]["compute"]["most"]
    while market.job(job).status is not ValuationStatus.SETTLING:
        for shard_id in hand.collect():
            hand.deliver(shard_id)
            if market.job(job).status is ValuationStatus.SETTLING:
                break
    with transaction(market.factory) as session:
        session.execute(text("UPDATE rounds SET seconds = CASE WHEN number = 1 THEN :took ELSE 0 END"), {"took": took})
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    with market.factory() as session:
        paid = service.payout_lines(session, market.buyer, job)
        proof = payouts.balances(session, market.buyer.account_id)[0]
    minor = 1_00 if took < 1.0 else most
    assert most > 1_00
    assert paid.compute == f"{minor / 100:.2f}"
    assert sum(float(line.amount) for line in paid.payouts) == pytest.approx(1000.0 - minor / 100)
    assert proof.available == 10_000_00 - 1000_00
    assert any("Compute took" in each for each in paid.explanation)
