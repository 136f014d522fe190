"""JSON lines, and an array of JSON objects: flat records, each value a number, a text or a boolean. Strict JSON.

A name twice in one object, NaN and half characters are refused with their place. Python's own parser is used, since
types are never to be guessed from texts (Arrow's takes some texts for dates). An array is read record by record too,
so that a long one is never held whole beside the table.
"""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets.readers.encodings import Text, guessed, text_of
from app.datasets.readers.findings import with_findings
from app.datasets.readers.limits import Limits
from app.datasets.readers.records import Records
from app.datasets.readers.sources import Source, source_of
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading

MAX_LINE = 64 * 1024**2
_CHUNK = 1024 * 1024
# what may stand for half a character
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")


def read(source: Path | bytes | Source, limits: Limits, name: str, reading: Reading = AS_IT_IS) -> pa.Table:
    """The table of a JSONL file; raises InvalidData."""
    text = _text(source, limits, name, reading)
    records = Records("line", limits, name)
    size = number = 0
    with text.open() as file:
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise InvalidData(
                    f"{name}: line {number} is longer than {MAX_LINE} bytes; write one JSON object a line, and split "
                    "documents that are longer"
                )
            size += len(line)
            limits.check_bytes(size, name)
            if line.strip():
                _take_line(records, line, number, name)
    return with_findings(records.table(), [*text.findings(), *records.findings])


def read_array(source: Path | bytes | Source, limits: Limits, name: str, reading: Reading = AS_IT_IS) -> pa.Table:
    """The table of a JSON file that is an array of objects; raises InvalidData."""
    text = _text(source, limits, name, reading)
    records = Records("record", limits, name)
    pieces = _Pieces(text, limits)
    if pieces.next_sign() != "[":
        raise InvalidData(f"{name}: this is no array of JSON objects; write [{{...}}, {{...}}], or one object a line")
    pieces.skip()
    number = 0
    while (sign := pieces.next_sign()) != "]":
        if number:
            if sign != ",":
                raise InvalidData(f"{name}: after record {number} there is neither a comma nor the array's end")
            pieces.skip()
        number += 1
        record, escapes = pieces.record(number)
        records.take(record, number, escapes=escapes)
    pieces.skip()
    if pieces.next_sign():
        raise InvalidData(f"{name}: after the array's end there is more; write one array")
    return with_findings(records.table(), [*text.findings(), *records.findings])


def _text(source: Path | bytes | Source, limits: Limits, name: str, reading: Reading) -> Text:
    return text_of(source if isinstance(source, Source) else source_of(source, limits, name), reading.encoding)


def _take_line(records: Records, line: bytes, number: int, name: str) -> None:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{name}: line {number} holds the byte 0x{line[error.start]:02x}, which is not UTF-8; {guessed(line)}"
        ) from None
    hooks = _hooks(f"{name}: line {number}")
    try:
        record = json.loads(text, **hooks)
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{name}: line {number} is not JSON ({error}); write one object a line") from None
    records.take(record, number, escapes=_HALF.search(text) is not None)


def _hooks(place: str) -> dict[str, Any]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(items)
        if len(record) != len(items):
            raise InvalidData(f"{place} has a key twice; names must be unique in an object")
        return record

    def constant(word: str) -> Any:
        raise InvalidData(f"{place} holds {word}, which is not JSON; fill it, or leave the key out")

    return {"object_pairs_hook": pairs, "parse_constant": constant}


class _Pieces:
    """A JSON text of which only the piece around one record is held."""

    def __init__(self, text: Text, limits: Limits) -> None:
        self._name, self._limits = text.name, limits
        self._source = self._decoded(text)
        self._held, self._at, self._size, self._ended = "", 0, 0, False

    def next_sign(self) -> str:
        """The next character that is no space, not taken; "" at the end."""
        while True:
            space = _SPACE.match(self._held, self._at)
            self._at = space.end() if space is not None else self._at
            if self._at < len(self._held) or not self._more():
                return self._held[self._at : self._at + 1]

    def skip(self) -> None:
        """Take that character."""
        self._at += 1

    def record(self, number: int) -> tuple[Any, bool]:
        """The next value, and whether it may hold half a character."""
        decoder = json.JSONDecoder(**_hooks(f"{self._name}: record {number}"))
        self.next_sign()
        wanted = _CHUNK
        while True:
            try:
                value, end = decoder.raw_decode(self._held, self._at)
                # a number at the piece's end may go on in the next
                if end < len(self._held) or self._ended:
                    break
                error: Exception = ValueError("the text ends")
            except (ValueError, RecursionError) as refused:
                error = refused
            if len(self._held) - self._at > MAX_LINE:
                raise InvalidData(f"{self._name}: record {number} is longer than {MAX_LINE} characters; split it")
            if not self._more(wanted):
                raise InvalidData(f"{self._name}: record {number} is not JSON ({error}); is the file cut off?")
            # twice as much each time, so that a long record is not parsed over and over
            wanted *= 2
        escapes = _HALF.search(self._held, self._at, end) is not None
        self._at = end
        return value, escapes

    def _more(self, wanted: int = _CHUNK) -> bool:
        pieces, size = [self._held[self._at :]], 0
        while size < wanted and (piece := next(self._source, None)) is not None:
            pieces.append(piece)
            size += len(piece)
        self._ended = size < wanted
        self._held, self._at = "".join(pieces), 0
        return size > 0

    def _decoded(self, text: Text) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("strict")
        with text.open() as file:
            while chunk := file.read(_CHUNK):
                self._size += len(chunk)
                self._limits.check_bytes(self._size, self._name)
                try:
                    yield decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    place = self._size - len(chunk) + error.start + 1
                    raise InvalidData(
                        f"{self._name}: byte {place} (0x{error.object[error.start]:02x}) is not UTF-8; {guessed(chunk)}"
                    ) from None
