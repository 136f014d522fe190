"""Texts and images one by one: which column is shown, what is no image, and what names an item."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.datasets.readers import Limits
from app.datasets.rows.items import IMAGE, TEXT, number_labels, opened, read_stand_ins
from app.errors import InvalidData

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
LABELS = ["a", "b", "a", "b"]
# an NPZ's labels are y, an archive's are its folders
TARGETS = {"npz": "y"}


def read(path: Path, format_: str, kind: str, side: int | None = None) -> tuple[list[str], list[Any]]:
    with opened(path, format_, kind, TARGETS.get(format_, "label"), Limits(), "it", side) as items:
        return items.labels, list(items.values)


@pytest.fixture
def texts(tmp_path: Path) -> Any:
    def write(content: str) -> Path:
        path = tmp_path / "it.csv"
        path.write_text(content)
        return path

    return write


def archive(path: Path, pixels: np.ndarray = PIXELS) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for number, (label, image) in enumerate(zip(LABELS, pixels, strict=True)):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            packed.writestr(f"{label}/{number}.png", file.getvalue())
    return path


def array(path: Path, pixels: np.ndarray = PIXELS) -> Path:
    np.savez(path, X=pixels.astype(np.float32), y=np.array(LABELS))
    return path


def test_the_column_text_is_shown_and_others_are_not(texts: Any) -> None:
    path = texts("title,text,label\nx,the sea rose,yes\ny,two and two,no\nz,the sea rose,yes\n")
    assert read(path, "csv", TEXT) == (["yes", "no", "yes"], ["the sea rose", "two and two", "the sea rose"])


def test_without_it_the_only_text_column_beside_the_target_is_shown(texts: Any) -> None:
    path = texts("age,note,label\n1,one,yes\n2,two,no\n")
    assert read(path, "csv", TEXT)[1] == ["one", "two"]


@pytest.mark.parametrize("content", ["a,b,label\nx,y,yes\nz,w,no\n", "age,label\n1,yes\n2,no\n"])
def test_where_no_column_is_the_text_those_there_are_named(texts: Any, content: str) -> None:
    with pytest.raises(InvalidData, match=r"beside the target there is `\w+`.* an encoder takes one column `text`"):
        read(texts(content), "csv", TEXT)


def test_a_target_that_is_missing_is_refused(texts: Any) -> None:
    with pytest.raises(InvalidData, match="label"):
        read(texts("text,other\nx,yes\n"), "csv", TEXT)


def test_images_of_an_array_come_as_they_are_and_of_an_archive_in_their_own_size(tmp_path: Path) -> None:
    labels, values = read(array(tmp_path / "it.npz"), "npz", IMAGE)
    assert labels == LABELS
    assert all(np.array_equal(one, other) for one, other in zip(values, PIXELS, strict=True))
    labels, values = read(archive(tmp_path / "it.zip"), "zip", IMAGE)
    assert sorted(labels) == sorted(LABELS)
    assert {value.shape for value in values} == {(6, 5, 3)}
    assert {value.shape[:2] for value in read(tmp_path / "it.zip", "zip", IMAGE, 4)[1]} == {(4, 4)}


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((4, 3)), "there is no column of images; send a zip of them, or an NPZ with X"),
        (np.zeros((4, 3, 3, 4)), "row 1 is no image"),
        (np.full((4, 3, 3), -1.0), "row 1 has values from -1 to -1, not 0 to 255"),
        (np.full((4, 3, 3), 255.5), "not 0 to 255"),
    ],
)
def test_what_is_no_image_is_refused_with_its_row(tmp_path: Path, pixels: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        read(array(tmp_path / "it.npz", pixels), "npz", IMAGE)


def test_an_archive_of_texts_is_nothing_for_a_backbone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "it.zip", "w") as packed:
        packed.writestr("a/1.txt", "the sea")
        packed.writestr("b/2.txt", "two")
    with pytest.raises(InvalidData, match="the archive holds texts, and the backbone takes images"):
        read(tmp_path / "it.zip", "zip", IMAGE)


def test_the_same_pixels_are_the_same_image_in_an_archive_and_in_an_array(tmp_path: Path) -> None:
    one = read_stand_ins(array(tmp_path / "it.npz"), "npz", IMAGE, "y", Limits(), "it").prints
    other = read_stand_ins(archive(tmp_path / "it.zip"), "zip", IMAGE, "label", Limits(), "it").prints
    assert one.shape == (4, 8)
    assert {row.tobytes() for row in one} == {row.tobytes() for row in other}
    changed = PIXELS.copy()
    changed[0, 0, 0, 0] ^= 1
    third = read_stand_ins(array(tmp_path / "x.npz", changed), "npz", IMAGE, "y", Limits(), "it").prints
    assert [np.array_equal(a, b) for a, b in zip(one, third, strict=True)] == [False, True, True, True]


def test_the_same_text_has_the_same_fingerprint_whatever_its_label(texts: Any) -> None:
    path = texts("text,label\nthe sea,yes\nthe sea,no\ntwo,no\nthe sea,yes\n,\n")
    read = read_stand_ins(path, "csv", TEXT, "label", Limits(), "it")
    prints = read.prints
    assert read.labels == ["yes", "no", "no", "yes"]
    assert [(each.code, each.rows) for each in read.findings] == [
        ("missing_labels", 1), ("duplicate_rows", 1)
    ]  # fmt: skip
    with pytest.raises(InvalidData, match="row 5 has no label"):
        read_stand_ins(path, "csv", TEXT, "label", Limits(), "it", missing_labels="refuse")
    assert np.array_equal(prints[0], prints[1])
    assert not np.array_equal(prints[0], prints[2])


def test_labels_become_the_numbers_of_their_classes_and_an_unknown_one_is_named() -> None:
    assert number_labels(["b", "a", "b"], ["a", "b", "c"], "it").tolist() == [1, 0, 1]
    assert number_labels([], ["a"], "it").dtype == np.int64
    with pytest.raises(InvalidData, match="it: it has the label 'x', which is none of the job's classes; drop those"):
        number_labels(["a", "z", "x"], ["a", "b"], "it")
