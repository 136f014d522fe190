"""What a table says stays whole at any width, names that begin alike included."""

import io

import pytest
from rich.console import Console

from app.cli.tables import print_table

HEADINGS = ("provider", "rows", "value", "std. error", "share", "95 % interval", "test rows", "unlearning", "seeds")
NUMBERS = ("60", "0.25139", "0.05507", "54.52 %", "42.72 to 61.30", "18.6", "0.0", "0.0")


def printed(width: int, *names: str) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, HEADINGS, [(name, *NUMBERS) for name in names])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_numbers_words_and_names_stay_whole(width: int) -> None:
    text = printed(width, "county_north", "county_south")
    assert "…" not in text
    for word in ["county_north", "county_south", "54.52 %", "42.72 to", *" ".join([*HEADINGS, *NUMBERS]).split()]:
        assert word in text


def test_a_long_name_goes_on_in_the_next_line() -> None:
    name = "the-data-office-of-the-county-of-nordmark-and-its-eleven-hospitals"
    lines = printed(80, name).splitlines()
    assert "".join(line[:12].strip() for line in lines).endswith(name)
    assert max(map(len, lines)) <= 80


def test_wide_letters_count_as_what_they_take() -> None:
    assert "北岸医院数据" in printed(80, "北岸医院数据")
