"""The right to be forgotten: after a withdrawal nothing that saw the data is kept, money and certificates stay.

What becomes of checkpoints is in ``test_erasure_unlearning``.
"""

from typing import Any

from sqlalchemy import update

from app.datasets.tables import Dataset, DatasetStatus
from app.db.session import transaction
from app.valuations import quoting
from app.valuations.states import ValuationStatus


def withdraw(market: Any, dataset_id: Any) -> None:
    with transaction(market.factory) as session:
        session.execute(update(Dataset).where(Dataset.id == dataset_id).values(status=DatasetStatus.WITHDRAWN))


def erase(market: Any, hand: Any, dataset_id: Any) -> None:
    hand.sweeper.sweep_once()
    while hand.relay.drain_once():
        pass
    tasks = [args["dataset_id"] for task, args, _ in hand.letters.waiting if task == "worker.tasks.forget"]
    assert tasks == [str(dataset_id)]
    hand.letters.waiting.clear()
    hand.runtime.forget(dataset_id)


def test_models_worths_and_bytes_go_results_and_money_stay(market: Any, hand: Any) -> None:
    job = hand.finish(market.post())
    assert job.status is ValuationStatus.SUCCEEDED, job.traceback
    gone = market.datasets[1]
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=gone)
    prepared = market.scalar("SELECT prepared FROM games")
    withdraw(market, gone)
    erase(market, hand, gone)
    assert not market.blobs.exists(digest)
    assert not market.blobs.exists(prepared)
    assert market.scalar("SELECT count(*) FROM evaluations") == 0
    assert market.scalar("SELECT count(*) FROM games WHERE prepared IS NOT NULL") == 0
    record = market.scalar("SELECT record FROM erasures WHERE finished_at IS NOT NULL")
    assert record["contents"] == [digest]
    assert record["worths"] > 0
    assert (record["models"], record["checkpoints"]) == (1, {"unlearned": 0, "erased": 0})
    assert market.job(job.id).result is not None
    assert market.scalar("SELECT sum(amount_minor) FROM valuation_players") == 1000_00
    hand.runtime.forget(gone)
    assert market.scalar("SELECT record FROM erasures") == record
    assert hand.sweeper.sweep_once() == 0


def test_bytes_that_another_provider_offers_as_well_are_kept_for_it(market: Any, hand: Any) -> None:
    # providers 0 and 3 hold the same rows, in files of their own
    with transaction(market.factory) as session:
        first, other = (session.get_one(Dataset, market.datasets[i]) for i in (0, 3))
        other.digest = first.digest
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=market.datasets[0])
    withdraw(market, market.datasets[0])
    erase(market, hand, market.datasets[0])
    assert market.blobs.exists(digest)


def test_what_the_files_of_orders_came_to_goes_even_where_a_quote_became_no_job(market: Any, hand: Any) -> None:
    # provider 3 holds the rows of provider 0, so under this rule its own are in no seat and the answer names it nowhere
    order = market.order(payout={"copies": "first"})
    with transaction(market.factory) as session:
        quoting.quote(session, market.blobs, market.settings, market.buyer, order)
    assert market.scalar("SELECT count(*) FROM fittings") == 1
    gone = market.datasets[3]
    assert gone.hex not in market.scalar("SELECT told FROM fittings")
    withdraw(market, gone)
    erase(market, hand, gone)
    assert market.scalar("SELECT count(*) FROM fittings") == 0
    # those who remain are read again
    job = hand.finish(market.post(datasets=market.datasets[:3]))
    assert job.status is ValuationStatus.SUCCEEDED, job.traceback
    assert market.scalar("SELECT count(*) FROM fittings") == 1


def test_a_job_under_way_is_stopped_and_its_money_goes_back(market: Any, hand: Any) -> None:
    job_id = market.post()
    withdraw(market, market.datasets[2])
    hand.letters.waiting.clear()
    hand.sweeper.sweep_once()
    hand.runtime.forget(market.datasets[2])
    job = market.job(job_id)
    assert job.status is ValuationStatus.CANCELLED
    assert job.reason == "dataset_withdrawn"
    assert "withdrawn" in job.error
    assert market.scalar("SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL") == 1
