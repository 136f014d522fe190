"""What is noticed of a file's rows: copies among them, and columns of one value."""

import io
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.readers import read_table
from app.datasets.rows.noticed import RowHashes, noticed, of_labelled
from contract.rows.findings import Severity


def said(table: pa.Table) -> list[tuple[str, str, int | None]]:
    return [(each.code, each.severity.value, each.rows) for each in noticed(table, "y")]


def of(rows: list[dict[str, object]]) -> pa.Table:
    return read_table(json.dumps(rows).encode())


DISTINCT = [{"x": at / 7, "s": f"a{at % 3}", "y": at % 2} for at in range(20)]


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        (DISTINCT, []),
        ([*DISTINCT, DISTINCT[0]], [("duplicate_rows", "note", 1)]),
        ([*DISTINCT, *DISTINCT, *DISTINCT], [("duplicate_rows", "warn", 40)]),
        ([*DISTINCT[:4], *[DISTINCT[5]] * 9], [("equal_rows", "warn", 9), ("duplicate_rows", "warn", 8)]),
        # in a few rows nothing is said of most of them
        ([*DISTINCT[:2], *[DISTINCT[5]] * 3], [("duplicate_rows", "note", 2)]),
    ],
)
def test_rows_that_repeat_are_counted(rows: list[dict[str, object]], codes: list[tuple[str, str, int]]) -> None:
    assert said(of(rows)) == codes


def test_a_label_a_missing_cell_and_a_sign_make_another_row() -> None:
    rows = [{"x": 1.0, "y": 0}, {"x": 1.0, "y": 1}, {"x": None, "y": 0}, {"x": -1.0, "y": 0}, {"x": 0.0, "y": 0}]
    assert said(of(rows)) == []


def test_rows_are_the_same_whatever_columns_are_looked_at_together() -> None:
    table = of([*DISTINCT, *DISTINCT[:3]])
    apart, together = RowHashes(), RowHashes()
    together.add(table)
    for name in table.column_names:
        apart.add(table.select([name]))
    assert apart.findings() == together.findings()
    assert apart.findings()[0].rows == 3


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**31), st.booleans())
def test_rows_that_repeat_are_counted_as_one_by_one(
    rows: int, columns: int, values: int, seed: int, one_by_one: bool
) -> None:
    """A row that no other is like in the first columns is not looked at again: that must not change a count."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, values, (rows, columns))
    table = pa.table({f"x{at}": cells[:, at] for at in range(columns)})
    hashes = RowHashes()
    for part in [table.select([name]) for name in table.column_names] if one_by_one else [table]:
        hashes.add(part)
    counts = Counter(map(tuple, cells.tolist()))
    extra, most = rows - len(counts), max(counts.values())
    told = {each.code: each.rows for each in hashes.findings()}
    assert told.get("duplicate_rows", 0) == extra
    assert told.get("equal_rows", 0) == (most if rows >= 10 and 2 * most > rows else 0)


def test_numbers_that_differ_little_and_ten_thousand_whole_ones_are_no_copies() -> None:
    held = io.BytesIO()
    whole = np.arange(10_000)
    np.savez(held, a=whole % 100, b=whole // 100, c=1.0 + whole * 2.0**-20, y=whole % 2)
    assert said(read_table(held.getvalue())) == []


def test_texts_and_images_are_copies_where_their_prints_and_labels_are() -> None:
    prints = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]], dtype=np.float32)
    (copies,) = of_labelled(prints, ["a", "a", "b"])
    assert (copies.code, copies.rows, copies.severity) == ("duplicate_rows", 1, Severity.NOTE)
    assert of_labelled(prints[:0], []) == []


def test_a_column_of_one_value_is_said_unless_it_is_the_target_or_has_gaps() -> None:
    rows = [{"x": at, "one": 1, "gap": None if at else 1, "y": "a"} for at in range(3)]
    (constant,) = noticed(of(rows), "y")
    assert (constant.code, constant.column) == ("constant_column", "one")


def test_columns_that_seem_to_name_rows_or_to_be_dates_are_said_and_kept() -> None:
    rows = 60
    columns: dict[str, object] = {
        "patient_id": [(at * 37) % 1009 for at in range(rows)],
        "shuffled": [(at * 7) % rows + 700 for at in range(rows)],
        "day": [20260110 + at % 9 for at in range(rows)],
        "no_day": [20260130 + at % 3 for at in range(rows)],
        "code": pa.array([f"k{at}" for at in range(rows)]).dictionary_encode(),
        "note": pa.array([f"a note {at}" for at in range(rows)]).dictionary_encode(),
        "grid": [at * at for at in range(rows)],
        "y": [at % 2 for at in range(rows)],
    }
    said = {(each.column, each.code) for each in noticed(pa.table(columns), "y")}
    assert said == {
        *((name, "identifier_column") for name in ("patient_id", "shuffled", "code")),
        ("day", "dates_as_digits"),
    }
    # ages of a few people may well be consecutive
    assert noticed(pa.table({"age": list(range(40, 52)), "y": [at % 2 for at in range(12)]}), "y") == []


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ([1, 2, 3, -999, -999], 2),
        ([0.5, 0.25, 9999.0, 0.75, 1.5], 1),
        ([-999, 1, 9999, 2, 3], 1),
        ([900, 950, 999, 1200, 1100], 0),
        ([-99, -50, 10, 40, 100], 0),
        ([999, 999, 999, 999, 999], 0),
    ],
)
def test_a_stand_in_far_from_all_others_is_said(values: list[float], rows: int) -> None:
    table = of([{"x": value, "s": f"{at}", "y": at % 2} for at, value in enumerate(values)])
    found = [each.rows for each in noticed(table, "y") if each.code == "stand_in_value"]
    assert found == ([rows] if rows else [])
