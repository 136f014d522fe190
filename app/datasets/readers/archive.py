"""Zip archives of text files or of images, with labels by folder or by manifest. Nothing is ever written to disk.

An archive is checked before a byte of it is unpacked: how many members, how large, how well packed, what they are
called; and what comes out is counted again while it is read, since a header may lie. Archives inside archives, links,
encrypted members and names that leave the archive are refused.

Labels: the folder a file is in is its ``label``; or ``manifest.csv`` or ``manifest.jsonl`` at the top names each file
in its column ``file``, and its other columns are the files' columns.
"""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import pyarrow as pa

from app.datasets.readers import delimited, jsonl
from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import BAD_ARCHIVE, MAX_RATIO, SMALL, is_litter
from app.errors import InvalidData

TEXT_SUFFIXES = frozenset({".txt", ".md"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".jfif", ".mpo"})
_MANIFESTS = ("manifest.csv", "manifest.jsonl")


@dataclass(frozen=True)
class Packed:
    """A checked archive: its files in the order of their names, their suffixes' kind, and what is said of each."""

    archive: zipfile.ZipFile
    files: list[zipfile.ZipInfo]
    images: bool
    columns: pa.Table
    limits: Limits
    name: str

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of each file, in order; the total is held to the limit as it grows."""
        total = 0
        for info in self.files:
            data = _read(self.archive, info, self.name)
            total += len(data)
            self.limits.check_bytes(total, self.name)
            yield info.filename, data


@contextmanager
def opened(source: Path | bytes, limits: Limits, name: str) -> Iterator[Packed]:
    """The archive, checked; raises InvalidData."""
    try:
        with zipfile.ZipFile(BytesIO(source) if isinstance(source, bytes) else source) as archive:
            yield _checked(archive, limits, name)
    except BAD_ARCHIVE as error:
        raise InvalidData(
            f"{name}: this zip archive cannot be read ({error}); pack it again and send it whole"
        ) from None


def member_names(source: Path | bytes) -> list[str] | None:
    """The names in a zip archive; None where it is damaged."""
    try:
        with zipfile.ZipFile(BytesIO(source) if isinstance(source, bytes) else source) as archive:
            return archive.namelist()
    except BAD_ARCHIVE:
        return None


def _checked(archive: zipfile.ZipFile, limits: Limits, name: str) -> Packed:
    infos = archive.infolist()
    limits.check_members(len(infos), name)
    kept: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        _check_member(info, name)
        if is_litter(info):
            continue
        if info.filename in kept:
            raise InvalidData(f"{name}: `{info.filename}` is in the archive twice; names must be unique")
        kept[info.filename] = info
    limits.check_bytes(sum(info.file_size for info in kept.values()), name)
    manifest = next((kept.pop(each) for each in _MANIFESTS if each in kept), None)
    kinds = {_kind(file, name) for file in kept}
    if len(kinds) != 1:
        what = "text files and images" if kinds else "no text file and no image"
        raise InvalidData(f"{name}: the archive holds {what}; pack files of one kind: .txt, or .png, .jpg, .webp, .bmp")
    limits.check_rows(len(kept), name)
    files = [kept[file] for file in sorted(kept)]
    columns = _by_folder(files, name) if manifest is None else _by_manifest(archive, manifest, files, limits, name)
    return Packed(archive, files, kinds == {"image"}, columns, limits, name)


def _check_member(info: zipfile.ZipInfo, name: str) -> None:
    path = info.filename
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in parts[0] or "\0" in path:
        raise InvalidData(f"{name}: the member name {path[:80]!r} leads out of the archive; pack it with plain names")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise InvalidData(f"{name}: `{path}` is a link; pack the file that it leads to")
    if info.flag_bits & 0x1:
        raise InvalidData(f"{name}: `{path}` is encrypted; pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InvalidData(f"{name}: `{path}` is packed in a way that is not read here; use plain deflate")
    if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise InvalidData(
            f"{name}: `{path}` unpacks to {info.file_size} bytes from {info.compress_size}, more than "
            f"{MAX_RATIO} to 1; this is how archives that only fill memories look, pack less of the same"
        )


def _kind(file: str, name: str) -> str:
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return "text"
    if suffix in IMAGE_SUFFIXES:
        return "image"
    raise InvalidData(
        f"{name}: `{file}` is neither a text file nor an image that is read here ({', '.join(sorted(TEXT_SUFFIXES))}; "
        f"{', '.join(sorted(IMAGE_SUFFIXES))}), nor {' or '.join(_MANIFESTS)} at the top; remove it "
        "(of tables an archive holds exactly one: .csv, .tsv, .json, .jsonl, .parquet, .xlsx or .npz)"
    )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise InvalidData(f"{name}: `{info.filename}` does not have the size that the archive says; pack it again")
    return data


def _by_folder(files: list[zipfile.ZipInfo], name: str) -> pa.Table:
    """One column ``label``, or none where no file is in a folder."""
    folders = [PurePosixPath(info.filename).parent.name for info in files]
    if not any(folders):
        return pa.table({"file": [info.filename for info in files]}).select([])
    for info, folder in zip(files, folders, strict=True):
        if not folder:
            raise InvalidData(
                f"{name}: `{info.filename}` is in no folder and others are; put each file into the folder of its label"
            )
    return pa.table({"label": folders})


def _by_manifest(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, files: list[zipfile.ZipInfo], limits: Limits, name: str
) -> pa.Table:
    where = f"{name}, {info.filename}"
    data = _read(archive, info, name)
    table = (
        delimited.read(data, None, limits, where) if info.filename.endswith(".csv") else jsonl.read(data, limits, where)
    )
    if "file" not in table.column_names or table.column_names.count("file") > 1:
        raise InvalidData(f"{where}: it needs one column `file` with the names of the archive's files")
    rows: dict[str, int] = {}
    for row, file in enumerate(table.column("file").cast(pa.string()).to_pylist()):
        if file in rows:
            raise InvalidData(f"{where}: it names `{file}` twice; give each file one row")
        rows[file] = row
    there = {each.filename for each in files}
    if missing := sorted(there - set(rows)):
        raise InvalidData(f"{where}: it does not name `{missing[0]}`; give each file one row, or take the file out")
    if unknown := sorted(str(each) for each in set(rows) - there):
        raise InvalidData(f"{where}: it names `{unknown[0]}`, which is not in the archive; add it, or drop the row")
    order = [rows[each.filename] for each in files]
    return table.drop_columns(["file"]).take(order)
