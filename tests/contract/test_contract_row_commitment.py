"""A commitment binds to rows in any order, hides them, and one row can be shown to be among them."""

import pytest

from contract.agents import AnswerRefused
from contract.row_commitment import Cell, check_opened, commitment, leaves_of, opened

SECRET = bytes(range(32))
ROWS: list[list[Cell]] = [[float(i % 5), f"w{i}"] for i in range(11)]
ROOT = commitment(leaves_of(ROWS, SECRET))


def test_the_order_of_rows_is_no_content_and_everything_else_is() -> None:
    assert commitment(leaves_of(ROWS[::-1], SECRET)) == ROOT
    changed = [[0.5, "w0"], *ROWS[1:]]
    for others in (changed, ROWS[1:], [*ROWS, ROWS[0]], [[str(a), b] for a, b in ROWS]):
        assert commitment(leaves_of(others, SECRET)) != ROOT


def test_without_the_secret_nobody_can_try_rows() -> None:
    assert commitment(leaves_of(ROWS, bytes(32))) != ROOT


@pytest.mark.parametrize("count", [1, 2, 3, 8, 11])
def test_each_row_is_shown_by_its_path(count: int) -> None:
    leaves = leaves_of(ROWS[:count], SECRET)
    for place in range(count):
        check_opened(opened(ROWS[:count], leaves, SECRET, place), commitment(leaves), count)


@pytest.mark.parametrize(
    "forge",
    [
        {"cells": (9.0, "w1")},
        {"place": 4},
        {"place": 400},
        {"leaves": 12},
        {"salt": "00" * 32},
        {"salt": "xy"},
        {"path": ()},
    ],
)
def test_a_row_that_is_none_of_them_is_refused(forge: dict[str, object]) -> None:
    row = opened(ROWS, leaves_of(ROWS, SECRET), SECRET, 3)
    with pytest.raises(AnswerRefused):
        check_opened(row.model_copy(update=forge), ROOT, len(ROWS))
