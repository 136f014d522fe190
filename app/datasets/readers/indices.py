"""Columns that say nothing but which row it is: what pandas and R write beside the data, and counters. Pure.

They are no features: a model that learns them learns the order of a file. Left out are what pandas' own metadata or
reserved names call an index, a first column without a name (or named ``Unnamed: 0``) of distinct whole numbers, and a
column named like a counter that counts the rows from 0 or 1.
"""

import json
import re

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contract.rows.findings import Finding, Severity

_LEVEL = re.compile(r"__index_level_\d+__")
_UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)*")
_COUNTERS = frozenset(
    (
        "id",
        "index",
        "idx",
        "row",
        "rowid",
        "row_id",
        "row id",
        "row_number",
        "row number",
        "rownum",
        "rownames",
        "#",
    )
) | frozenset(("no", "no.", "nr", "nr.", "obs", "observation", "record", "record_id", "sno", "s.no", "s.no."))


def why_index(label: str, at: int, column: pa.ChunkedArray, schema: pa.Schema) -> str | None:
    """Why a column (the ``at``-th of its file, already typed) is left out as an index; None where it is none."""
    if _LEVEL.fullmatch(label) or label in _named_by_pandas(schema):
        return "pandas wrote it as its index"
    if not label or _UNNAMED.fullmatch(label):
        return "it has no name and numbers the rows" if at == 0 and _distinct_whole(column) else None
    if label.casefold() in _COUNTERS and _counts(column):
        return "it counts the rows"
    return None


def index_finding(label: str, why: str) -> Finding:
    """What is said of a column that was left out."""
    detail = f"column `{label}` is left out: {why}" if label else f"the first column is left out: {why}"
    mend = "where it is a feature, give it another name"
    return Finding(code="index_column", severity=Severity.NOTE, detail=detail, mend=mend, column=label)


def _named_by_pandas(schema: pa.Schema) -> frozenset[str]:
    text = (schema.metadata or {}).get(b"pandas")
    try:
        named = json.loads(text)["index_columns"] if text else []
        return frozenset(each for each in named if isinstance(each, str))
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _whole(column: pa.ChunkedArray) -> NDArray[np.int64] | None:
    """int64[n] of a column of whole numbers without a missing one; else None."""
    if column.null_count or not len(column):
        return None
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(), dtype=np.int64)
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        exact = (np.abs(values) < 2**53) & (values == np.floor(values))
        return values.astype(np.int64) if exact.all() else None
    return None


def _distinct_whole(column: pa.ChunkedArray) -> bool:
    values = _whole(column)
    return values is not None and int(values.min()) >= 0 and len(np.unique(values)) == len(values)


def _counts(column: pa.ChunkedArray) -> bool:
    values = _whole(column)
    if values is None or len(values) < 3:
        return False
    return int(values[0]) in (0, 1) and bool((np.diff(values) == 1).all())
