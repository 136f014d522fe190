"""What is noticed of one file's rows by itself: columns of one value, rows that repeat. Counts, and never a cell. Pure.

An upload and an order notice the same: both look at whole files, whatever columns or labels an order chooses. A file
may be looked at some columns at a time, so what is kept of its rows is 64 bits each.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.datasets.readers.exact import ends
from app.datasets.readers.types import is_tensor, is_text
from app.datasets.rows.raw_rows import Hashes, value_hashes
from contract.rows.findings import Finding, Severity

# from this part of a file's rows on repeated ones are a warning
_MOST = 0.5
# in fewer rows one that is most of them says nothing
_FEWEST_ROWS = 10
# what people write where they have no value; said where it is over so many times the others' range away from them
_STAND_INS = frozenset(sign * value for sign in (1.0, -1.0) for value in (99, 999, 9999, 99999, 999999))
_FAR = 2.0
# ages or marks of fewer rows than this can be consecutive by chance
_FEWEST_COUNTED = 50
_NAMES_ROWS = re.compile(r"(^|[^A-Za-z])(?i:ids?|uuid|guid|key|nr|no|number|code)$|[a-z](Id|ID|Key)$")
_FIRST_DATE, _LAST_DATE = 1900_01_01, 2100_12_31
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def noticed(table: pa.Table, target: str | None) -> list[Finding]:
    """Findings about a whole table; ``target`` is its label column, where it has one."""
    rows = RowHashes()
    rows.add(table)
    return [*of_columns(table, target), *rows.findings()]


def of_columns(table: pa.Table, target: str | None) -> list[Finding]:
    """Findings about single columns, for all or for some of a table's."""
    constant: list[Finding] = []
    far: list[Finding] = []
    names_rows: list[Finding] = []
    for name in table.column_names:
        column = table.column(name)
        if name == target or is_tensor(column.type):
            continue
        numbers = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        low, high = ends(column) if numbers else (None, None)
        distinct = None if numbers or column.null_count else column.unique()
        if table.num_rows > 1 and not column.null_count and (low == high if distinct is None else len(distinct) == 1):
            constant.append(_constant(name))
        far += [_stand_in(name, end, column) for end in (low, high) if end in _STAND_INS and _far(column, end)]
        if _is_identifier(name, column, (low, high), distinct):
            names_rows.append(_identifier(name))
        elif pa.types.is_integer(column.type) and _are_dates(column, low, high):
            names_rows.append(_dates(name))
    return [*constant, *far, *names_rows]


def _is_identifier(name: str, column: pa.ChunkedArray, between: tuple[Any, Any], distinct: pa.Array | None) -> bool:
    """Whether a column seems to name rows and to say nothing of them: whole numbers that fill their range or whose name
    says so, or words without a space, and no two alike. ``between`` are the ends of numbers, ``distinct`` the values of
    a column of no numbers that has no gap."""
    rows = len(column)
    if rows < _FEWEST_ROWS or column.null_count:
        return False
    if pa.types.is_integer(column.type):
        low, high = between
        counts = high - low == rows - 1 and rows >= _FEWEST_COUNTED
        return (counts or _NAMES_ROWS.search(name) is not None) and len(column.unique()) == rows
    if distinct is None or len(distinct) != rows or not is_text(column.type):
        return False
    texts = distinct.dictionary.take(distinct.indices) if isinstance(distinct, pa.DictionaryArray) else distinct
    return not pc.any(pc.match_substring_regex(texts, r"\s")).as_py()


def _identifier(name: str) -> Finding:
    detail = f"column `{name}` has another value in every row: it seems to name the rows, and is kept as a feature"
    mend = 'where it does, leave it out of the file; an order leaves it out by features: {"leave_out": [...]}'
    return Finding(code="identifier_column", severity=Severity.NOTE, detail=detail, mend=mend, column=name)


def _are_dates(column: pa.ChunkedArray, low: Any, high: Any) -> bool:
    """Whether all whole numbers are dates written as 20260131."""
    if low is None or len(column) < _FEWEST_ROWS or low < _FIRST_DATE or high > _LAST_DATE:
        return False
    numbers = np.unique(pc.drop_null(column).to_numpy())
    month, day = numbers // 100 % 100, numbers % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def _dates(name: str) -> Finding:
    detail = (
        f"column `{name}` holds whole numbers that look like dates (year, month, day), and is read as those numbers"
    )
    return Finding(
        code="dates_as_digits",
        severity=Severity.NOTE,
        detail=detail,
        mend="write them as 2026-01-31: as digits the last of a month is far from the first of the next",
        column=name,
    )


def _constant(name: str) -> Finding:
    """What is said of a feature that has one value in every row."""
    detail = f"column `{name}` has one value in every row, so nothing can be learned from it"
    return Finding(code="constant_column", severity=Severity.NOTE, detail=detail, column=name)


def _stand_in(name: str, end: float, column: pa.ChunkedArray) -> Finding:
    """What is said of a column of numbers in which a value that people write where they have none, such as -999 or
    9999, lies far from all others."""
    count = _far(column, end)
    detail = f"column `{name}`: {count} of {len(column)} cells hold {end:g}, which is far from all others"
    mend = "where it stands for a missing value, leave those cells empty"
    finding = _of_rows("stand_in_value", Severity.WARN, detail, mend, count, len(column))
    return finding.model_copy(update={"column": name})


def _far(column: pa.ChunkedArray, end: float) -> int:
    """How many cells hold that end of a column's range, where it is far from the others; else 0."""
    others = pc.drop_null(column)
    others = others.filter(pc.not_equal(others, pa.scalar(end, column.type)))
    low, high = ends(others)
    if low is None or min(abs(end - low), abs(end - high)) <= _FAR * max(high - low, 1.0):
        return 0
    return int(len(column) - column.null_count - len(others))


class RowHashes:
    """64 bits a row over all the columns that were added, in the order in which they were, of the rows that may yet
    repeat: a row that no other is like in the columns so far is not looked at again."""

    def __init__(self) -> None:
        self._rows: Hashes | None = None
        # which rows those hashes are of; None: all
        self._left: NDArray[np.int64] | None = None
        self._of = 0
        self._columns = 0

    def add(self, table: pa.Table) -> None:
        """Take some columns of all rows."""
        for column in table.columns:
            self._of = len(column)
            if self._left is None:
                self._mix(value_hashes(column))
            elif len(self._left):
                self._mix(value_hashes(column.take(pa.array(self._left))))

    def mix(self, hashes: Hashes) -> None:
        """Take one column by its values' hashes uint64[n]."""
        self._of = len(hashes)
        self._mix(hashes if self._left is None else hashes[self._left])

    def _mix(self, hashes: Hashes) -> None:
        rows = hashes.copy() if self._rows is None else (self._rows * _MIX[0]) ^ hashes
        # the finalizer of splitmix64: a number's hash is the number, whose low bits are mostly zeros
        rows ^= rows >> np.uint64(30)
        rows *= _MIX[1]
        rows ^= rows >> np.uint64(27)
        rows *= _MIX[2]
        rows ^= rows >> np.uint64(31)
        self._rows = rows
        self._columns += 1
        # after 1, 2, 4, 8 ... columns, since each look sorts
        if self._columns & (self._columns - 1) == 0:
            self._narrow(rows)

    def _narrow(self, rows: Hashes) -> None:
        ordered = np.sort(rows)
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        again = np.isin(rows, repeated) if len(repeated) else np.zeros(len(rows), dtype=np.bool_)
        if not again.all():
            self._rows = rows[again]
            self._left = np.flatnonzero(again) if self._left is None else self._left[again]

    def findings(self) -> list[Finding]:
        """What is said of rows that are equal in all columns."""
        return [] if self._rows is None else repeats(self._rows, self._of)


def repeats(rows: NDArray[Any], of: int | None = None) -> list[Finding]:
    """What is said of rows [n] (by any value that equal rows have in common) that are there more than once; they are
    all of a file's rows, or all but some of its ``of`` that are there once."""
    _, counts = np.unique(rows, return_counts=True)
    extra, most = len(rows) - len(counts), int(counts.max(initial=0))
    all_rows = len(rows) if of is None else of
    findings = []
    if all_rows >= _FEWEST_ROWS and most > _MOST * all_rows:
        detail = f"{most} of {all_rows} rows are one and the same row"
        mend = "is the file what it should be? one row over and over teaches nothing new"
        findings.append(_of_rows("equal_rows", Severity.WARN, detail, mend, most, all_rows))
    if extra:
        severity = Severity.WARN if extra > _MOST * all_rows else Severity.NOTE
        detail = f"{extra} of {all_rows} rows {'repeats' if extra == 1 else 'repeat'} an earlier row"
        mend = "remove them where they are copies and no observations of their own"
        findings.append(_of_rows("duplicate_rows", severity, detail, mend, extra, all_rows))
    return findings


def of_labelled(prints: NDArray[Any], labels: Sequence[str]) -> list[Finding]:
    """What is said of texts or images, by fingerprints [n, d], that are there more than once with the same label."""
    keys = [row.tobytes() + label.encode() for row, label in zip(prints, labels, strict=True)]
    return repeats(np.array([hash_of(key) for key in keys], dtype=np.uint64)) if keys else []


def hash_of(content: bytes) -> int:
    """64 bits of some bytes."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def _of_rows(code: str, severity: Severity, detail: str, mend: str, rows: int, of: int) -> Finding:
    return Finding(code=code, severity=severity, detail=detail, mend=mend, rows=rows, share=round(rows / of, 6))
