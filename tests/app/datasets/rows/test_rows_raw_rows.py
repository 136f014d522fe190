"""Rows as they were read: equal whatever the format, different where a value is, never scaled by the asker's file."""

import io
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.readers import read_table
from app.datasets.rows.corpora import bytes_located, read_blocks
from app.datasets.rows.raw_rows import RawRows, distance_rows, fit_scale, join_raw, keys_of, row_keys
from tests.app.datasets.rows.corpora_files import LIMITS, written


def csv(text: str) -> pa.Table:
    return read_table(text.encode(), "csv", name="file")


def keys(table: pa.Table, target: str = "label") -> list[bytes]:
    return [key.tobytes() for key in keys_of(table, target)]


TEXT = "age,city,income,label\n61,Oslo,0.1,1\n34,Åre,-0.0,2\n"


def test_the_same_rows_have_the_same_keys_in_every_format_and_order_of_columns() -> None:
    buffer = io.BytesIO()
    columns = {"label": ["1", "2"], "income": np.array([0.1, 0.0], dtype=np.float32), "city": ["Oslo ", "Åre"]}
    pq.write_table(pa.table({**columns, "age": [61.0, 34.0]}), buffer)
    assert keys(read_table(buffer.getvalue(), name="file")) == keys(csv(TEXT))


def test_texts_are_compared_as_their_composed_form() -> None:
    apart = unicodedata.normalize("NFD", TEXT)
    assert apart != TEXT
    assert keys(csv(apart)) == keys(csv(TEXT))


@pytest.mark.parametrize(
    ("before", "after"),
    [("61", "62"), ("Oslo", "Moss"), ("0.1", "0.1001"), ("0.1", "1e150"), (",1\n", ",3\n"), ("income", "wage")],
)
def test_a_row_with_another_value_or_column_is_another_row(before: str, after: str) -> None:
    assert keys(csv(TEXT.replace(before, after)))[0] != keys(csv(TEXT))[0]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=6, unique=True))
def test_whole_numbers_are_told_apart_to_the_last_digit(numbers: list[int]) -> None:
    table = read_table(_parquet(n=pa.array(numbers, pa.int64()), label=pa.array(["x"] * len(numbers))), name="file")
    assert len(set(keys(table))) == len(numbers)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_out_of_a_32_bit_floats_range_are_told_apart_too(one: float, other: float) -> None:
    table = read_table(_parquet(n=pa.array([one, other]), label=pa.array(["x", "x"])), name="file")
    first, second = keys(table)
    with np.errstate(over="ignore", under="ignore"):
        if np.float32(one) != np.float32(other):
            assert first != second
        elif one == other:
            assert first == second


def _parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_the_digest_of_rows_is_that_of_their_content_in_any_order_and_class_numbering() -> None:
    table = csv(TEXT)
    rows = RawRows(keys_of(table, "label"), np.zeros((2, 0), dtype=np.float32), np.array([0, 1]))
    turned = RawRows(rows.keys[::-1], rows.X, np.array([7, 5]))
    assert rows.digest == turned.digest
    assert join_raw([rows, rows]).digest != rows.digest
    assert len(row_keys(rows.keys, rows.y)) == 2


def test_distances_are_scaled_by_the_providers_files_and_by_no_single_one() -> None:
    rng = np.random.default_rng(1)

    def table(spread: float) -> pa.Table:
        lines = [f"{value:.6f},{'ab'[at % 2]},x" for at, value in enumerate(rng.normal(scale=spread, size=200))]
        return csv("\n".join(["n,city,label", *lines]))

    honest, hostile = [table(3.0), table(3.0)], table(1e60)
    assert fit_scale(honest, "label").spreads["n"] == pytest.approx(3.0, rel=0.2)
    assert fit_scale([*honest, hostile], "label").spreads["n"] == pytest.approx(3.0, rel=0.2)
    rows = distance_rows(honest[0], "label", fit_scale(honest, "label"))
    assert rows.dtype == np.float32
    assert rows[:, -1].std() == pytest.approx(1.0, rel=0.2)
    assert np.isfinite(distance_rows(hostile, "label", fit_scale(honest, "label"))).all()


def test_categories_are_about_as_far_apart_as_any_others() -> None:
    table = csv("city,label\n" + "".join(f"c{number},x\n" for number in range(40)))
    rows = distance_rows(table, "label", fit_scale([table], "label"))
    squares = np.square(rows[:, None] - rows[None]).sum(axis=2)[~np.eye(40, dtype=bool)]
    assert squares.min() > 0.3
    assert squares.mean() == pytest.approx(2.0, abs=0.2)


def test_blocks_are_told_by_their_text_and_not_by_an_askers_tokens(tmp_path: Any) -> None:
    def one_token(text: str) -> list[int]:
        return [0] * len(text)

    def places(text: str) -> list[int]:
        return list(range(len(text)))

    def raw(text: str, **how: Any) -> tuple[bytes, ...]:
        path = written(tmp_path, text)
        return read_blocks(path, "text", None, 8, how.get("encode"), LIMITS, "file", located=how["located"]).raw

    one, other = "the tide comes in twice a day", "the tide goes out twice a day"
    blind = [raw(text, encode=one_token, located=places) for text in (one, other)]
    assert blind[0][0] == blind[1][0]
    assert blind[0][1:] != blind[1][1:], "equal tokens, other texts"
    assert raw(one, located=bytes_located)[0] == raw(other, located=bytes_located)[0]
    assert len(raw("åäö" * 9, located=bytes_located)) == -(-(9 * 6 - 1) // 8)
