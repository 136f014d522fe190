"""Documents: their numbers, the arithmetic of VAT, and that every name can be read on paper."""

import uuid
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing import documents
from app.billing.documents import BilledJob, BillingDocument, Party

OWNER = uuid.UUID("019ab5f0-c1d2-7e3f-8a4b-5c6d7e8f9a0b")
NOTE = BillingDocument(
    owner_id=OWNER,
    credit=True,
    month=date(2026, 11, 1),
    currency="EUR",
    issued=date(2026, 12, 1),
    market=Party("Market AG", "Bahnhofstrasse 1\n8001 Zürich", "CHE123"),
    organisation=Party("市立病院 مستشفى المدينة", "Hauptstrasse 1\n10115 Berlin", "DE123456789"),
    vat_percent=Decimal("19.00"),
    vat_note=None,
    lines=(BilledJob("val_1", date(2026, 11, 3), 119_00), BilledJob("val_2", date(2026, 11, 9), 1)),
    number="CN-4B5C6D7E8F9A-2026-000007",
)


def test_a_number_names_its_series_its_year_and_its_place_there() -> None:
    assert documents.number_of(None, 2026, 1) == "IN-2026-000001"
    assert documents.number_of(OWNER, 2027, 12) == "CN-5C6D7E8F9A0B-2027-000012".replace(
        "5C6D7E8F9A0B", OWNER.hex[-12:].upper()
    )
    assert documents.number_of(uuid.UUID(int=1), 2027, 12) != documents.number_of(OWNER, 2027, 12)


@given(st.lists(st.integers(-(10**6), 10**9), max_size=5), st.decimals(0, 40, places=2))
def test_net_and_tax_add_up_to_what_was_booked(amounts: list[int], percent: Decimal) -> None:
    lines = tuple(BilledJob("a job", date(2026, 11, 1), amount) for amount in amounts)
    made = replace(NOTE, lines=lines, vat_percent=percent)
    assert made.net + made.vat == made.gross == sum(amounts)
    assert abs(made.net * (100 + percent) - 100 * made.gross) <= (100 + percent) / 2


def test_the_tax_is_contained_and_rounded_once() -> None:
    assert (NOTE.gross, NOTE.net, NOTE.vat) == (119_01, 100_01, 19_00)
    assert (replace(NOTE, vat_percent=Decimal(0)).net, replace(NOTE, vat_percent=Decimal(0)).vat) == (119_01, 0)


def test_every_name_is_on_paper_and_the_same_document_is_the_same_bytes() -> None:
    from pypdf import PdfReader

    made = documents.to_pdf(NOTE)
    assert made == documents.to_pdf(NOTE)
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(made)).pages)
    for words in ("市立病院", "Market AG", "119.01 EUR", "100.01 EUR", "VAT 19.00 %", "DE123456789", "2026-12-01"):
        assert words in text


def test_names_are_text_on_the_page() -> None:
    page = documents.to_html(replace(NOTE, organisation=Party("<script>", "x", None)))
    assert "<script>" not in page
    assert "self-billing" in page
    assert "self-billing" not in documents.to_html(replace(NOTE, credit=False))


@pytest.mark.parametrize(
    ("text", "first"), [("2026-11", date(2026, 11, 1)), ("2026-13", None), ("26-1", None), ("", None)]
)
def test_a_month_is_written_one_way(text: str, first: date | None) -> None:
    assert documents.month_of(text) == first


def test_after_december_comes_january() -> None:
    assert documents.after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert documents.after(date(2026, 1, 1)) == date(2026, 2, 1)
