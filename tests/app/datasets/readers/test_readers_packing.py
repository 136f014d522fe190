"""Compressed tables are read as what is in them; what is cut off, damaged, packed twice or a bomb is refused."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.readers import Limits, open_columns, read_table, sniff, table_format
from app.datasets.readers.findings import findings_of
from app.errors import InvalidData

CSV = b"x;city\n1,5;Oslo\n2,25;Bergen\n"
JSONL = b'{"x": 1.5, "city": "Oslo"}\n{"x": 2.25, "city": "Bergen"}\n'


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return bytes(sink.getvalue())


def zipped(data: bytes, name: str = "data/table.csv", **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        archive.writestr("__MACOSX/._x", b"\0")
        for each, content in more.items():
            archive.writestr(each.replace("__", "."), content)
    return buffer.getvalue()


PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "Zstandard": zstd, "zip": zipped}


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS.keys())
@pytest.mark.parametrize("content", [CSV, JSONL], ids=["csv", "jsonl"])
def test_a_packed_table_is_the_table(tmp_path: Path, packer: Callable[[bytes], bytes], content: bytes) -> None:
    path = tmp_path / "it"
    path.write_bytes(packer(content))
    expected = read_table(content)
    table = read_table(path)
    assert table.to_pylist() == expected.to_pylist() == read_table(packer(content)).to_pylist()
    assert table_format(table) == table_format(expected) == sniff(path, None, "it")
    assert "unpacked" in [finding.code for finding in findings_of(table)]
    opened = open_columns(path, group_bytes=20)
    assert [row for group in opened.groups for row in group.column_names] == ["x", "city"]


@pytest.mark.parametrize(("what", "packer"), PACKERS.items(), ids=PACKERS.keys())
def test_a_packed_table_that_is_cut_off_or_damaged_is_refused(what: str, packer: Callable[[bytes], bytes]) -> None:
    packed = packer(b"x,y\n" + b"".join(b"%d,%d\n" % (i * i, i % 7) for i in range(3000)))
    with pytest.raises(InvalidData, match=rf"{what}|cannot be read|whole NPZ"):
        read_table(packed[: len(packed) // 2])
    if what != "Zstandard":  # written without a checksum here
        damaged = bytearray(packed)
        damaged[len(packed) // 3] ^= 0x10
        with pytest.raises(InvalidData, match=f"this is {what} data that is cut off or damaged"):
            read_table(bytes(damaged))


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS.keys())
def test_a_packed_bomb_is_refused_before_it_fills_memory(packer: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidData, match="more than 200 times"):
        read_table(packer(b"x,y\n" + b"1,2\n" * 2_000_000))
    some = packer(b"x,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(3000)))
    with pytest.raises(InvalidData, match="and 10000 are allowed"):
        read_table(some, limits=Limits(max_bytes=10_000))


def test_what_is_packed_twice_or_holds_several_tables_is_refused() -> None:
    with pytest.raises(InvalidData, match="inside the gzip data there is gzip"):
        read_table(gzip.compress(gzip.compress(CSV)))
    with pytest.raises(InvalidData, match="inside the xz data there is a zip archive"):
        read_table(lzma.compress(zipped(CSV)))
    with pytest.raises(InvalidData, match="of tables an archive holds exactly one"):
        read_table(zipped(CSV, other__csv=CSV))
    with pytest.raises(InvalidData, match="unpacked with gzip it is empty"):
        read_table(gzip.compress(b""))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 20, r"\(\.xls\); save it as \.xlsx"),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 20, "a 7-Zip archive"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 20, "a JPEG image"),
    ],
)
def test_other_binary_files_are_named_and_never_called_an_encoding(head: bytes, says: str) -> None:
    with pytest.raises(InvalidData, match=says):
        read_table(head)


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def npz(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.array(table[name].to_pylist()) for name in table.column_names})
    return buffer.getvalue()


def xlsx(table: pa.Table) -> bytes:
    book = openpyxl.Workbook()
    for row in (table.column_names, *(list(row.values()) for row in table.to_pylist())):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS.keys())
@pytest.mark.parametrize("write", [parquet, npz, xlsx], ids=lambda each: each.__name__)
def test_a_packed_table_of_numbers_is_unpacked_into_memory(
    tmp_path: Path, packer: Callable[[bytes], bytes], write: Callable[[pa.Table], bytes]
) -> None:
    table = pa.table({"x": [1.5, 2.5], "city": ["Oslo", "Bergen"]})
    content = write(table)
    path = tmp_path / "it"
    path.write_bytes(zipped(content, f"it.{write.__name__}") if packer is zipped else packer(content))
    found = read_table(path)
    assert found.to_pylist() == table.to_pylist()
    assert "unpacked" in [finding.code for finding in findings_of(found)]
    assert "unpacked" in [finding.code for group in open_columns(path).groups for finding in findings_of(group)]
    assert table_format(found) == write.__name__
