"""A statement is a CSV that every spreadsheet reads as data: amounts as numbers, and no cell as a formula."""

import csv
import io
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.payouts.repository import Entry
from app.payouts.statements import COLUMNS, safe_cell, to_csv
from app.payouts.tables import AccountKind, TransferState

JOB, TRANSFER = uuid.uuid4(), uuid.uuid4()


def entry(**changes: Any) -> Entry:
    whole: dict[str, Any] = {
        "position": 1,
        "transfer_id": TRANSFER,
        "account_id": uuid.uuid4(),
        "account": AccountKind.PROVIDER_PAYABLE,
        "currency": "EUR",
        "amount": -1_050,
        "code": "payout",
        "state": TransferState.POSTED,
        "job_id": JOB,
        "reference": "order 7",
        "created_at": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
    }
    return Entry(**whole | changes)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_says_when_where_what_and_how_much() -> None:
    assert read(to_csv([entry()])) == [
        {
            "created_at": "2026-11-23T12:00:00+00:00",
            "transfer": f"tr_{TRANSFER.hex}",
            "account": "provider_payable",
            "code": "payout",
            "state": "posted",
            # a number of ours keeps its minus sign
            "amount": "-10.50",
            "currency": "EUR",
            "valuation_id": f"val_{JOB.hex}",
            "reference": "order 7",
        }
    ]


def test_amounts_have_the_decimals_of_their_currency() -> None:
    rows = read(to_csv([entry(currency="JPY", amount=1050), entry(currency="KWD", amount=1050)]))
    assert [row["amount"] for row in rows] == ["1050", "1.050"]


def test_what_an_entry_does_not_have_is_an_empty_cell_and_no_entry_is_a_header_alone() -> None:
    (row,) = read(to_csv([entry(job_id=None, reference=None)]))
    assert (row["valuation_id"], row["reference"]) == ("", "")
    assert to_csv([]) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1+1"])
def test_a_text_that_a_spreadsheet_would_compute_is_kept_a_text(text: str) -> None:
    assert safe_cell(text) == "'" + text
    (row,) = read(to_csv([entry(reference=text)]))
    assert row["reference"] == "'" + text


@given(st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_no_text_begins_as_a_formula_and_none_loses_a_character(text: str) -> None:
    cell = safe_cell(text)
    assert cell.removeprefix("'") == text.removeprefix("'") or cell == "'" + text
    assert cell.lstrip(" ")[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n") or not cell
