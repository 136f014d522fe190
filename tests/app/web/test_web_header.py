"""What may be predicted is picked from a chosen file's header, read in the browser before anything is sent."""

import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page

from app.web.rendering import HERE
from tests.app.web.browsing import pytestmark  # noqa: F401 - the marks of the module

NAMES = ["age", "Größe, cm", "مدينة", "<label>", "北京"]


@pytest.fixture
def page(chromium: Browser) -> Any:
    """An empty page with the script that reads headers."""
    opened = chromium.new_page()
    opened.set_content('<input type="file" id="file">')
    opened.add_script_tag(path=HERE / "static" / "header.js")
    yield opened
    opened.close()


def columns(page: Page, file: Path, sheet: str = "") -> list[str]:
    page.set_input_files("#file", file)
    names: list[str] = page.evaluate("(sheet) => columnsOf(document.getElementById('file').files[0], sheet)", sheet)
    return names


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_of_a_workbook_the_first_sheet_or_the_one_that_is_named(page: Page, tmp_path: Path) -> None:
    other = [["only here", "label"], ["x", 1]]
    path = workbook(tmp_path / "wards.xlsx", first=[NAMES, [1, 2, "x", "y", "z"]], second=other)
    assert columns(page, path) == NAMES
    assert columns(page, path, "second") == ["only here", "label"]


def test_of_a_workbook_with_many_rows_only_the_first_is_read(page: Page, tmp_path: Path) -> None:
    rows = [[at, f"patient {at}"] for at in range(3000)]
    assert columns(page, workbook(tmp_path / "long.xlsx", first=[["a", "b"], *rows])) == ["a", "b"]


def test_words_in_the_cells_themselves_and_numbers_are_names_too(page: Page, tmp_path: Path) -> None:
    """As programs write workbooks that share no words: inline strings, and an empty row before the first with cells."""
    source = zipfile.ZipFile(workbook(tmp_path / "plain.xlsx", first=[["a"]]))
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"/>'
        '<row r="2"><c r="A2" t="inlineStr"><is><t>a &amp; b</t></is></c><c r="B2"><v>2024</v></c></row>'
        "</sheetData></worksheet>"
    )
    path = tmp_path / "inline.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        for name in source.namelist():
            made.writestr(name, sheet if name.endswith("sheet1.xml") else source.read(name))
    assert columns(page, path) == ["a & b", "2024"]


def test_of_parquet_the_columns_and_not_what_is_in_them(page: Page, tmp_path: Path) -> None:
    values: dict[str, Any] = {name: [1.5, 2.5] for name in NAMES}
    nested = {"visits": [[1, 2], []], "place": [{"x": 1, "y": 2}, None], "label": ["yes", "no"]}
    path = tmp_path / "wards.parquet"
    pq.write_table(pa.table(values | nested), path, compression="zstd")
    assert columns(page, path) == [*NAMES, "visits", "place", "label"]
    many = {f"column {at}": [at] for at in range(300)}
    pq.write_table(pa.table(many), path)
    assert columns(page, path) == list(many)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.csv", '\ufeff"first name";age\nx;1\n', ["first name", "age"]),
        ("a.tsv", "a\tb\n", ["a", "b"]),
        ("a.jsonl", '{"a": 1, "label": "x"}\n', ["a", "label"]),
        ("a.npz", "PK", []),
    ],
)
def test_of_texts_what_their_first_line_names(
    page: Page, tmp_path: Path, name: str, text: str, found: list[str]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert columns(page, path) == found


@pytest.mark.parametrize("name", ["broken.xlsx", "broken.parquet"])
def test_what_is_broken_names_nothing_and_stops_nothing(page: Page, tmp_path: Path, name: str) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), content)
    path = tmp_path / name
    path.write_bytes(content.getvalue()[:-9] + b"\xff" * 5 + content.getvalue()[-4:])
    page.set_input_files("#file", path)
    refused = page.evaluate("columnsOf(document.getElementById('file').files[0]).then(() => false, () => true)")
    assert refused is True
