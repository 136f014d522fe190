"""JSON lines: one flat object a line, each value a number, a text or a boolean. Strict JSON in strict UTF-8.

A key that a line lacks is a missing value; a name twice in one object, NaN, nesting and a column that is a number here
and a text there are refused with their line. Python's own parser is used, since types are never to be guessed from
texts (Arrow's takes some texts for dates).
"""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets.readers.limits import Limits
from app.errors import InvalidData

MAX_LINE = 64 * 1024**2
_BATCH_ROWS = 20_000
_KINDS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "a text"}


class _Column:
    """One column as it grows: batches of Arrow arrays, and the one Python type its values have."""

    def __init__(self, rows_before: int) -> None:
        self.kind: type | None = None
        self.chunks: list[tuple[int, pa.Array | None]] = [(rows_before, None)] if rows_before else []
        self.values: list[Any] = []

    def add(self, value: Any) -> bool:
        """Take a value; False where it is of another type than those before it."""
        kind = type(value)
        if value is not None and kind is not self.kind:
            numbers = {kind, self.kind} <= {int, float}
            if self.kind is not None and not numbers:
                return False
            self.kind = float if self.kind is not None else kind
        self.values.append(value)
        return True

    def flush(self) -> None:
        if self.values:
            self.chunks.append((len(self.values), pa.array(self.values, _KINDS[self.kind]) if self.kind else None))
            self.values = []

    def array(self) -> pa.ChunkedArray:
        final = _KINDS[self.kind] if self.kind else pa.null()
        chunks = [pa.nulls(n, final) if chunk is None else chunk.cast(final) for n, chunk in self.chunks]
        return pa.chunked_array(chunks, final)


def read(source: Path | bytes, limits: Limits, name: str) -> pa.Table:
    """The table of a JSONL file; raises InvalidData."""
    columns: dict[str, _Column] = {}
    rows = size = 0
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise InvalidData(
                    f"{name}: line {number} is longer than {MAX_LINE} bytes; write one JSON object a line, and split "
                    "documents that are longer"
                )
            size += len(line)
            limits.check_bytes(size, name)
            if not line.strip():
                continue
            found = _object(line, number, name)
            rows += 1
            limits.check_rows(rows, name)
            _take(columns, found, rows, number, limits, name)
            if rows % _BATCH_ROWS == 0:
                _flush(columns, name)
    _flush(columns, name)
    return pa.table({key: column.array() for key, column in columns.items()})


def _take(
    columns: dict[str, _Column], found: dict[str, Any], rows: int, number: int, limits: Limits, name: str
) -> None:
    # columns come in the order in which the file names them: a set's order would differ from process to process
    for key in [each for each in found if each not in columns]:
        limits.check_columns(len(columns) + 1, name)
        flushed = (rows - 1) // _BATCH_ROWS * _BATCH_ROWS
        columns[key] = _Column(flushed)
        columns[key].values = [None] * (rows - 1 - flushed)
    for key, column in columns.items():
        if not column.add(found.get(key)):
            was = _NAMES[column.kind] if column.kind else "missing"
            raise InvalidData(
                f"{name}: line {number}: `{key}` is {_NAMES[type(found[key])]} here and {was} in the lines before; "
                "write it the same way in every line"
            )


def _flush(columns: dict[str, _Column], name: str) -> None:
    for key, column in columns.items():
        try:
            column.flush()
        except (OverflowError, pa.ArrowInvalid):
            raise InvalidData(f"{name}: `{key}` holds a number that does not fit 64 bits; write it as a text") from None


def _object(line: bytes, number: int, name: str) -> dict[str, Any]:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{name}: line {number} holds the byte 0x{line[error.start]:02x}, which is not UTF-8; save it as UTF-8"
        ) from None

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise InvalidData(f"{name}: line {number} has a key twice; names must be unique in an object")
        return found

    def constant(word: str) -> Any:
        raise InvalidData(f"{name}: line {number} holds {word}, which is not JSON; fill it, or leave the key out")

    try:
        found = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{name}: line {number} is not JSON ({error}); write one object a line") from None
    if not isinstance(found, dict):
        raise InvalidData(f"{name}: line {number} is no object; write one JSON object a line")
    for key, value in found.items():
        if isinstance(value, dict | list):
            raise InvalidData(f"{name}: line {number}: `{key}` is nested; only numbers, texts and booleans are read")
    return found
