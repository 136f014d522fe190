"""What cells of texts are: formats of numbers in other scripts and currencies, markers of missing cells, units."""

import pytest

from app.datasets.readers import read_table
from app.datasets.readers.findings import findings_of
from app.errors import InvalidData


def column(*cells: str) -> bytes:
    return "\n".join(["x", *(f'"{cell}"' for cell in cells)]).encode()


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (["1,23,456", "12,34,567", "1,000"], [123456, 1234567, 1000], "groups of three digits"),
        (["USD 5", "USD 1,200.50"], [5, 1200.5], "a currency sign, which is dropped"),
        (["R$ 5,00", "R$ 1.000,00"], [5, 1000], "a decimal comma"),
        (["10 000,00 zł", "5,50 zł"], [10000, 5.5], "a currency sign, which is dropped"),
        (["-kr 5", "kr 6"], [-5, 6], "a currency sign, which is dropped"),
        (["１２", "３．５"], [12, 3.5], "digits of another script"),
        (["١٢", "٣٫٥"], [12, 3.5], "digits of another script"),
        (["१२", "३४"], [12, 34], "digits of another script"),
        (["1,234.50-", "3.00", "2−"], [-1234.5, 3, -2], "a minus behind them"),
        (["45 %", "5 %"], [0.45, 0.05], "per cent, divided by 100"),
    ],
)
def test_numbers_are_read_in_the_formats_of_other_places(cells: list[str], numbers: list[float], said: str) -> None:
    table = read_table(column(*cells))
    assert table["x"].to_pylist() == numbers
    (finding,) = [each for each in findings_of(table) if each.code == "number_format"]
    assert said in finding.detail


@pytest.mark.parametrize("marker", ["(null)", "<NULL>", "Not applicable", "no data", "*", "na.", "NaT", "#NULL!"])
def test_markers_of_missing_numbers(marker: str) -> None:
    assert read_table(column("1", "2", marker))["x"].to_pylist() == [1, 2, None]


@pytest.mark.parametrize("cells", [["USD 5", "EUR 6", "USD 7"], ["5 -3", "3", "2", "1"], ["1.5k", "2", "3", "4"]])
def test_what_does_not_fit_most_numbers_is_named(cells: list[str]) -> None:
    with pytest.raises(InvalidData, match="column `x` is mostly numbers"):
        read_table(column(*cells))


@pytest.mark.parametrize(
    "cells", [["120/80", "130/85", "110/70"], ["0-9", "10-19", "20-29"], ["(0,9]", "(9,19]", "(19,29]"]]
)
def test_digits_that_make_no_number_stay_texts_and_that_is_said(cells: list[str]) -> None:
    table = read_table(column(*cells))
    assert table["x"].to_pylist() == cells
    assert [(said.code, said.rows) for said in findings_of(table)] == [("digits_as_text", 3)]
    assert not findings_of(read_table(column("a1", "b2", "c3")))


def test_numbers_with_one_unit_stay_texts_and_that_is_said() -> None:
    table = read_table(column("5 kg", "6.5 kg", "7 kg", "none"))
    assert table["x"].to_pylist()[0] == "5 kg"
    (said,) = findings_of(table)
    assert (said.code, said.rows) == ("numbers_with_unit", 3)
    for cells in (["5a", "6b", "7c"], ["ward 1", "ward 2", "ward 3"], ["5 kg", "6 kg"]):
        assert not findings_of(read_table(column(*cells)))
