"""What format a file has, by its first bytes and never by its name. A declared format that does not fit is refused."""

from pathlib import Path

from app.datasets.readers import archive
from app.errors import InvalidData

_HEAD_BYTES = 65_536
_FOREIGN = {
    b"\x1f\x8b": "gzip",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG image",
    b"\x93NUMPY": "a single .npy array",
    b"ARROW1": "an Arrow IPC file",
    b"SQLite": "a SQLite database",
}
_MEND = "send CSV, TSV, Parquet, NPZ, JSON lines, or a zip of text files or images"


def sniff(source: Path | bytes, declared: str | None, name: str) -> str:
    """A ``DatasetFormat``'s value; raises InvalidData for an empty file, another kind, or a false declaration."""
    head = source[:_HEAD_BYTES] if isinstance(source, bytes) else _head(source)
    if not head:
        raise InvalidData(f"{name}: the file is empty; send its content")
    found = _magic(head, name)
    if found == "zip":
        found = _archive(source, declared)
    if found is None:
        # a plain text may look like anything, so it is one only where it was declared
        found = declared if declared in ("csv", "tsv", "jsonl", "text") else _textual(head)
    if declared is not None and declared != found:
        raise InvalidData(
            f"{name}: declared as {declared}, but its first bytes are those of {found}; "
            f"send a {declared} file or declare {found}"
        )
    return found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _magic(head: bytes, name: str) -> str | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise InvalidData(f"{name}: this is {what}; {_MEND}")
    return None


def _archive(source: Path | bytes, declared: str | None) -> str:
    """ "npz" where a member is an array, else "zip"; of a damaged one only the declaration tells."""
    names = archive.member_names(source)
    if not names:
        return "zip" if declared == "zip" else "npz"
    return "npz" if any(name.endswith(".npy") for name in names) else "zip"


def _textual(head: bytes) -> str:
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b'{"'):
        return "jsonl"
    first = head.split(b"\n", 1)[0]
    return "tsv" if first.count(b"\t") > first.count(b",") else "csv"
