"""Excel workbooks: the first sheet or a named one, typed cells, and the ones that are refused."""

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.datasets.readers import Limits, open_columns, read_table, sniff, table_format
from app.datasets.readers.findings import findings_of
from app.errors import InvalidData
from contract.rows.files import Reading

HEADER = ["n", "x", "ok", "day", "at", "word", "y"]
ROWS: list[list[Any]] = [
    [1, 2.5, True, dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 12), "007", "yes"],
    [None, 3, False, dt.date(2026, 2, 1), dt.datetime(2026, 1, 31, 12, 0, 1), "Łódź", "no"],
]


def workbook(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def refusal(content: bytes, **how: Any) -> str:
    with pytest.raises(InvalidData) as caught:
        read_table(content, name="dataset ds_1", **how)
    return caught.value.detail


def test_a_sheet_is_a_table_with_the_types_of_its_cells(tmp_path: Path) -> None:
    content = workbook(("one", [HEADER, *ROWS]))
    path = tmp_path / "it"
    path.write_bytes(content)
    assert sniff(content, None, "it") == "xlsx"
    table = read_table(path)
    assert table_format(table) == "xlsx"
    assert table.to_pylist() == read_table(content).to_pylist() == [
        {"n": 1, "x": 2.5, "ok": True, "day": 20484, "at": 1769860800.0, "word": "007", "y": "yes"},
        {"n": None, "x": 3.0, "ok": False, "day": 20485, "at": 1769860801.0, "word": "Łódź", "y": "no"},
    ]  # fmt: skip
    codes = [finding.code for finding in findings_of(table)]
    assert codes[:3] == ["dates_as_numbers", "dates_as_numbers", "timestamp_without_zone"]
    assert open_columns(path).names == HEADER


def test_the_first_sheet_or_the_named_one_is_read_and_that_is_said() -> None:
    content = workbook(("one", [["a", "y"], [1, "x"]]), ("two", [["b", "y"], [2, "z"]]))
    first, second = read_table(content), read_table(content, reading=Reading(sheet="two"))
    assert (first.column_names, second.column_names) == (["a", "y"], ["b", "y"])
    finding = findings_of(first)[0]
    assert (finding.code, finding.mend) == ("sheet", "declare `sheet` to read another")
    assert "there are `one`, `two`" in refusal(content, reading=Reading(sheet="three"))
    assert "the sheet `one` is empty" in refusal(workbook(("one", []), ("two", [["a"], [1]])))


def test_empty_rows_and_columns_around_the_table_are_left_out() -> None:
    content = workbook(("one", [[], [None, None, None], [None, "a", "y"], [None, 1, "x"], [], [None, 2, "z"]]))
    assert read_table(content).to_pylist() == [{"a": 1, "y": "x"}, {"a": 2, "y": "z"}]


def test_a_column_of_several_types_is_text_as_a_csv_would_have_it() -> None:
    content = workbook(
        ("one", [["a", "y"], [1, "x"], ["?", "z"], [2.5, "x"], [True, "z"], [dt.date(2026, 1, 31), "x"]])
    )
    assert read_table(content)["a"].to_pylist() == ["1", None, "2.5", "true", "2026-01-31"]


def test_types_are_those_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.datasets.readers.workbooks._BATCH_ROWS", 2)
    rows = [[at, at, dt.date(2026, 1, 31)] for at in range(5)]
    mixed = workbook(("one", [["a", "b", "c"], *rows, [0.5, "text", dt.datetime(2026, 1, 31, 1)], [None, None, None]]))
    assert "column `b` is mostly numbers (5 of 6 cells), and 1 is not: row 6 `text`" in refusal(mixed)
    table = read_table(mixed, reading=Reading(kinds={"b": "category"}))
    assert table["a"].to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0, 0.5]
    assert table["b"].to_pylist() == ["0", "1", "2", "3", "4", "text"]
    assert table["c"].to_pylist()[-1] - table["c"].to_pylist()[0] == 3600.0


def test_a_sheet_without_a_header_row_asks_for_columns() -> None:
    content = workbook(("one", [[5.1, 3.5, "a"], [4.9, 3, "a"], [6, 2, "b"]]))
    assert "give `columns`" in refusal(content)
    assert read_table(content, reading=Reading(columns=("p", "q", "y"))).num_rows == 3
    assert "declares 2 names" in refusal(content, reading=Reading(columns=("p", "y")))


def test_what_is_no_whole_workbook_is_refused_by_name() -> None:
    content = workbook(("one", [HEADER, *ROWS]))
    assert "not a whole NPZ" in refusal(content[: len(content) // 2])
    assert "this workbook cannot be read" in refusal(content[: len(content) // 2], format="xlsx")
    bare = io.BytesIO()
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing/>")
    assert "this workbook cannot be read" in refusal(bare.getvalue())
    ods = io.BytesIO()
    with zipfile.ZipFile(ods, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    assert "an OpenDocument file (.ods); save it as .xlsx" in refusal(ods.getvalue())


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    big = workbook(("one", [["a", "y"], *([1, 2] for _ in range(3000))]))
    assert "and 1000 are allowed" in refusal(big, limits=Limits(max_bytes=1000))
    assert "and 100 are allowed" in refusal(big, limits=Limits(max_rows=100))
    assert "and 1 are allowed" in refusal(big, limits=Limits(max_columns=1))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 4_000_000)
    unpacked: list[str] = []
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: unpacked.append(str(self)))
    assert "200 to 1" in refusal(bomb.getvalue())
    assert unpacked == [], "its sizes are looked at before anything is unpacked"
    assert "members, and 2 are allowed" in refusal(big, limits=Limits(max_members=2))


def test_a_damaged_part_is_refused() -> None:
    content = bytearray(workbook(("one", [HEADER, *ROWS])))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        info = archive.getinfo("xl/worksheets/sheet1.xml")
    content[info.header_offset + 60 + len(info.filename)] ^= 0xFF
    assert "cannot be read" in refusal(bytes(content))


def test_the_rows_of_a_merged_range_have_its_value_wherever_the_table_begins() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([])
    for row in (
        [None, "g", "n", "y"],
        [None, "p", 1, "a"],
        [None, None, 2, "b"],
        [None, "q", 3, "a"],
        [None, None, 4, "b"],
    ):
        sheet.append(row)
    sheet.merge_cells("B3:B4")
    sheet.merge_cells("B5:B6")
    buffer = io.BytesIO()
    book.save(buffer)
    table = read_table(buffer.getvalue())
    assert table.to_pydict() == {"g": ["p", "p", "q", "q"], "n": [1, 2, 3, 4], "y": ["a", "b", "a", "b"]}
    assert [finding.code for finding in findings_of(table)] == ["merged_cells"]
