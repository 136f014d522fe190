"""The character encoding of a text file: UTF-8, or UTF-16 by its byte order mark; all others only where declared.

Readers get UTF-8 bytes, whatever the file's encoding is. Nothing is guessed and then read: names and labels in a wrong
encoding would join with nobody else's. The guess is made for the refusal alone, which says what to declare.
"""

import codecs
import io
import re
from dataclasses import dataclass, replace
from typing import IO, Any

import pyarrow as pa

from app.datasets.readers.sources import Source
from app.errors import InvalidData
from contract.rows.files import ENCODINGS
from contract.rows.findings import Finding, Severity

_SECOND_BYTES = 1.3
_CHUNK = 1024 * 1024
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# of encodings with two bytes a sign: the first bytes of what their texts mostly hold, and how much of it is such
_PAIRS = (("shift_jis", rb"[\x82\x83]", 0.2), ("euc-kr", rb"[\xb0-\xc8]", 0.9), ("gb18030", rb"[\xb0-\xd7]", 0.6))


@dataclass(frozen=True)
class Text:
    """A source of text, as UTF-8 without a byte order mark. ``encoding`` is the file's, ``declared`` whether by its
    owner."""

    source: Source
    encoding: str = "utf-8"
    declared: bool = False
    mark: int = 0

    @property
    def name(self) -> str:
        return self.source.name

    def open(self) -> IO[bytes]:
        """The text from its first character on; of another encoding, reading raises InvalidData for a bad byte."""
        file = self.source.open()
        if self.encoding == "utf-8":
            file.read(self.mark)
            return file
        return io.BufferedReader(_Recoded(file, self), _CHUNK)

    def arrow(self) -> Any:
        """The same for Arrow's parsers, which skip UTF-8's mark themselves."""
        return self.source.arrow() if self.encoding == "utf-8" else pa.PythonFile(self.open(), mode="r")

    def findings(self) -> list[Finding]:
        """What is said of how the bytes became text."""
        findings = self.source.finding()
        if self.encoding != "utf-8":
            how = "as its owner declares" if self.declared else "by its byte order mark"
            detail = f"the text is read as {self.encoding}, {how}"
            findings.append(Finding(code="encoding", severity=Severity.NOTE, detail=detail))
        return findings


class _Recoded(io.RawIOBase):
    def __init__(self, file: IO[bytes], text: Text) -> None:
        self._file, self._text, self._rest = file, text, b""
        self._decoder = codecs.getincrementaldecoder(text.encoding)("strict")
        self._ended, self._lines, self._first = False, 1, True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and not self._ended:
            chunk = self._file.read(_CHUNK)
            self._ended = not chunk
            try:
                piece = self._decoder.decode(chunk, final=self._ended)
            except UnicodeDecodeError as error:
                raise InvalidData(
                    f"{self._text.name}: near line {self._lines} it is not {self._text.encoding.upper()} text "
                    f"({error.reason}); was it cut off? send it whole, or as UTF-8"
                ) from None
            if self._first and piece:
                piece, self._first = piece.removeprefix("\ufeff"), False
            self._lines += piece.count("\n")
            self._rest = piece.encode()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def text_of(source: Source, declared: str | None = None) -> Text:
    """The text of a file; raises InvalidData for an encoding that is not read, or that its byte order mark denies."""
    if declared is not None and declared.lower() not in ENCODINGS:
        raise InvalidData(
            f"{source.name}: encoding {declared!r} is not read; declare one of {', '.join(ENCODINGS)}, or send UTF-8"
        )
    head = source.head(4)
    mark, marked = next(((mark, what) for mark, what in _MARKS.items() if head.startswith(mark)), (b"", None))
    text = Text(source, "utf-8", mark=len(mark))
    if marked == "utf-32":
        raise InvalidData(f"{source.name}: this is UTF-32 text; save it as UTF-8")
    if declared is None:
        return replace(text, encoding=marked or "utf-8")
    declared_name = declared.lower()
    if marked is not None and not declared_name.startswith(marked):
        raise InvalidData(
            f"{source.name}: declared as {declared_name}, but its byte order mark says {marked}; leave the encoding out"
        )
    return replace(text, encoding=marked or declared_name, declared=marked is None)


def guessed(piece: bytes) -> str:
    """What a text that is not UTF-8 may be: the end of a refusal, with what to declare."""
    if piece[::2].count(0) * 3 > len(piece) or piece[1::2].count(0) * 3 > len(piece):
        little = piece[1::2].count(0) > piece[::2].count(0)
        return f"it looks like UTF-16 without a byte order mark: declare encoding utf-16-{'le' if little else 'be'}"
    high = [byte for byte in piece if byte > 127]
    if (sum(byte < 32 and byte not in b"\t\n\r\f" for byte in piece) + len(high)) * 2 > len(piece) and 0 in piece:
        return "this is no text file"
    runs = re.findall(rb"[\xc0-\xff]{3,}", piece)
    if sum(map(len, runs)) > 0.9 * len(high):
        return "it may be windows-1251 (Cyrillic): declare that encoding, or save it as UTF-8"
    pairs = re.findall(rb"[\x81-\xfe][\x40-\xfe]", piece)
    for encoding, first, share in _PAIRS:
        fitting = sum(re.match(first, pair) is not None for pair in pairs)
        if fitting >= share * len(pairs) and 2 * len(pairs) >= 0.9 * len(high) and _decodes(piece, encoding):
            return f"it may be {encoding}: declare that encoding, or save it as UTF-8"
    for encoding in ("shift_jis", "big5"):
        # of Western text the second byte of what looks like a pair is a letter
        if _decodes(piece, encoding) and len(high) > _SECOND_BYTES * len(re.findall(rb"[\x81-\xfe][\x40-\xfe]", piece)):
            return f"it may be {encoding}: declare that encoding, or save it as UTF-8"
    return "it may be Latin-1 or Windows-1252 now: declare encoding windows-1252, or save it as UTF-8"


def _decodes(piece: bytes, encoding: str) -> bool:
    """Whether a piece, whose last character may be cut, is text of that encoding with at least two signs in a row."""
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(piece)
    except UnicodeDecodeError:
        return False
    return re.search("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{2}", text) is not None
