"""Whole jobs on real Celery workers, relay and sweeper: what comes out, and that it is the same whoever computed it."""

from typing import Any

from app.valuations.states import ValuationStatus


def test_a_job_runs_from_the_order_to_the_money(market: Any, processes: Any) -> None:
    job_id = market.post()
    processes.housekeeping()
    processes.worker()
    job = market.wait(job_id)
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}\n{processes.logs()}"
    amounts = dict(market.rows("SELECT name, amount_minor FROM valuation_players WHERE valuation_id = :id", id=job_id))
    assert sum(amounts.values()) == 1000_00
    assert amounts["provider 0"] == amounts["provider 3"], "an exact copy is paid what its original is"
    assert amounts["provider 2"] == min(amounts.values()), "flipped labels are worth least"
