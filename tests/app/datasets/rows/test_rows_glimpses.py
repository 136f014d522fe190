"""What a few rows of a file are: a text's beginning, a small picture, a table's cells; by their numbers in the file."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from app.datasets.readers import Limits
from app.datasets.rows.glimpses import SIDE, TEXT, glimpses, small_png
from contract.rows.files import InputFile


def file(name: str, target: str = "label", form: str = "") -> InputFile:
    return InputFile(name=name, digest="0" * 64, format=form, target=target)


def test_cells_of_a_table_have_names_and_the_label_is_not_among_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("age,city,label\n39,Ulm,yes\n,Kiel,\n41,,no\n")
    found = glimpses(path, file("a.csv"), Limits(), {1, 2, 3}, images=True, documents=False)
    assert [found[row].text for row in (1, 2, 3)] == ["age: 39 · city: Ulm", "age: — · city: Kiel", "age: 41 · city: —"]


def test_a_document_is_told_by_its_beginning_under_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n{"text": ""}\n{"text": "%s"}\n' % ("long " * 100))
    found = glimpses(path, file("a.jsonl", "", "jsonl"), Limits(), {1, 3}, images=False, documents=True)
    assert found.keys() == {1, 3}
    assert found[1].text == "x"
    assert found[3].text == ("long " * 100)[:TEXT]


def test_pictures_of_an_archive_are_small_and_each_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, (level, shape) in enumerate(((10, (200, 100)), (250, (30, 40)), (90, (20, 20)))):
            buffer = io.BytesIO()
            Image.fromarray(np.full(shape, level, np.uint8)).save(buffer, "PNG")
            archive.writestr(f"kind/{number}.png", buffer.getvalue())
    found = glimpses(path, file("a.zip"), Limits(), {1, 2}, images=True, documents=False)
    assert found.keys() == {1, 2}
    pictures = {row: Image.open(io.BytesIO(each.picture)) for row, each in found.items()}
    assert {row: picture.size for row, picture in pictures.items()} == {1: (32, SIDE), 2: (40, 30)}
    assert {row: picture.getpixel((0, 0)) for row, picture in pictures.items()} == {1: 10, 2: 250}


def test_values_of_another_range_are_stretched() -> None:
    picture = Image.open(io.BytesIO(small_png(np.array([[-1.0, 0.0], [0.0, 1.0]]))))
    assert np.asarray(picture).tolist() == [[0, 127], [127, 255]]
    grey = Image.open(io.BytesIO(small_png(np.full((2, 2, 1), 7.0))))
    assert np.asarray(grey).tolist() == [[7, 7], [7, 7]]
