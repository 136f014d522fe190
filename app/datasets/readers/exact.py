"""Whole numbers that are names: with leading zeros, or beyond 2^53, where a 64-bit float no longer tells neighbours.

As numbers ``007`` would be 7, and two identifiers could become one. They stay texts, and that is said.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contract.rows.findings import Finding, Severity

LARGEST = 2**53
# the code of the finding that digits are kept as a text, whatever reader knew it
CODES = "codes_kept_as_text"
_ZEROS = r"^\s*[+-]?0\d+\s*$"
_FRACTION = r"^\s*[+-]?(\d+[.,]\d*([eE][+-]?\d+)?|[.,]\d+([eE][+-]?\d+)?|\d+[eE][+-]?\d+)\s*$"
_LONG = r"^\s*[+-]?\d{16,}\s*$"


def has_leading_zero(chunk: bytes, delimiter: str) -> bool:
    """Whether a field of a piece of delimited text may begin with a zero that a digit follows."""
    letters = np.frombuffer(chunk, dtype=np.uint8)
    if len(letters) < 3:
        return False
    # 48 to 57 are the digits; below them the difference wraps around
    hit = (letters[1:-1] == 48) & (letters[2:] - np.uint8(48) < 10)
    before = letters[:-2]
    starts = np.zeros(len(before), dtype=np.bool_)
    for sign in delimiter.encode()[-1:] + b"\n\r\"' ":
        starts |= before == sign
    return bool((hit & starts).any())


def doubtful(table: pa.Table, *, zeros: bool) -> list[str]:
    """The columns of numbers that may have lost digits when they were parsed."""
    doubtful_names = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_integer(field.type):
            if zeros or beyond(column):
                doubtful_names.append(field.name)
        elif pa.types.is_floating(field.type) and _whole_and_large(column):
            doubtful_names.append(field.name)
    return doubtful_names


def ends(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """The smallest and the largest value of a column; None twice where it has none."""
    extremes: dict[str, Any] = pc.min_max(column).as_py()
    return extremes["min"], extremes["max"]


def beyond(column: pa.ChunkedArray) -> bool:
    """Whether a column of whole numbers has one beyond 2^53."""
    low, high = ends(column)
    return low is not None and (low < -LARGEST or high > LARGEST)


def _whole_and_large(column: pa.ChunkedArray) -> bool:
    low, high = ends(column)
    if low is None or max(-low, high) < LARGEST:
        return False
    present = pc.drop_null(column)
    finite = present.filter(pc.is_finite(present))
    large = finite.filter(pc.greater_equal(pc.abs(finite), float(LARGEST)))
    return bool(pc.any(pc.equal(large, pc.floor(large))).as_py())


def kept_as_text(table: pa.Table, texts: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """The table with those columns of ``texts`` in place of numbers that have leading zeros or too many digits."""
    findings = []
    for name in texts.column_names:
        column = texts.column(name)
        for pattern, finding in ((_ZEROS, leading_zeros), (_LONG, large_integers)):
            there = pc.match_substring_regex(column, pattern)
            count = int(pc.sum(there).as_py() or 0)
            if count and (finding is leading_zeros or _identifiers(column, there)):
                at = table.column_names.index(name)
                table = table.set_column(at, name, column)
                findings.append(finding(name, count, table.num_rows))
                break
    return table, findings


def _identifiers(column: pa.ChunkedArray, long: pa.ChunkedArray) -> bool:
    """Whether a column with long whole numbers has one beyond 2^53 and none that is written with a fraction."""
    if pc.any(pc.match_substring_regex(column, _FRACTION)).as_py():
        return False
    return any(abs(int(text)) > LARGEST for text in column.filter(long).to_pylist())


def as_text(table: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """The table with whole numbers beyond 2^53 as the texts of their digits: for formats that have types."""
    findings = []
    for at, field in enumerate(table.schema):
        column = table.column(at)
        whole = pa.types.is_integer(field.type) or (pa.types.is_decimal(field.type) and field.type.scale == 0)
        if whole and beyond(column):
            table = table.set_column(at, field.name, column.cast(pa.string()))
            findings.append(large_integers(field.name, _count_beyond(column), table.num_rows))
    return table, findings


def _count_beyond(column: pa.ChunkedArray) -> int:
    sizes = pc.abs(column.cast(pa.float64(), safe=False))
    return int(pc.sum(pc.greater(sizes, float(LARGEST))).as_py() or 0) or 1


def leading_zeros(column: str, rows: int, of: int) -> Finding:
    """That a column of digits stays text."""
    detail = f"`{column}` has whole numbers with leading zeros, so it is read as text"
    return codes_kept(column, detail, "write them without leading zeros where they are quantities", rows, of)


def large_integers(column: str, rows: int, of: int) -> Finding:
    """That a column of long whole numbers is text."""
    detail = f"`{column}` has whole numbers beyond 2^53, which no number keeps exactly, so it is read as text"
    return codes_kept(column, detail, "leave identifiers out, or scale quantities down", rows, of)


def codes_kept(column: str, detail: str, mend: str, rows: int | None = None, of: int = 1) -> Finding:
    """That a column of digits is read as codes; ``rows`` of ``of`` hold such a number."""
    share = None if rows is None else rows / max(1, of)
    return Finding(code=CODES, severity=Severity.NOTE, detail=detail, mend=mend, column=column, rows=rows, share=share)
