"""CSV and its kin: strict text, one header line (or declared columns), the same number of fields on every line.

The file is read once to check its text and count its lines, and once to parse it; it is never held whole beside the
table. Types are inferred by column over the whole file. Whole numbers that a number would not keep (leading zeros, more
than 2^53) stay texts, and that is said.
"""

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from app.datasets.readers import exact
from app.datasets.readers.dialects import LONG_SAMPLE_BYTES, SAMPLE_BYTES, Dialect, Sample, dialect_of
from app.datasets.readers.encodings import Text, guessed, text_of
from app.datasets.readers.findings import with_findings
from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import Source, source_of
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading
from contract.rows.findings import Finding

_CHUNK = 1024 * 1024
_FEWEST_LINES = 20
_LINES_PER_BLOCK = 256
_LARGEST_BLOCK = 64 * 1024 * 1024
_LOOKED_AT = 65_536


class _RecordTooLong(Exception):
    """A record is longer than the blocks that are parsed at a time."""


@dataclass(frozen=True)
class Delimited:
    """A delimited text that was checked: how it is written, its bytes as text, and what was noticed.

    ``zeros`` is whether some field begins with a zero and goes on with a digit; ``record`` is more bytes than the
    longest record has, and ``block`` how many are parsed at a time; ``first``
    is the columns' names with the types that the first block has.
    """

    text: Text
    dialect: Dialect
    size: int
    zeros: bool
    record: int
    block: int
    first: tuple[tuple[str, Any], ...] = ()

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return [name for name, _ in self.first]

    @property
    def findings(self) -> list[Finding]:
        """What is said of how the file is written."""
        return [*self.text.findings(), *self.dialect.finding()]


def read(
    source: Path | bytes | Source, delimiter: str | None, limits: Limits, name: str, reading: Reading = AS_IT_IS
) -> pa.Table:
    """The table of a delimited text file; ``delimiter`` None is sniffed. Raises InvalidData."""
    return read_some(opened(source, delimiter, limits, name, reading), None)


def opened(
    source: Path | bytes | Source, delimiter: str | None, limits: Limits, name: str, reading: Reading = AS_IT_IS
) -> Delimited:
    """The file, checked for what can be seen without parsing: encoding, dialect, quotes, length, header."""
    source = source if isinstance(source, Source) else source_of(source, limits, name)
    text = text_of(source, reading.encoding)
    dialect = dialect_of(sample_of(text), name, reading.delimiter or delimiter, reading.columns)
    checked = _check_text(text, dialect)
    # a quoted field may span lines, so this is an upper bound of the rows; it keeps the parser from running away
    limits.check_rows(max(0, checked.lines - (dialect.names is None) - dialect.skip), name)
    limits.check_columns(_width(text, dialect), name)
    return _begun(Delimited(text, dialect, checked.size, checked.zeros, checked.record, checked.block))


def _begun(file: Delimited) -> Delimited:
    """The file with its columns' names and first types."""
    with file.text.open() as stream:
        # the parser would read ahead; where the piece ends within a record it does so in its second block
        piece = stream.read(2 * file.record)
    try:
        with (
            _explained(file.text.name, file.dialect) as handler,
            pa.BufferReader(piece) as bytes_of_piece,
            pa_csv.open_csv(
                bytes_of_piece,
                _reading(file, file.record),
                _parsing(file.dialect, handler),
                _converting(file.dialect),
            ) as blocks,
        ):
            return replace(file, first=tuple((field.name, field.type) for field in blocks.schema))
    except _RecordTooLong:
        pass
    except InvalidData:
        # a record that is longer than the piece looks as if it were cut off
        if len(piece) >= file.size or file.record > _LARGEST_BLOCK:
            raise
    return _begun(_larger_blocks(file))


def _larger_blocks(file: Delimited) -> Delimited:
    """A record that is longer than a block has quoted line ends, so the lines did not tell."""
    if file.record > file.size:
        raise InvalidData(f"{file.text.name}: this does not parse as delimited text; is a quote left open?")
    return replace(file, record=8 * file.record, block=8 * file.block)


def sample_of(text: Text) -> Sample:
    """The text's beginning, decoded as far as it can be; longer where its lines are long."""
    with text.open() as file:
        head = file.read(SAMPLE_BYTES + 1)
        if len(head) > SAMPLE_BYTES and head.count(b"\n") + head.count(b"\r") < _FEWEST_LINES:
            head += file.read(LONG_SAMPLE_BYTES)
    whole = len(head) <= SAMPLE_BYTES
    return Sample(head.decode("utf-8", errors="replace"), whole)


def read_some(file: Delimited, columns: list[str] | None) -> pa.Table:
    """The columns of a checked file, or some of them: the whole file is parsed, the others are not kept.

    Types are those of the whole file. A parser that infers them keeps all the text until the end, so the first
    block's types are tried first: where they fit every row, they are what inferring would have found.
    """
    try:
        return _read_some(file, columns)
    except _RecordTooLong:
        return read_some(_larger_blocks(file), columns)


def _read_some(file: Delimited, columns: list[str] | None) -> pa.Table:
    with _explained(file.text.name, file.dialect) as handler:
        wanted = None if columns is None else set(columns)
        kept = {column: kind for column, kind in file.first if wanted is None or column in wanted}
        try:
            table = _convert(file, handler, columns, kept)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
            table = _convert(file, handler, columns, None)
        table, findings = _exact(file, table, handler)
    return with_findings(table, [*file.findings, *findings])


def _exact(file: Delimited, table: pa.Table, handler: Any) -> tuple[pa.Table, list[Finding]]:
    """The table, columns of numbers that would lose digits read again as the texts that they are."""
    doubtful = exact.doubtful(table, zeros=file.zeros)
    if not doubtful or len(set(table.column_names)) < table.num_columns:
        # two columns of one name are refused later
        return table, []
    texts = _convert(file, handler, doubtful, dict.fromkeys(doubtful, pa.string()))
    return exact.kept_as_text(table, texts)


def _convert(file: Delimited, handler: Any, columns: list[str] | None, kinds: Any) -> pa.Table:
    with _closing(file.text) as opened_file:
        return pa_csv.read_csv(
            opened_file,
            _reading(file, file.block),
            _parsing(file.dialect, handler),
            _converting(file.dialect, columns, kinds),
        )


@contextmanager
def _closing(text: Text) -> Iterator[Any]:
    with text.arrow() as file:
        yield file


def _reading(file: Delimited, block: int) -> Any:
    dialect = file.dialect
    # one thread: row numbers in errors, and the same inference on every machine
    return pa_csv.ReadOptions(
        use_threads=False,
        block_size=block,
        skip_rows=dialect.skip,
        encoding="utf8",
        column_names=None if dialect.names is None else list(dialect.names),
    )


def _parsing(dialect: Dialect, handler: Any) -> Any:
    return pa_csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char=dialect.quote,
        double_quote=dialect.escape is None,
        escape_char=dialect.escape or False,
        newlines_in_values=True,
        ignore_empty_lines=True,
        invalid_row_handler=handler,
    )


def _converting(dialect: Dialect, columns: list[str] | None = None, kinds: Any = None) -> Any:
    return pa_csv.ConvertOptions(
        strings_can_be_null=False, include_columns=columns, column_types=kinds, decimal_point=dialect.decimal
    )


@contextmanager
def _explained(name: str, dialect: Dialect) -> Iterator[Callable[[Any], str]]:
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
            before = dialect.skip + (dialect.names is None)
            place = f"row {row.number - before}" if row.number is not None else f"the row starting {row.text[:40]!r}"
            raise InvalidData(
                f"{name}: {place} has {row.actual_columns} fields and the header has {row.expected_columns}; "
                "every row needs one field per column (was the file cut off, or a field with the delimiter not quoted?)"
            ) from None
        if "straddling" in str(error):
            raise _RecordTooLong from None
        raise InvalidData(
            f"{name}: this does not parse as delimited text ({error}); is a quote left open, or the file cut off?"
        ) from None


@dataclass
class _Checked:
    """What one pass over the text counted."""

    lines: int = 0
    size: int = 0
    zeros: bool = False
    quotes: int = 0
    last: bytes = b"\n"
    longest: int = 0
    _line: int = 0

    @property
    def record(self) -> int:
        """More bytes than the longest line has."""
        return self.longest + _CHUNK

    @property
    def block(self) -> int:
        """Bytes to parse at a time: some hundred lines, since each column is an array of its own in each block."""
        return max(self.record, min(_LARGEST_BLOCK, _LINES_PER_BLOCK * self.longest))

    def take(self, chunk: bytes, dialect: Dialect) -> None:
        self.lines += chunk.count(b"\n")
        if b"\r" in chunk:
            # a lone carriage return ends a line too
            self.lines += chunk.count(b"\r") - chunk.count(b"\r\n") - (self.last == b"\r" and chunk[:1] == b"\n")
        quote = dialect.quote.encode()
        self.quotes += chunk.count(quote)
        if dialect.escape:
            self.quotes -= chunk.count(dialect.escape.encode() + quote)
        self.zeros = self.zeros or exact.has_leading_zero(self.last + chunk, dialect.delimiter)
        self.size += len(chunk)
        self.last = chunk[-1:]
        self._measure(chunk)

    def _measure(self, chunk: bytes) -> None:
        """Only lines that reach over a chunk's end can be long."""
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if first < 0:
            self._line += len(chunk)
        else:
            self.longest = max(self.longest, self._line + first, self._inside(chunk, first, last))
            self._line = len(chunk) - last
        self.longest = max(self.longest, self._line)

    def _inside(self, chunk: bytes, first: int, last: int) -> int:
        """The longest line within a chunk; lines are alike, so the first few tell."""
        lines = chunk[first : min(last, first + _LOOKED_AT)].split(b"\n")
        return max(map(len, lines))


def _check_text(text: Text, dialect: Dialect) -> _Checked:
    """Counts of one pass; raises InvalidData where the bytes are no text, or a quote is left open."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    name, counted = text.name, _Checked()
    with text.open() as file:
        while chunk := file.read(_CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = counted.lines + chunk[: error.start].count(b"\n") + 1
                raise InvalidData(
                    f"{name}: line {line} holds the byte 0x{error.object[error.start]:02x}, which is not UTF-8; "
                    f"{guessed(chunk)}"
                ) from None
            if b"\0" in chunk:
                line = counted.lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
                raise InvalidData(f"{name}: line {line} holds a NUL byte; {nul_meaning(chunk)} send CSV as UTF-8 text")
            counted.take(chunk, dialect)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InvalidData(f"{name}: the file ends inside a character; it was cut off, send it again") from None
    if counted.quotes % 2:
        # the parser would take the rest of the file for one field, without a word
        kind = "double" if dialect.quote == '"' else "single"
        raise InvalidData(
            f"{name}: it holds an odd number of {kind} quotes, so one is left open; was the file cut off? "
            f"inside a quoted field a quote is written {2 * dialect.quote}"
        )
    counted.lines += counted.last not in (b"\n", b"\r")
    return counted


def nul_meaning(chunk: bytes) -> str:
    """What NUL bytes in a text say."""
    said = guessed(chunk)
    return f"{said}, or" if "UTF-16" in said else "this is not a text file;"


def _width(text: Text, dialect: Dialect) -> int:
    """How many columns the first line has; raises InvalidData where it names none."""
    name = text.name
    if dialect.names is not None:
        return len(dialect.names)
    with text.open() as file:
        for _ in range(dialect.skip):
            file.readline()
        first = file.read(LONG_SAMPLE_BYTES)
    ends = [at for at in (first.find(b"\n"), first.find(b"\r")) if at >= 0]
    if not ends and len(first) == LONG_SAMPLE_BYTES:
        raise InvalidData(f"{name}: the header line is longer than {LONG_SAMPLE_BYTES} bytes; is this a CSV file?")
    header = first[: min(ends)] if ends else first
    if not header.replace(dialect.delimiter.encode(), b"").replace(dialect.quote.encode(), b"").strip():
        raise InvalidData(f"{name}: the first line is empty; it must name the columns")
    sample = Sample(first.decode("utf-8", errors="replace"), whole=True)
    return len(sample.records(dialect, 1)[0])
