"""A result as a table: the same numbers bit for bit in CSV and Parquet, and no cell that a spreadsheet would run."""

import csv
import io

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.valuations.results.exports import COLUMNS, to_csv, to_parquet
from tests.app.valuations.results.samples import player, values


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1))
def test_numbers_read_back_bit_for_bit(value: float, share: float) -> None:
    found = values(players=[player(value=value, share=share)])
    [row] = rows_of(to_csv(found))
    assert (float(row["value"]), float(row["share"])) == (value, share)
    table = pq.read_table(io.BytesIO(to_parquet(found)))
    assert (table["value"].to_pylist(), table["share"].to_pylist()) == ([value], [share])


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", " =1", "\t1", "plain", 'a, "b"\nc'])
def test_a_name_is_a_text_and_never_a_formula(name: str) -> None:
    [row] = rows_of(to_csv(values(players=[player(provider=name)])))
    assert row["provider"].removeprefix("'") == name
    assert not row["provider"].lstrip(" ").startswith(("=", "+", "-", "@", "\t"))
    [kept] = pq.read_table(io.BytesIO(to_parquet(values(players=[player(provider=name)]))))["provider"].to_pylist()
    assert kept == name, "Parquet is typed, so nothing is put before it"


def test_every_player_is_a_row_in_the_jobs_order_with_the_same_columns_in_both_formats() -> None:
    found = values(players=[player(position=at, amount=f"{at}.00") for at in range(3)])
    text, table = rows_of(to_csv(found)), pq.read_table(io.BytesIO(to_parquet(found)))
    assert [row["position"] for row in text] == ["0", "1", "2"]
    assert [row["amount"] for row in text] == table["amount"].to_pylist() == ["0.00", "1.00", "2.00"]
    assert tuple(text[0]) == tuple(table.column_names) == COLUMNS
    assert text[0]["provider_id"].startswith("acc_")
    assert text[0]["datasets"].startswith("ds_")


def test_what_is_not_known_is_an_empty_cell() -> None:
    unknown = player(share=None, share_ci=None, share_band=None, value_ci=None, seat=None)
    [row] = rows_of(to_csv(values(players=[unknown])))
    assert {row[name] for name in ("share", "share_low", "share_high", "value_low", "seat")} == {""}
    table = pq.read_table(io.BytesIO(to_parquet(values(players=[unknown]))))
    assert table["share_low"].to_pylist() == [None]


def test_a_parquet_file_names_its_job_and_its_digests() -> None:
    found = values(digests={"result": "cd" * 32})
    metadata = pq.read_table(io.BytesIO(to_parquet(found))).schema.metadata
    assert metadata[b"valuation"].decode() == f"val_{found.valuation_id.hex}"
    assert metadata[b"result"].decode() == "cd" * 32
