"""What HTTP sees of standing orders."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.http.ids import DatasetId, StandingOrderId, ValuationId
from app.http.schemas import Answer, Body, example
from app.valuations.example_ids import VALUATION
from app.valuations.states import StandingStatus

_SAID: dict[str, Any] = {"valuation_id": VALUATION, "monthly_cap": "3000.00", "name": "Wards, every version"}


class NewStandingOrder(Body):
    """Repeat a job of yours whenever a dataset of it has a new version, on the same terms."""

    model_config = example(**_SAID)

    valuation_id: Annotated[ValuationId, Field(description="The job to repeat; its order is kept as it was.")]
    monthly_cap: Annotated[
        str, Field(max_length=40, description="The most that pools come to in a month (UTC), in the job's currency.")
    ]
    name: Annotated[str, Field(min_length=1, max_length=200)] = "standing order"


class StandingOrderAnswer(Answer):
    """A standing order. ``problem`` says why the last repeat was not posted, and ``next_try_at`` when it is again."""

    model_config = example(
        id="so_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", name="Wards, every version", status="active", repeats=VALUATION,
        datasets=["ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"], pool="1000.00", monthly_cap="3000.00", currency="EUR",
        spent_this_month="1000.00", jobs=["val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f"], problem=None, next_try_at=None,
        created_at="2026-11-23T12:00:00Z",
    )  # fmt: skip

    id: StandingOrderId
    name: str
    status: StandingStatus
    repeats: ValuationId
    datasets: list[DatasetId]
    pool: str
    monthly_cap: str
    currency: str
    spent_this_month: str = Field(description="Pools of its jobs of this month that did not end without a result.")
    jobs: list[ValuationId] = Field(description="Jobs that it posted, the newest first, 100 at most.")
    problem: str | None
    next_try_at: datetime | None
    created_at: datetime
