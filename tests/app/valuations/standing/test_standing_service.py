"""A standing order repeats a job once for each new version, within its cap, and says why when it cannot."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.tables import Dataset, DatasetStatus
from app.db.session import transaction
from app.errors import Conflict, NotFound
from app.housekeeping import readings
from app.housekeeping.repetition import Repetition
from app.http.turns.waiting import Deferred
from app.payouts import service as payouts
from app.valuations import service as valuations
from app.valuations.standing import service
from app.valuations.standing.schemas import NewStandingOrder, StandingOrderAnswer
from app.valuations.states import StandingStatus, ValuationStatus
from tests.market import Market, rows_of


def new_version(market: Market, number: int, seed: int) -> None:
    X, y = rows_of(seed, 50)
    path = Path(market.settings.blob_url.removeprefix("file://")).parent / f"{uuid.uuid4().hex}.npz"
    np.savez(path, X=X, y=y)
    with transaction(market.factory) as session:
        blob, dataset = market.blobs.put_file(path), session.get_one(Dataset, market.datasets[number])
        dataset.digest, dataset.size_bytes, dataset.rows = blob.digest, blob.size, len(y)


def create(market: Market, cap: str = "5000.00", **order: Any) -> StandingOrderAnswer:
    job = market.post(**order)
    with transaction(market.factory) as session:
        body = NewStandingOrder.model_validate({"valuation_id": f"val_{job.hex}", "monthly_cap": cap})
        return service.create(session, market.buyer, body)


def look(market: Market, order_id: uuid.UUID) -> StandingOrderAnswer:
    with market.factory() as session:
        return service.get(session, market.buyer, order_id)


def move(market: Market, order_id: uuid.UUID, to: StandingStatus) -> StandingOrderAnswer:
    with transaction(market.factory) as session:
        return service.move(session, market.buyer, order_id, to)


def once(market: Market) -> int:
    return Repetition(market.factory, market.blobs, market.settings).once()


def test_each_new_version_posts_one_job_of_the_same_order(market: Market) -> None:
    order = create(market, metadata={"ward": "3"}, seed=11)
    assert (once(market), look(market, order.id).jobs) == (0, [])
    new_version(market, 0, 21)
    new_version(market, 1, 22)
    assert (once(market), once(market)) == (1, 0)
    told = look(market, order.id)
    (posted,) = told.jobs
    assert (told.spent_this_month, told.problem) == ("1000.00", None)
    first, repeat = market.job(order.repeats), market.job(posted)
    assert {**first.spec, "deadline": None} == repeat.spec
    assert (repeat.labels, repeat.pool_minor) == ({"ward": "3"}, 1000_00)
    assert repeat.job_inputs.players != first.job_inputs.players
    new_version(market, 0, 23)
    assert once(market) == 1
    assert len(look(market, order.id).jobs) == 2


def test_a_version_that_came_after_the_job_counts_as_new(market: Market) -> None:
    job = market.post()
    new_version(market, 2, 24)
    with transaction(market.factory) as session:
        body = NewStandingOrder.model_validate({"valuation_id": f"val_{job.hex}", "monthly_cap": "1000"})
        service.create(session, market.buyer, body)
    assert once(market) == 1


def test_the_cap_holds_the_next_job_until_the_month_ends_or_a_pool_comes_back(market: Market) -> None:
    order = create(market, cap="1500.00")
    new_version(market, 0, 31)
    assert once(market) == 1
    new_version(market, 0, 32)
    assert (once(market), once(market)) == (0, 0)
    held = look(market, order.id)
    assert held.problem == "the cap of 1500.00 EUR a month leaves 500.00 EUR, which is less than the pool"
    assert held.next_try_at is not None
    assert (held.next_try_at.day, held.next_try_at > datetime.now(UTC)) == (1, True)
    with transaction(market.factory) as session:
        valuations.cancel(session, market.settings, market.buyer, held.jobs[0])
    assert market.wait(held.jobs[0], ValuationStatus.CANCELLED).status is ValuationStatus.CANCELLED
    assert look(market, order.id).spent_this_month == "0.00"
    move(market, order.id, StandingStatus.PAUSED)
    assert once(market) == 0
    move(market, order.id, StandingStatus.ACTIVE)
    assert once(market) == 1


def test_a_balance_that_lacks_the_pool_and_a_withdrawn_dataset_are_said_and_tried_again_later(market: Market) -> None:
    order = create(market, cap="90000.00", pool="6000.00")
    new_version(market, 0, 41)
    assert once(market) == 0
    held = look(market, order.id)
    assert held.problem is not None
    assert "the buyer's balance is 4000.00 EUR" in held.problem
    assert held.next_try_at is not None
    assert held.next_try_at > datetime.now(UTC)
    with transaction(market.factory) as session:
        payouts.deposit(session, market.buyer.account_id, 5_000_00, "EUR", "more")
        session.get_one(Dataset, market.datasets[1]).status = DatasetStatus.WITHDRAWN
    assert once(market) == 0, "it is not tried before its time"
    move(market, order.id, StandingStatus.PAUSED)
    move(market, order.id, StandingStatus.ACTIVE)
    assert once(market) == 0
    assert "was withdrawn by its provider" in (look(market, order.id).problem or "")


def test_what_cannot_be_repeated_is_refused_and_a_cancelled_order_stays_so(market: Market) -> None:
    with pytest.raises(Conflict, match=r"a monthly cap of 999\.99 EUR is below one pool"):
        create(market, cap="999.99")
    order, stranger = create(market), market.add_buyer("somebody else")
    with market.factory() as session:
        with pytest.raises(NotFound, match="no standing order"):
            service.get(session, stranger, order.id)
        body = NewStandingOrder.model_validate({"valuation_id": f"val_{order.repeats.hex}", "monthly_cap": "5000"})
        with pytest.raises(NotFound, match="no valuation"):
            service.create(session, stranger, body)
    new_version(market, 0, 51)
    move(market, order.id, StandingStatus.CANCELLED)
    assert once(market) == 0
    assert move(market, order.id, StandingStatus.CANCELLED).status is StandingStatus.CANCELLED
    with pytest.raises(Conflict, match="was cancelled, which is final"):
        move(market, order.id, StandingStatus.ACTIVE)


def test_reading_that_is_put_off_is_done_without_a_transaction_and_asked_again(market: Market) -> None:
    asked: list[Any] = []

    def ask(_session: Any, refusal: Any) -> str:
        asked.append(refusal)
        if len(asked) == 1:
            raise Deferred(lambda: "read", lambda _session, made: Conflict(made))
        return "done"

    assert readings.with_readings(market.factory, ask) == "done"
    assert [None if each is None else each.detail for each in asked] == [None, "read"]
