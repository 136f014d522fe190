"""Records as they come, one object after another, into columns. Used by JSON lines and by an array of JSON objects.

Columns come in the order in which the file first names them. A key that a record lacks is a missing value; a column
that is a number here and a text there is one of texts, which is then read as what most of its cells are, like a CSV's.
A value that is itself an object or a list is refused with its place.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from app.datasets.readers.chat import rendered
from app.datasets.readers.exact import LARGEST
from app.datasets.readers.limits import Limits
from app.errors import InvalidData
from contract.rows.findings import Finding

BATCH_ROWS = 20_000
_FLAT = ": write a row as one flat object, and a table as an array of them or one object a line"
_KINDS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_INT64 = 2**63


class _Column:
    """One column as it grows: batches of Arrow arrays, and the one Python type its values have.

    Whole numbers beyond 64 bits make their column one of texts, digit for digit; so do values of several types.
    """

    def __init__(self, rows_before: int) -> None:
        self.kind: type | None = None
        self.digits = False
        self.mixed = False
        self.chunks: list[tuple[int, pa.Array | None]] = [(rows_before, None)] if rows_before else []
        self.values: list[Any] = []

    def add(self, value: Any) -> None:
        """Take a value."""
        kind = type(value)
        if value is not None and kind is not self.kind:
            if self.kind is None:
                self.kind = kind
            elif {kind, self.kind} <= {int, float}:
                self.kind = float
            else:
                self.kind, self.mixed = str, True
        self.values.append(value)

    def flush(self) -> None:
        if not self.values:
            return
        values = self.values
        if self.kind is int and any(value is not None and not -_INT64 <= value < _INT64 for value in values):
            self.digits = True
        if self.mixed:
            values = [None if value is None else _written(value) for value in values]
        elif self.kind is float:
            values = [None if value is None else float(value) for value in values]
        elif self.digits:
            values = [None if value is None else str(value) for value in values]
        kind = pa.string() if self.digits and self.kind is int else _KINDS[self.kind] if self.kind else None
        self.chunks.append((len(values), None if kind is None else pa.array(values, kind)))
        self.values = []

    def array(self) -> pa.ChunkedArray:
        final = _KINDS[self.kind] if self.kind else pa.null()
        if self.digits and self.kind is int:
            final = pa.string()
        chunks = [pa.nulls(n, final) if chunk is None else _cast(chunk, final) for n, chunk in self.chunks]
        return pa.chunked_array(chunks, final)


def _cast(chunk: pa.Array, final: pa.DataType) -> pa.Array:
    if pa.types.is_string(final) and not pa.types.is_string(chunk.type):
        return pa.array([None if value is None else _written(value) for value in chunk.to_pylist()], final)
    # whole numbers among fractions are quantities: the nearest float
    return chunk.cast(final, safe=False)


def _written(value: Any) -> str:
    """A value as a CSV would have it: a whole number without a decimal point, ``true``, ``false``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return str(int(value))
    return value if isinstance(value, str) else repr(value)


class Records:
    """The table of records that are taken one by one; ``what`` is what one is called: line, or record."""

    def __init__(self, what: str, limits: Limits, name: str) -> None:
        self._what, self._limits, self._name = what, limits, name
        self._columns: dict[str, _Column] = {}
        self._rows = 0
        self._findings: dict[str, Finding] = {}

    def take(self, record: Any, number: int, *, escapes: bool) -> None:
        """Take the record of that number; ``escapes`` is whether its text has escapes that may be half characters.

        Raises InvalidData.
        """
        place = f"{self._name}: {self._what} {number}"
        if not isinstance(record, dict):
            raise InvalidData(f"{place} is no object; write one JSON object a {self._what}")
        record, finding = rendered(record, place)
        if finding is not None:
            self._findings[finding.code] = finding
        for key, value in record.items():
            if isinstance(value, dict | list):
                raise InvalidData(f"{place}: `{key}` is nested; only numbers, texts and booleans are read{_FLAT}")
            if escapes:
                _check_characters(key, value, place)
        self._rows += 1
        self._limits.check_rows(self._rows, self._name)
        self._add(record)
        if self._rows % BATCH_ROWS == 0:
            self._flush()

    def table(self) -> pa.Table:
        """All that was taken."""
        self._flush()
        return pa.table({key: column.array() for key, column in self._columns.items()})

    @property
    def findings(self) -> list[Finding]:
        """What was noticed."""
        return list(self._findings.values())

    def _add(self, record: Mapping[str, Any]) -> None:
        # columns come in the order in which the file names them: a set's order would differ from process to process
        for key in [each for each in record if each not in self._columns]:
            self._limits.check_columns(len(self._columns) + 1, self._name)
            flushed = (self._rows - 1) // BATCH_ROWS * BATCH_ROWS
            self._columns[key] = _Column(flushed)
            self._columns[key].values = [None] * (self._rows - 1 - flushed)
        for key, column in self._columns.items():
            column.add(record.get(key))

    def _flush(self) -> None:
        for key, column in self._columns.items():
            try:
                column.flush()
            except (OverflowError, pa.ArrowInvalid):
                raise InvalidData(
                    f"{self._name}: `{key}` holds a number that does not fit 64 bits; write it as a text"
                ) from None


def _check_characters(key: str, value: Any, place: str) -> None:
    for text in (key, value):
        if isinstance(text, str):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidData(
                    f"{place}: `{key!a}` holds half a character (a lone surrogate such as \\ud800), which is no text; "
                    "write the whole character"
                ) from None
