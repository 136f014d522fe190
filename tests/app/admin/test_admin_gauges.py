"""The gauges of what ended and of what stands still, against jobs, transfers and events that are really there."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from app.admin import gauges
from app.payouts import proof
from app.valuations.states import TERMINAL


def read(market: Any) -> dict[str, gauges.Samples]:
    with market.factory() as session:
        return gauges.history(session)


def test_jobs_that_ended_are_counted_by_state_and_reason_for_a_day(market: Any) -> None:
    first, second, third = (market.post(seed=seed) for seed in (1, 2, 3))
    with market.factory() as session:
        for job, status, reason in ((first, "failed", "internal"), (second, "cancelled", "cancelled_by_buyer")):
            session.execute(
                text("UPDATE valuations SET status = :status, reason = :reason, finished_at = now() WHERE id = :id"),
                {"status": status, "reason": reason, "id": job},
            )
        session.commit()
    assert read(market)["ended"] == [(("cancelled", "cancelled_by_buyer"), 1), (("failed", "internal"), 1)]
    assert market.job(third).status not in TERMINAL
    gauges_of_tomorrow = gauges.first_id(market.scalar("SELECT now()") + timedelta(seconds=1))
    assert str(gauges_of_tomorrow) > str(third)


def test_a_transfer_outside_the_chain_is_seen_by_its_age(market: Any) -> None:
    assert read(market)["unsealed_age"][0][1] > 0
    with market.factory() as session:
        proof.seal(session)
        session.commit()
    assert read(market)["unsealed_age"] == [((), 0.0)]


def test_open_shards_with_failed_attempts_and_nothing_else_count_as_retried(market: Any) -> None:
    market.post()
    assert read(market)["retried"] == [((), 0)]
    with market.factory() as session:
        session.execute(text("UPDATE shards SET attempt = 2"))
        session.commit()
    assert read(market)["retried"] == [((), 1)]
    assert read(market)["deliveries"] == [((), 0)]
    assert read(market)["delivery_age"] == [((), 0.0)]


def test_points_of_disclosure_are_those_of_the_last_day(market: Any) -> None:
    market.post()
    spent = market.scalar("SELECT sum(points) FROM disclosures")
    assert spent > 0
    assert read(market)["disclosed"] == [((), spent)]
