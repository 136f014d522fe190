"""Dates and times are numbers, the same ones in every format; what may be read in two ways is not."""

import datetime as dt
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.readers import read_table
from app.datasets.readers.findings import findings_of
from app.errors import InvalidData


def parquet(table: pa.Table, **how: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


def codes(table: pa.Table) -> list[str]:
    return [finding.code for finding in findings_of(table)]


DAY = dt.date(2026, 1, 31)
DAYS = (DAY - dt.date(1970, 1, 1)).days
MOMENT = dt.datetime(2026, 1, 31, 12, 30, 15, 250000, tzinfo=dt.UTC)


def test_the_same_moments_are_the_same_numbers_in_every_format() -> None:
    csv = read_table(
        b"day,at,time,label\n2026-01-31,2026-01-31T12:30:15.25Z,12:30:15,x\n2026-02-01,2026-02-01T00:00:00Z,00:00:01,y\n"
    )
    rows = [
        {"day": "2026-01-31", "at": "2026-01-31T13:30:15.25+01:00", "time": "12:30:15", "label": "x"},
        {"day": "2026-02-01", "at": "2026-02-01 00:00:00Z", "time": "00:00:01", "label": "y"},
    ]
    jsonl = read_table("\n".join(json.dumps(row) for row in rows).encode())
    typed = pa.table(
        {
            "day": [DAY, DAY + dt.timedelta(days=1)],
            "at": pa.array([MOMENT, dt.datetime(2026, 2, 1, tzinfo=dt.UTC)], pa.timestamp("ns", "UTC")),
            "time": pa.array([dt.time(12, 30, 15), dt.time(0, 0, 1)], pa.time64("us")),
            "label": ["x", "y"],
        }
    )
    for table in (csv, jsonl, read_table(parquet(typed))):
        assert table["day"].to_pylist() == [DAYS, DAYS + 1]
        assert table["at"].to_pylist() == [MOMENT.timestamp(), 1769904000.0]
        assert table["time"].to_pylist() == [45015.0, 1.0]
        assert codes(table) == ["dates_as_numbers"] * 3


def test_moments_without_a_zone_are_utc_and_that_is_said() -> None:
    typed = pa.table({"at": pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ms")), "y": [1]})
    for content in (
        b"at,y\n2026-01-31 12:30:15.250,1\n",
        b'{"at": "2026-01-31T12:30:15.250", "y": 1}\n',
        parquet(typed),
    ):
        table = read_table(content)
        assert table["at"].to_pylist() == [MOMENT.timestamp()]
        assert codes(table) == ["dates_as_numbers", "timestamp_without_zone"]


def test_durations_are_seconds_and_old_and_late_moments_are_exact() -> None:
    table = read_table(
        parquet(
            pa.table(
                {
                    "lasts": pa.array([1500, -250], pa.duration("ms")),
                    "at": pa.array([-1, 2_000_000_000_000_000_001], pa.timestamp("ns", "UTC")),
                    "d64": pa.array([DAY, None], pa.date64()),
                    "y": [1, 2],
                }
            )
        )
    )
    assert table["lasts"].to_pylist() == [1.5, -0.25]
    assert table["at"].to_pylist() == [-1e-9, 2_000_000_000.0]
    assert table["d64"].to_pylist() == [DAYS, None]


@pytest.mark.parametrize(
    "cells", [["31.01.2026", "1.2.2026"], ["2026/01/31", "2026/2/1"], ["31/01/2026", "01/02/2026"]]
)
def test_dates_that_can_be_read_in_one_way_are_read(cells: list[str]) -> None:
    table = read_table("\n".join(json.dumps({"day": cell, "y": 1}) for cell in cells).encode())
    assert table["day"].to_pylist() == [DAYS, DAYS + 1]
    missing = read_table("\n".join(json.dumps({"day": cell, "y": 1}) for cell in [*cells, "?", ""]).encode())
    assert missing["day"].to_pylist() == [DAYS, DAYS + 1, None, None]


@pytest.mark.parametrize(
    "cells",
    [
        ["1/31/2026 12:30 PM", "2/1/2026 12:05:30 AM"],
        ["31.01.2026 12:30", "1.2.2026, 0:05:30"],
        ["31 Jan 2026 12:30", "1 Feb 2026 00:05:30"],
        ["Jan 31, 2026 12:30 p.m.", "Feb 1, 2026 12:05:30 a.m."],
        ["2026/1/31 12:30", "2026/2/1T0:05:30"],
    ],
)
def test_dates_with_times_are_moments_in_the_ways_people_write_them(cells: list[str]) -> None:
    table = read_table("\n".join(json.dumps({"at": cell, "y": 1}) for cell in cells).encode())
    assert table["at"].to_pylist() == [DAYS * 86400 + 45000.0, (DAYS + 1) * 86400 + 330.0]
    assert codes(table) == ["dates_as_numbers", "timestamp_without_zone"]


def test_times_of_half_days_are_times_and_a_day_that_may_be_a_month_is_none() -> None:
    table = read_table(b"at,y\n9:05 AM,1\n12:00 pm,2\n")
    assert table["at"].to_pylist() == [32700.0, 43200.0]
    twofold = read_table(b"at,y\n01/02/2026 10:00,1\n03/04/2026 11:00,2\n")
    assert (twofold["at"].to_pylist()[0], codes(twofold)[0]) == ("01/02/2026 10:00", "ambiguous_dates")


@pytest.mark.parametrize("cells", [["01/31/2026", "02/01/2026"]])
def test_the_month_comes_first_where_no_other_reading_fits(cells: list[str]) -> None:
    table = read_table("\n".join(json.dumps({"day": cell, "y": 1}) for cell in cells).encode())
    assert table["day"].to_pylist() == [DAYS, DAYS + 1]


def test_dates_that_can_be_read_in_two_ways_stay_texts_and_that_is_said() -> None:
    table = read_table(b"day,y\n01/02/2026,1\n03/04/2026,2\n")
    assert table["day"].to_pylist() == ["01/02/2026", "03/04/2026"]
    assert "ambiguous_dates" in codes(table)


@pytest.mark.parametrize(
    "cells", [["2026-02-31", "2026-01-01"], ["10:75", "10:00"], ["2026-01-01", "soon"], ["1-2", "3-4"]]
)
def test_what_is_no_date_stays_text(cells: list[str]) -> None:
    table = read_table("\n".join(json.dumps({"day": cell, "y": 1}) for cell in cells).encode())
    assert table["day"].to_pylist() == cells


def test_documents_that_are_dates_stay_documents() -> None:
    assert read_table(b'{"text": "2026-01-31"}\n')["text"].to_pylist() == ["2026-01-31"]


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_of_every_parquet_encoding_are_read(encoding: str) -> None:
    words = ["Köln", "Łódź", "", "Paris"] * 50
    table = pa.table({"x": [1.5, 2.5] * 100, "note": words, "y": [0, 1] * 100})
    content = parquet(table, use_dictionary=False, column_encoding={"note": encoding})
    # an empty text is a missing one
    assert read_table(content)["note"].to_pylist() == [word or None for word in words]


@pytest.mark.parametrize("encoding", ["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"])
def test_numbers_of_every_parquet_encoding_are_read(encoding: str) -> None:
    table = pa.table({"n": list(range(200)), "y": [0, 1] * 100})
    content = parquet(table, use_dictionary=False, column_encoding={"n": encoding})
    assert read_table(content)["n"].to_pylist() == list(range(200))


def test_parquet_types_become_the_few_that_there_are() -> None:
    from decimal import Decimal

    content = parquet(
        pa.table(
            {
                "large": pa.array(["a", "b"], pa.large_string()),
                "coded": pa.array(["a", "b"]).dictionary_encode(),
                "coded_day": pa.array([DAY, DAY]).dictionary_encode(),
                "money": pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)),
                "id": pa.array([Decimal(2**60 + 1), Decimal(1)], pa.decimal128(38, 0)),
                "u64": pa.array([2**64 - 1, 0], pa.uint64()),
                "half": pa.array([1.5, 2.5], pa.float16()),
                "ok": [True, None],
                "y": pa.array([0, 1], pa.int8()),
            }
        )
    )
    assert read_table(content).to_pylist() == [
        {"large": "a", "coded": "a", "coded_day": DAYS, "money": 1.25, "id": str(2**60 + 1), "u64": str(2**64 - 1),
         "half": 1.5, "ok": True, "y": 0},
        {"large": "b", "coded": "b", "coded_day": DAYS, "money": None, "id": "1", "u64": "0", "half": 2.5, "ok": None,
         "y": 1},
    ]  # fmt: skip


def test_a_text_with_a_nul_is_refused_in_every_format() -> None:
    with pytest.raises(InvalidData, match="column `a` holds a text with a NUL"):
        read_table(b'{"a": "x\\u0000", "y": 1}\n')
    with pytest.raises(InvalidData, match="column `a` holds a text with a NUL"):
        read_table(parquet(pa.table({"a": ["x\0"], "y": [1]})))
    with pytest.raises(InvalidData, match="holds a NUL; rename it"):
        read_table(b'{"a\\u0000": "x", "y": 1}\n')


def test_a_parquet_text_that_is_no_utf8_is_refused() -> None:
    content = parquet(pa.table({"a": ["abcdefgh", "z"], "y": [1, 2]}), use_dictionary=False, compression="none")
    with pytest.raises(InvalidData, match="not a whole Parquet file"):
        read_table(content.replace(b"abcdefgh", b"abc\xff\xfefgh"))


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["31-01-2026", "01-02-2026"], 20484),
        (["Jan 31, 2026", "Feb 1, 2026"], 20484),
        (["31 January 2026", "1 Sept. 2026"], 20484),
        (["31-Jan-2026", "01-FEB-2026"], 20484),
    ],
)
def test_dates_with_dashes_or_named_months_are_days(cells: list[str], first: int) -> None:
    table = read_table("\n".join(["x", *(f'"{cell}"' for cell in cells)]).encode())
    assert table["x"].to_pylist()[0] == first
    assert [each.code for each in findings_of(table)] == ["dates_as_numbers"]


@pytest.mark.parametrize(
    "cells",
    [
        ["2026-01", "2026-02"],
        ["12:30 PM", "13:15 AM"],
        ["2026年1月31日", "2026年2月1日"],
        ["31. Januar 2026", "1. März 2026"],
        ["1/31/26", "2/1/26"],
        ["2026-01-31", "2026-02-01", "soon"],
        ["2026-01-31", "2026-02-31"],
    ],
)
def test_dates_that_are_not_read_as_such_are_said_and_no_cell_is(cells: list[str]) -> None:
    table = read_table("\n".join(["x", *(f'"{cell}"' for cell in cells)]).encode())
    assert table["x"].to_pylist() == cells
    (said,) = findings_of(table)
    assert said.code == "dates_as_text"
    assert not any(cell in said.detail for cell in cells)
