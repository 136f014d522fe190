"""CSV and TSV: strict UTF-8 (a byte order mark is fine), one header line, the same number of fields on every line.

The file is read once to check its text and count its lines, and once to parse it; it is never held whole beside the
table. Types are inferred by column over the whole file; a column of dates is left to ``types.normalise`` to refuse.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from app.datasets.readers.limits import Limits
from app.errors import InvalidData

_CHUNK = 1024 * 1024
_HEADER_BYTES = 8 * 1024 * 1024


def read(source: Path | bytes, delimiter: str, limits: Limits, name: str) -> pa.Table:
    """The table of a delimited text file; raises InvalidData."""
    check(source, delimiter, limits, name)
    return _parse(source, delimiter, name, None)


def check(source: Path | bytes, delimiter: str, limits: Limits, name: str) -> None:
    """Raises InvalidData for what can be seen without parsing: encoding, quotes, length, header."""
    lines = _check_text(source, name)
    # a quoted field may span lines, so this is an upper bound of the rows; it keeps the parser from running away
    limits.check_rows(max(0, lines - 1), name)
    limits.check_columns(len(_header(source, delimiter, name)), name)


def column_names(source: Path, delimiter: str, name: str) -> list[str]:
    """The header as the parser reads it; raises InvalidData."""
    with _explained(name) as handler:
        return [column for column, _ in _first_types(source, delimiter, handler)]


def read_some(source: Path, delimiter: str, name: str, columns: list[str]) -> pa.Table:
    """Some columns of a file that ``check`` has passed: the whole file is parsed, the others are not kept."""
    return _parse(source, delimiter, name, columns)


def _parse(source: Path | bytes, delimiter: str, name: str, columns: list[str] | None) -> pa.Table:
    """Types are those of the whole file. A parser that infers them keeps all the text until the end, so the first
    block's types are tried first: where they fit every row, they are what inferring would have found.
    """
    with _explained(name) as handler:
        found = _first_types(source, delimiter, handler)
        kept = {column: kind for column, kind in found if columns is None or column in columns}
        try:
            return _convert(source, delimiter, handler, columns, kept)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
        return _convert(source, delimiter, handler, columns, None)


def _first_types(source: Path | bytes, delimiter: str, handler: Any) -> list[tuple[str, Any]]:
    reading = pa_csv.ReadOptions(use_threads=False, encoding="utf8")
    converting = pa_csv.ConvertOptions(strings_can_be_null=False)
    with _open(source) as file, pa_csv.open_csv(file, reading, _parsing(delimiter, handler), converting) as stream:
        return [(field.name, field.type) for field in stream.schema]


def _convert(source: Path | bytes, delimiter: str, handler: Any, columns: list[str] | None, kinds: Any) -> pa.Table:
    with _open(source) as file:
        return pa_csv.read_csv(
            file,
            # one thread: row numbers in errors, and the same inference on every machine
            pa_csv.ReadOptions(use_threads=False, skip_rows=0, encoding="utf8"),
            _parsing(delimiter, handler),
            pa_csv.ConvertOptions(strings_can_be_null=False, include_columns=columns, column_types=kinds),
        )


def _parsing(delimiter: str, handler: Any) -> Any:
    return pa_csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=True, invalid_row_handler=handler
    )


@contextmanager
def _explained(name: str) -> Iterator[Callable[[Any], str]]:
    """Turns the parser's errors into ours; yields the handler that remembers the first row of a wrong length."""
    bad_rows: list[Any] = []

    def on_bad_row(row: Any) -> str:
        bad_rows.append(row)
        return "error"

    try:
        yield on_bad_row
    except pa.ArrowInvalid as error:
        if bad_rows:
            row = bad_rows[0]
            place = f"row {row.number - 1}" if row.number is not None else f"the row starting {row.text[:40]!r}"
            raise InvalidData(
                f"{name}: {place} has {row.actual_columns} fields and the header has {row.expected_columns}; "
                "every row needs one field per column (was the file cut off, or a field with the delimiter not quoted?)"
            ) from None
        raise InvalidData(
            f"{name}: this does not parse as delimited text ({error}); is a quote left open, or the file cut off?"
        ) from None


def _open(source: Path | bytes) -> Any:
    return pa.BufferReader(source) if isinstance(source, bytes) else pa.OSFile(str(source), "rb")


def _plain(source: Path | bytes) -> io.BufferedIOBase:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _check_text(source: Path | bytes, name: str) -> int:
    """The number of lines; raises InvalidData where the bytes are not UTF-8 text."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    lines, offset, quotes, last = 0, 0, 0, b"\n"
    with _plain(source) as file:
        while chunk := file.read(_CHUNK):
            if offset == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InvalidData(f"{name}: this is UTF-16 text; save it as UTF-8")
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = lines + chunk[: error.start].count(b"\n") + 1
                raise InvalidData(
                    f"{name}: line {line} holds the byte 0x{error.object[error.start]:02x}, which is not UTF-8; "
                    "save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)"
                ) from None
            if b"\0" in chunk:
                line = lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
                raise InvalidData(
                    f"{name}: line {line} holds a NUL byte; this is not a text file, send CSV as UTF-8 text"
                )
            lines += chunk.count(b"\n")
            quotes += chunk.count(b'"')
            offset += len(chunk)
            last = chunk[-1:]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InvalidData(f"{name}: the file ends inside a character; it was cut off, send it again") from None
    if quotes % 2:
        # the parser would take the rest of the file for one field, without a word
        raise InvalidData(
            f"{name}: it holds an odd number of double quotes, so one is left open; was the file cut off? "
            'inside a quoted field a quote is written ""'
        )
    return lines + (last != b"\n")


def _header(source: Path | bytes, delimiter: str, name: str) -> list[str]:
    with _plain(source) as file:
        first = file.readline(_HEADER_BYTES)
    if not first.endswith(b"\n") and len(first) == _HEADER_BYTES:
        raise InvalidData(f"{name}: the header line is longer than {_HEADER_BYTES} bytes; is this a CSV file?")
    try:
        columns = next(csv.reader([first.decode("utf-8-sig", errors="replace")], delimiter=delimiter), [])
    except csv.Error as error:
        raise InvalidData(f"{name}: the header line cannot be read ({error}); end lines with \\n or \\r\\n") from None
    if not columns or not any(column.strip() for column in columns):
        raise InvalidData(f"{name}: the first line is empty; it must name the columns")
    return columns
