"""A sale of rows: paid once, divided by provider and platform, refused without the money, and on both documents."""

import uuid
from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.errors import Conflict
from app.payouts import months, proof, sales, service
from app.payouts.sales import Sale

SPAN = (date(2000, 1, 1), date(2100, 1, 1))


@pytest.fixture
def sale(session: Session, buyer: Any, provider: Any) -> Sale:
    service.deposit(session, buyer.account.id, 300_00, "EUR", "bank")
    return Sale(uuid.uuid4(), buyer.account.id, provider.account.id, "ds_a", 200_00, 5_00, "EUR")


def test_a_sale_is_paid_once_and_both_sides_documents_have_it(session: Session, sale: Sale) -> None:
    for _ in range(2):
        sales.sell(session, sale)
    assert [each.available for each in service.balances(session, sale.buyer_id)] == [100_00]
    assert [each.available for each in service.balances(session, sale.provider_id)] == [195_00]
    bought = months.jobs(session, sale.buyer_id, *SPAN, "EUR", provider=False)
    earned = months.jobs(session, sale.provider_id, *SPAN, "EUR", provider=True)
    assert [(each.job_id, each.amount, each.rows_of) for each in bought] == [(sale.job_id, 200_00, "ds_a")]
    assert [(each.job_id, each.amount, each.rows_of) for each in earned] == [(sale.job_id, 195_00, "ds_a")]
    assert all(total.billed for total in months.totals(session, sale.provider_id))
    assert proof.prove(session).ok


def test_two_datasets_of_one_job_are_two_sales_and_the_second_needs_its_money(session: Session, sale: Sale) -> None:
    sales.sell(session, sale)
    other = Sale(sale.job_id, sale.buyer_id, sale.provider_id, "ds_b", 100_01, 0, "EUR")
    with pytest.raises(Conflict, match=r"cost 100\.01 EUR and 100\.00 EUR is available"):
        sales.sell(session, other)
    sales.sell(session, Sale(sale.job_id, sale.buyer_id, sale.provider_id, "ds_b", 100_00, 0, "EUR"))
    bought = months.jobs(session, sale.buyer_id, *SPAN, "EUR", provider=False)
    assert sorted((each.rows_of or "", each.amount) for each in bought) == [("ds_a", 200_00), ("ds_b", 100_00)]
