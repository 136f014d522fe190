"""JSON lines, texts and zip archives: what they become, and the hostile ones that are refused."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from app.datasets.inspection import inspect
from app.datasets.readers import Limits, archive, images, read_table, sniff
from app.errors import InvalidData
from contract.rows.files import FileColumn


def packed(**files: bytes | str) -> bytes:
    """A zip archive; keyword ``a__b_txt`` would be clumsy, so names come as ``**{"a/b.txt": ...}``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


def picture(value: int, size: tuple[int, int] = (4, 3), mode: str = "L", kind: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value,) * len(mode)).save(buffer, kind, **how)
    return buffer.getvalue()


def look(tmp_path: Path, content: bytes, target: str | None = "label", **how: Any) -> Any:
    path = tmp_path / "it"
    path.write_bytes(content)
    told = {"format": None, "modality": None, "is_test": False, "limits": Limits(), "name": "it"} | how
    return inspect(path, target=target, **told)


def test_json_lines_are_a_table_with_the_types_that_json_says() -> None:
    lines = [{"n": 1, "x": 2, "s": "2026-01-01", "b": True}, {"n": 2, "x": 2.5, "s": "12", "b": False}]
    table = read_table("\n".join(map(json.dumps, lines)).encode())
    assert {field.name: str(field.type).split("<")[0] for field in table.schema} == {
        "n": "int64", "x": "double", "s": "dictionary", "b": "bool",
    }  # fmt: skip
    assert table.to_pylist() == lines


def test_json_lines_hold_their_types_over_many_batches() -> None:
    rows = [{"a": i, "b": "x"} for i in range(45_000)] + [{"a": 0.5, "b": "y", "late": 1}]
    table = read_table("\n".join(map(json.dumps, rows)).encode())
    assert str(table.schema.field("a").type) == "double"
    assert table.num_rows == 45_001
    assert table.column("late").null_count == 45_000
    assert table.column("late")[-1].as_py() == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1}\n{"a": "x"}\n{"a": 2}\n', "column `a` is mostly numbers (2 of 3 cells), and 1 is not: row 2 `x`"),
        (b'{"a": {"b": 1}}\n', "`a` is nested"),
        (b'{"a": 1, "a": 2}\n', "line 1 has a key twice"),
        (b'{"a": NaN}\n', "line 1 holds NaN"),
        (b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        (b'{"a": "caf\xe9"}\n', "line 1 holds the byte 0xe9"),
        (b'{"a": ' + b"[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_bad_json_lines_are_refused_with_their_line(content: bytes, says: str) -> None:
    with pytest.raises(InvalidData) as refused:
        read_table(content)
    assert says in refused.value.detail


def test_whole_numbers_beyond_what_a_number_holds_are_kept_digit_for_digit() -> None:
    lines = [
        b'{"a": 1, "b": 9007199254740993, "q": 0.5}',
        b'{"a": 99999999999999999999, "b": -2, "q": 12345678901234567890}',
    ]
    table = read_table(b"\n".join(lines))
    assert table["a"].to_pylist() == ["1", "99999999999999999999"]
    assert table["b"].to_pylist() == ["9007199254740993", "-2"]
    # beside a fraction it is a quantity
    assert table["q"].to_pylist() == [0.5, 12345678901234567890.0]


def test_a_line_without_end_is_refused_before_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.datasets.readers.jsonl.MAX_LINE", 1000)
    with pytest.raises(InvalidData, match="line 2 is longer than 1000 bytes"):
        read_table(b'{"a": 1}\n{"a": "' + b"x" * 5000 + b'"}\n')


def test_texts_become_documents(tmp_path: Path) -> None:
    whole = look(tmp_path, b"Call me Ishmael.\n", None, format="text", modality="text")
    assert (whole.format, whole.modality, whole.rows) == ("text", "text", 1)
    files = {"austen/emma.txt": "Emma", "doyle/a.txt": "\ufeffHolmes", "__MACOSX/x": b"\0", "doyle/.DS_Store": b"\0"}
    found = look(tmp_path, packed(**files))
    assert (found.format, found.modality, found.rows) == ("zip", "text", 2)
    assert [column.name for column in found.columns] == ["text", "label"]
    table = read_table(packed(**files))
    assert table.to_pylist() == [{"text": "Emma", "label": "austen"}, {"text": "Holmes", "label": "doyle"}]
    bare = read_table(packed(**{"a.txt": "one", "b.md": "two"}))
    assert bare.column_names == ["text"]


def test_a_table_with_a_column_text_is_documents_where_that_is_said(tmp_path: Path) -> None:
    content = b'{"text": "a b", "label": "x"}\n{"text": "c", "label": "y"}\n'
    assert look(tmp_path, content, modality="text").modality == "text"
    assert look(tmp_path, content, None, modality="text").modality == "text"
    assert look(tmp_path, content).modality == "tabular"
    for broken, says in (
        (b'{"body": "a", "label": "x"}\n', "name it `text`"),
        (b'{"text": 1, "label": "x"}\n', "it holds integer values"),
        (b'{"text": "a", "label": "x"}\n{"text": " ", "label": "x"}\n', "row 2 is empty"),
    ):
        with pytest.raises(InvalidData) as refused:
            look(tmp_path, broken, modality="text")
        assert says in refused.value.detail
    with pytest.raises(InvalidData, match="declared as image, but its rows are text"):
        look(tmp_path, packed(**{"a/b.txt": "x"}), modality="image")


def test_images_are_labelled_by_folder_or_by_manifest(tmp_path: Path) -> None:
    by_folder = packed(**{"cat/1.png": picture(1), "dog/2.PNG": picture(2)})
    manifest = "file,label,age\nb.jpg,dog,2\na.png,cat,1\n"
    by_manifest = packed(**{"manifest.csv": manifest, "a.png": picture(7), "b.jpg": picture(9, kind="JPEG")})
    for content in (by_folder, by_manifest):
        found = look(tmp_path, content)
        assert (found.modality, found.rows, found.columns[0]) == ("image", 2, FileColumn(name="X", type="tensor[3, 4]"))
        table = read_table(content)
        assert table.column("label").to_pylist() == ["cat", "dog"]
        assert table.column("X").type.shape == [3, 4]
    assert read_table(by_manifest).column("age").to_pylist() == [1, 2]
    pixels = read_table(by_folder).column("X").chunk(0).to_numpy_ndarray()
    assert np.array_equal(pixels, np.stack([np.full((3, 4), 1.0), np.full((3, 4), 2.0)]))


def test_images_of_different_sizes_are_accepted_and_made_equal_on_request(tmp_path: Path) -> None:
    content = packed(**{"a/1.png": picture(1), "b/2.png": picture(2, (8, 6))})
    assert look(tmp_path, content).columns[0] == FileColumn(name="X", type="image")
    with pytest.raises(InvalidData, match="images differ in shape"):
        read_table(content)
    with archive.opened(content, Limits(), "it") as opened:
        table = images.read(opened, size=(5, 7))
    assert table.column("X").type.shape == [5, 7]


def bomb_header() -> bytes:
    """A PNG of 60000 x 60000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def noise() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bomb_header(), "cannot be|can be decoded|pixels"),
        (noise()[:2000], "can be decoded"),
        (b"GIF89a" + b"\0" * 50, "can be decoded"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "can be decoded"),
        (
            picture(1, mode="RGB", kind="WEBP", save_all=True, append_images=[Image.new("RGB", (4, 3), (250, 9, 9))]),
            "several frames",
        ),
    ],
)
def test_images_that_are_bombs_or_no_images_are_refused(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InvalidData, match=says):
        look(tmp_path, packed(**{"a/1.png": picture(1), "b/2.png": data}))


def lying(content: bytes, claimed: int) -> bytes:
    """The archive with the unpacked size of its first member forged in both of its headers."""
    size = zipfile.ZipFile(io.BytesIO(content)).infolist()[0].file_size
    return content.replace(struct.pack("<I", size), struct.pack("<I", claimed))


def link(target: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo("a/link.txt")
        info.external_attr = 0o120777 << 16
        file.writestr(info, target)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (packed(**{"../../etc/passwd.txt": "x"}), "leads out of the archive"),
        (packed(**{"/etc/a.txt": "x"}), "leads out of the archive"),
        (packed(**{"a/..\\b.txt": "x"}), "leads out of the archive"),
        (packed(**{"C:/a.txt": "x"}), "leads out of the archive"),
        (link("/etc/passwd"), "is a link"),
        (packed(**{"a/b.txt": "x", "a/c.zip": packed(**{"d.txt": "x"})}), "neither a text file nor an image"),
        (packed(**{"a/b.txt": "x", "a/c.png": picture(1)}), "text files and images"),
        (packed(**{"a/b.txt": b"\0" * 3_000_000}), "200 to 1"),
        (packed(**{"a/b.txt": "x", "c.txt": "y"}), "`c.txt` is in no folder"),
        (packed(**{"manifest.csv": "file,label\na.txt,x\n", "a.txt": "1", "b.txt": "2"}), "does not name `b.txt`"),
        (packed(**{"manifest.csv": "file,label\na.txt,x\nz.txt,y\n", "a.txt": "1"}), "names `z.txt`, which is not"),
        (packed(**{"manifest.csv": "file,label\na.txt,x\na.txt,y\n", "a.txt": "1"}), "names `a.txt` twice"),
        (packed(**{"a/b.txt": "caf\xe9".encode("latin-1")}), "not UTF-8"),
        (lying(packed(**{"a/b.txt": "hello world, this is text"}), 5), "cannot be read|does not have the size"),
        (packed(**{"a/b.txt": "hello"})[:-30], "not a whole NPZ|cannot be read"),
    ],
)
def test_hostile_and_broken_archives_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(InvalidData, match=says):
        read_table(content)


def test_an_archive_of_too_many_or_too_large_members_is_refused() -> None:
    content = packed(**{f"a/{i}.txt": "some words" for i in range(20)})
    with pytest.raises(InvalidData, match="and 199 are allowed"):
        read_table(content, limits=Limits(max_bytes=199))
    with pytest.raises(InvalidData, match="20 rows, and 19 are allowed"):
        read_table(content, limits=Limits(max_rows=19))
    with pytest.raises(InvalidData, match="20 members, and 19 are allowed"):
        read_table(content, limits=Limits(max_members=19))


def test_formats_are_told_apart_by_their_bytes() -> None:
    assert sniff(b'{"a": 1}\n', None, "it") == "jsonl"
    assert sniff(b"a\tb\n1\t2\n", None, "it") == "tsv"
    assert sniff(packed(**{"a.txt": "x"}), None, "it") == "zip"
    assert sniff(packed(**{"X.npy": "x"}), None, "it") == "npz"
    assert sniff(b"any text, really", "text", "it") == "text"
    with pytest.raises(InvalidData, match="declared as npz"):
        sniff(packed(**{"a.txt": "x"}), "npz", "it")


def test_a_corpus_and_a_zip_of_images_go_through_the_service(provider: Any, upload: Callable[..., Any]) -> None:
    found = upload(provider, packed(**{"cat/1.png": picture(1), "dog/2.png": picture(2)}))
    assert (found["modality"], found["format"], found["rows"]) == ("image", "zip", 2)
    body = {"name": "corpus", "target": None, "modality": "text", "format": "text"}
    made = provider.client.post("/v1/datasets", json=body).json()
    stored = provider.client.put(f"/v1/datasets/{made['id']}/content", content=b"It was a dark night.").json()
    assert (stored["modality"], stored["target"], stored["columns"]) == (
        "text",
        None,
        [{"name": "text", "type": "text"}],
    )


def test_a_text_column_of_arrow_strings_is_what_normalise_makes() -> None:
    table = read_table(packed(**{"a/1.txt": "one", "b/2.txt": "two"}))
    assert table.column("text").cast(pa.string()).to_pylist() == ["one", "two"]
