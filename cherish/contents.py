"""What can be uploaded: a file by its path, bytes, a DataFrame, an Arrow table. Frames and tables are sent as Parquet.

Neither pandas nor pyarrow is needed: whoever has such an object has its library.
"""

import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

Content = Any
"""A path, bytes, or an object with ``to_parquet`` (pandas) or ``write_parquet`` (polars), or an Arrow table."""
_PIECE = 256 * 1024
PART_BYTES = 16 * 1024 * 1024


def held(content: Content) -> bytes | Path:
    """What is sent of it: a path stays one, so that a file is read as it goes; a text is a path."""
    return Path(content) if isinstance(content, str | Path) else bytes_of(content)


def bytes_of(content: Content) -> bytes:
    """The bytes of anything but a path; raises TypeError naming what can be sent."""
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str | Path):
        return Path(content).read_bytes()
    for method, words in (("to_parquet", {"index": False}), ("write_parquet", {})):
        if hasattr(content, method):
            buffer = BytesIO()
            getattr(content, method)(buffer, **words)
            return buffer.getvalue()
    if hasattr(content, "__arrow_c_stream__") or type(content).__module__.startswith("pyarrow"):
        return _arrow(content)
    raise TypeError(f"a {type(content).__name__} cannot be uploaded; give a path, bytes, a DataFrame or an Arrow table")


def size_of(content: bytes | Path) -> int:
    """Bytes to be sent."""
    return content.stat().st_size if isinstance(content, Path) else len(content)


def digest_of(content: bytes | Path) -> str:
    """The hex SHA-256 of what is sent."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_of(content: bytes | Path, offset: int, size: int) -> bytes:
    """At most ``size`` bytes from ``offset`` on."""
    if isinstance(content, bytes):
        return content[offset : offset + size]
    with content.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def pieces_of(
    content: bytes | Path, total: int, on_progress: Callable[[int, int], None] | None, size: int = _PIECE
) -> Iterator[bytes]:
    """The content in pieces, ``on_progress(sent, total)`` called after each."""
    sent = 0
    if isinstance(content, bytes):
        pieces: Iterator[bytes] = (content[i : i + size] for i in range(0, total, size))
    else:
        pieces = _read(content, size)
    for piece in pieces:
        yield piece
        sent += len(piece)
        if on_progress:
            on_progress(sent, total)


def _arrow(content: Any) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = BytesIO()
    parquet.write_table(content if isinstance(content, pyarrow.Table) else pyarrow.table(content), buffer)
    return buffer.getvalue()


def _read(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece
