"""A file's bytes as the readers see them: unpacked while they are read, where the file is compressed.

gzip, bzip2, xz, Zstandard, and a zip archive of exactly one table. Nothing is unpacked to disk; texts are not held
whole either: a reader opens the stream as often as it needs. Formats that are read here and there (Parquet, Excel, NPZ)
are unpacked into memory. What comes out is counted, and bounded by the limit for tables and by the ratio of packed to
unpacked bytes; a checksum that does not match, or a stream that is cut off, is refused.
"""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from app.datasets.readers.limits import Limits
from app.errors import InvalidData
from contract.rows.findings import Finding, Severity
from contract.rows.formats import known_by

HEAD_BYTES = 65_536
MAX_RATIO = 200
SMALL = 1024 * 1024
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".xlsx", ".npz"))
# what zipfile raises for archives that are damaged, or made to be: it indexes and unpacks before it checks
BAD_ARCHIVE = (
    zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError, zlib.error, IndexError,
    KeyError, OverflowError, struct.error,
)  # fmt: skip
_BUFFER = 1024 * 1024
_ZIP = b"PK\x03\x04"
_MAGICS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
_BAD = (*BAD_ARCHIVE, lzma.LZMAError)


@dataclass(frozen=True)
class Source:
    """One file: its bytes or their place, how they are packed ("" where they are not), the archive's one member.
    ``unpacked`` says how bytes that are held unpacked came."""

    origin: Path | bytes
    limits: Limits
    name: str
    packing: str = ""
    member: str = ""
    unpacked: Finding | None = None

    @cached_property
    def size(self) -> int:
        """Bytes as they were sent."""
        return len(self.origin) if isinstance(self.origin, bytes) else self.origin.stat().st_size

    def open(self) -> IO[bytes]:
        """The unpacked bytes from the first on; reading them raises InvalidData where they cannot be unpacked."""
        packed = self._plain()
        if not self.packing:
            return packed
        try:
            return io.BufferedReader(_Counted(packed, self._unpacking(packed), self), _BUFFER)
        except _BAD as error:
            packed.close()
            raise self.damaged(error) from None

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """The first unpacked bytes."""
        with self.open() as file:
            return file.read(size)

    def arrow(self) -> Any:
        """The same stream for Arrow's parsers."""
        if self.packing:
            return pa.PythonFile(self.open(), mode="r")
        if isinstance(self.origin, bytes):
            return pa.BufferReader(self.origin)
        return pa.OSFile(str(self.origin), "rb")

    def finding(self) -> list[Finding]:
        """That the file was unpacked, where it was."""
        if not self.packing:
            return [] if self.unpacked is None else [self.unpacked]
        what = f"`{self.member}` of the zip archive was read" if self.member else f"unpacked with {self.packing}"
        return [Finding(code="unpacked", severity=Severity.NOTE, detail=f"{what}; its digest is that of the file sent")]

    def damaged(self, error: object) -> InvalidData:
        """What is said of bytes that do not unpack."""
        return InvalidData(
            f"{self.name}: this is {self.packing} data that is cut off or damaged ({error}); "
            "compress the file again and send it whole"
        )

    def _plain(self) -> IO[bytes]:
        return io.BytesIO(self.origin) if isinstance(self.origin, bytes) else self.origin.open("rb")

    def _unpacking(self, packed: IO[bytes]) -> Any:
        match self.packing:
            case "gzip":
                return gzip.GzipFile(fileobj=packed)
            case "bzip2":
                return bz2.BZ2File(packed)
            case "xz":
                return lzma.LZMAFile(packed, format=lzma.FORMAT_XZ)
            case "zip":
                return zipfile.ZipFile(packed).open(self.member)
        return pa.CompressedInputStream(packed, "zstd")


class _Counted(io.RawIOBase):
    """A stream whose bytes are counted as they come, and whose failures are refusals."""

    def __init__(self, packed: IO[bytes], stream: Any, source: Source) -> None:
        self._packed, self._stream, self._source, self._count = packed, stream, source, 0
        self._most = max(SMALL, MAX_RATIO * source.size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except _BAD as error:
            raise self._source.damaged(str(error) or type(error).__name__) from None
        self._count += len(data)
        self._source.limits.check_bytes(self._count, self._source.name)
        if self._count > self._most:
            raise InvalidData(
                f"{self._source.name}: it unpacks to more than {MAX_RATIO} times its {self._source.size} bytes; "
                "this is how archives that only fill memories look, send the table itself or pack less of the same"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._packed.close()
        super().close()


def source_of(origin: "Path | bytes | Source", limits: Limits, name: str) -> Source:
    """The file, with how it is packed; raises InvalidData for an empty one, or for one that is packed twice."""
    if isinstance(origin, Source):
        return origin
    plain = Source(origin, limits, name)
    head = plain.head(16)
    if not head:
        raise InvalidData(f"{name}: the file is empty; send its content")
    packing, member = _packing(head), ""
    if packing is None and head.startswith(_ZIP) and (only := only_table(origin)) is not None:
        packing, member = "zip", only
    if packing is None:
        return plain
    packed = Source(origin, limits, name, packing, member)
    inside = packed.head(16)
    if not inside:
        raise InvalidData(f"{name}: unpacked with {packing} it is empty; send its content")
    if inside.startswith((b"PAR1", _ZIP)) or known_by(packed.head(HEAD_BYTES)) is not None:
        return _held(packed)
    if again := _packing(inside):
        raise _twice(packed, again)
    return packed


def _held(packed: Source) -> Source:
    """A file that is read here and there, unpacked into memory; raises InvalidData for an archive of other files."""
    with packed.open() as file:
        content = file.read()
    if content.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = archive.namelist()
        except BAD_ARCHIVE as error:
            raise packed.damaged(error) from None
        if "xl/workbook.xml" not in names and not any(each.endswith(".npy") for each in names):
            raise _twice(packed, "a zip archive")
    return Source(content, packed.limits, packed.name, unpacked=packed.finding()[0])


def _twice(packed: Source, again: str) -> InvalidData:
    return InvalidData(f"{packed.name}: inside the {packed.packing} data there is {again}; send that itself")


def _packing(head: bytes) -> str | None:
    packing = next((what for magic, what in _MAGICS.items() if head.startswith(magic)), None)
    # a text may begin with these three letters, and bzip2 goes on with a size and a block
    return None if packing == "bzip2" and head[4:10] not in (b"1AY&SY", b"\x17rE8P\x90") else packing


def only_table(origin: Path | bytes) -> str | None:
    """The name of a zip archive's one file, where that is a table by its name; else None."""
    try:
        with zipfile.ZipFile(io.BytesIO(origin) if isinstance(origin, bytes) else origin) as archive:
            infos = [info for info in archive.infolist() if not is_litter(info)]
    except BAD_ARCHIVE:
        return None
    if len(infos) != 1 or PurePosixPath(infos[0].filename).suffix.lower() not in TABLE_SUFFIXES:
        return None
    return None if infos[0].flag_bits & 0x1 else infos[0].filename


def is_litter(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder, or what file managers leave behind."""
    parts = PurePosixPath(info.filename).parts
    return info.filename.endswith("/") or (bool(parts) and (parts[0] == "__MACOSX" or parts[-1].startswith(".")))
