"""Prices of uses: the least with the model, what rows cost and when they come with the job, and the sentences of it."""

import uuid

import pytest

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.valuations.orders import asking
from app.valuations.schemas import NewValuation
from contract.orders.asking import Asking, RowsOffer
from contract.orders.grants import Grant

ID = uuid.UUID(int=7)


def dataset(
    reserve: int | None = None, grants: tuple[Grant, ...] = (Grant.VALUE, Grant.DATA), **asked: object
) -> Dataset:
    return Dataset(
        id=ID,
        licence=Licence("CC0-1.0", grants=grants).to_json(),
        reserve_minor=reserve,
        reserve_currency=None if reserve is None else "EUR",
        asking=Asking.model_validate({"currency": "EUR"} | asked).plain() if asked else None,
    )


def order(*deliver: str, currency: str = "EUR") -> NewValuation:
    ids = {"datasets": [f"ds_{ID.hex}"], "test_dataset": f"ds_{ID.hex}"}
    return NewValuation.model_validate(ids | {"pool": "10", "currency": currency, "deliver": list(deliver)})


@pytest.mark.parametrize(
    ("reserve", "model", "deliver", "least"),
    [(None, None, (), 0), (500, None, (Grant.MODEL,), 500), (500, 900, (), 500), (500, 900, (Grant.MODEL,), 900),
     (900, 500, (Grant.MODEL,), 900), (None, 900, (Grant.DATA,), 0)],
)  # fmt: skip
def test_the_least_of_a_job_is_the_reserve_and_with_the_model_the_model_s(
    reserve: int | None, model: int | None, deliver: tuple[Grant, ...], least: int
) -> None:
    asked = {} if model is None else {"model": model}
    assert asking.least_of(dataset(reserve, **asked), deliver) == least


def test_a_job_in_another_currency_is_refused_only_where_the_price_counts_in_it() -> None:
    priced = dataset(model=900)
    assert asking.currency_fault(priced, order("model", currency="NOK")) is not None
    assert asking.currency_fault(priced, order("data", currency="NOK")) is None
    assert asking.currency_fault(dataset(reserve=5), order(currency="NOK")) is not None
    assert asking.currency_fault(priced, order("model")) is None


def test_rows_are_offered_where_the_licence_grants_them_and_something_is_asked() -> None:
    sold = RowsOffer(dataset=ID.hex, currency="EUR", price=200_00)
    assert asking.rows_offers([dataset(data=200_00), dataset(), dataset(model=5)]) == (sold,)
    assert asking.rows_offers([dataset(grants=(Grant.VALUE,), data=200_00)]) == ()


def test_who_orders_rows_is_told_what_they_cost() -> None:
    offers = asking.rows_offers([dataset(data=200_00, data_share=0.25), dataset(data_share=0.25)])
    notes = asking.price_notes(order("data"), [("Hill Clinic", offers)])
    bought = f"the rows of ds_{ID.hex} cost 200.00 EUR beside the pool, bought after settlement"
    least = "pays it at least 25 % of what the job divides"
    assert notes == [
        f"Hill Clinic: {bought}, unless the job {least}.",
        f"Hill Clinic: the rows of ds_{ID.hex} come with a job that {least}, and not otherwise.",
    ]
    assert asking.price_notes(order("model"), [("Hill Clinic", offers)]) == []
    assert len(asking.price_notes(order("data"), [("Hill Clinic", offers * 20)])) == 21


@pytest.mark.parametrize(("paid", "comes"), [(0.2499, False), (0.25, True), (None, False)])
def test_rows_come_with_a_job_from_their_share_on(paid: float | None, comes: bool) -> None:
    assert RowsOffer(dataset=ID.hex, currency="EUR", share=0.25).included(paid) is comes
    assert not RowsOffer(dataset=ID.hex, currency="EUR", price=1).included(1.0)
