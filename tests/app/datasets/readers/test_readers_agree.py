"""The same table in every format, dialect, quoting, line end, encoding and packing is the same rows."""

import bz2
import csv
import gzip
import io
import json
import lzma
import unicodedata
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from app.datasets.readers import read_table
from app.datasets.rows.encoding import encode, fit_encoding
from contract.rows.files import Reading

Rows = list[dict[str, Any]]

# what every format holds exactly: no NUL, no character that XML has not, no line end that a spreadsheet changes
LETTERS = st.characters(
    codec="utf-8", exclude_characters="\0\r\ufeff\ufffe\uffff_", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn"]
)
WORDS = st.text(LETTERS, min_size=1, max_size=12).map(lambda text: f"w{text.strip()}")
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 4) + 0.0)
COLUMNS = {
    "number": NUMBERS.filter(lambda number: number != int(number)),
    "whole": st.integers(-(10**9), 10**9),
    "word": WORDS,
    "tricky": st.sampled_from(["a,b", "a;b", 'say "so"', "it's", "a|b", "a\tb", "two\nlines", "x" * 300]),
    "truth": st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4))
    count = draw(st.integers(2, 8))
    columns = {
        f"c{at} {kind}": draw(st.lists(COLUMNS[kind], min_size=count, max_size=count)) for at, kind in enumerate(kinds)
    }
    labels = ["yes", "no", *draw(st.lists(st.sampled_from(["yes", "no"]), min_size=count - 2, max_size=count - 2))]
    return [{name: column[at] for name, column in columns.items()} | {"label": labels[at]} for at in range(count)]


@st.composite
def delimited(draw: st.DrawFn, rows: Rows) -> tuple[bytes, Reading]:
    """The rows as some CSV, and what must be declared of it."""
    delimiter = draw(st.sampled_from(",;\t|"))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    comma = delimiter != "," and draw(st.booleans())
    mark = (draw(st.booleans()) and "sep=" + delimiter + end) or ""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    names = list(rows[0])
    header = draw(st.booleans())
    if header:
        writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value, comma) for value in row.values()])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]))
    content = (mark + text.getvalue()).encode(encoding)
    declared = {"delimiter": delimiter, "columns": None if header else tuple(names)}
    return content, Reading(encoding=encoding if encoding == "gb18030" else None, **declared)


def _cell(value: Any, comma: bool) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = f"{value:.4f}"
        return text.replace(".", ",") if comma else text
    return value


def jsonl(rows: Rows) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def npz(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    np.savez(buffer, **columns)
    return buffer.getvalue()


def xlsx(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def same(table: pa.Table, rows: Rows) -> None:
    found = table.to_pylist()
    assert [{name: _plain(value) for name, value in row.items()} for row in found] == [
        {name: _plain(value) for name, value in row.items()} for row in rows
    ]


def _plain(value: Any) -> Any:
    """1.0 and 1 are the same cell in a column of numbers, and so are two spellings of one character."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def digest(table: pa.Table) -> str:
    encoding = fit_encoding(table, [table], "label", scale="standard")
    return encode(table, encoding).digest


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_format_reads_to_the_same_rows_and_digests(data: st.DataObject) -> None:
    rows = data.draw(tables())
    first = read_table(jsonl(rows))
    same(first, rows)
    expected = digest(first)
    others = [json.dumps(rows, indent=1).encode(), parquet(rows), npz(rows)]
    if not any(ILLEGAL_CHARACTERS_RE.search(cell) for row in rows for cell in row.values() if isinstance(cell, str)):
        others.append(xlsx(rows))
    for content in others:
        table = read_table(content)
        same(table, rows)
        assert digest(table) == expected
    content, reading = data.draw(delimited(rows))
    for packed in (content, data.draw(st.sampled_from([gzip.compress, bz2.compress, lzma.compress]))(content)):
        table = read_table(packed, reading=reading)
        same(table, rows)
        assert digest(table) == expected
