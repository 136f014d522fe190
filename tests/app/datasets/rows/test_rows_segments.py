"""Segments of rows by a column: rare values are one together, and no left-over part is small."""

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.segments import drawn_least, segment_names, segmented, segments_digest
from app.errors import InvalidData
from contract.rows.segments import MOST_OF_PAYEE, OTHER


def test_values_of_enough_rows_are_segments_of_one_number_in_every_file() -> None:
    names = {"a": ["x"] * 12 + ["y"] * 11, "b": ["y"] * 15, "c": ["x"] * 4 + [None] * 9}
    found = segmented(names, [["a"], ["b"], ["c"]], ["y"], [10, 10, 10])
    assert [(each.name, each.in_test) for each in found.segments] == [("", False), ("x", False), ("y", True)]
    assert np.unique(found.numbers["a"]).tolist() == [1, 2]
    assert np.unique(found.numbers["b"]).tolist() == [2]
    assert np.unique(found.numbers["c"]).tolist() == [OTHER]


@pytest.mark.parametrize("rare", [1, 9])
def test_few_rows_that_are_left_over_take_the_smallest_segment_with_them(rare: int) -> None:
    names: list[str | None] = ["x"] * 20 + ["y"] * 12 + ["z"] * rare
    found = segmented({"a": names}, [["a"]], (), [10])
    assert np.bincount(found.numbers["a"]).tolist() == [12 + rare, 20]


def test_a_payee_s_files_are_counted_together_and_its_segments_are_bounded() -> None:
    found = segmented({"a": ["x"] * 6, "b": ["x"] * 6}, [["a", "b"]], (), [10])
    assert {*found.numbers["a"].tolist(), *found.numbers["b"].tolist()} == {1}
    many: list[str | None] = [f"v{at:03d}" for at in range(MOST_OF_PAYEE + 20) for _ in range(10)]
    assert len(segmented({"a": many}, [["a"]], (), [10]).segments) == MOST_OF_PAYEE + 1


def test_numbers_are_named_alike_whatever_their_type_and_a_missing_column_is_refused() -> None:
    assert segment_names(pa.table({"month": [1.0, 2.0, None]}), "month") == ["1", "2", None]
    with pytest.raises(InvalidData, match="no column `ward`"):
        segment_names(pa.table({"month": [1]}), "ward")


def test_the_digest_is_of_which_row_is_where_in_any_order() -> None:
    X, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.zeros(3, dtype=np.int64)
    numbers = np.array([1, 1, 2])
    turned = EncodedRows(X[::-1], y, numbers[::-1])
    assert segments_digest([EncodedRows(X, y, numbers)]) == segments_digest([turned])
    assert segments_digest([turned]) != segments_digest([EncodedRows(X, y, numbers[::-1])])


def test_how_many_rows_a_segment_needs_is_drawn_by_the_payees_contents_and_is_the_same_whoever_asks() -> None:
    drawn = [drawn_least(10, "5e" * 32, [f"content {at}", "other"]) for at in range(2000)]
    assert (min(drawn), max(drawn)) == (10, 30)
    assert np.bincount(drawn)[10:].std() < 25, "each as often as another"
    assert drawn_least(10, "5e" * 32, ["other", "content 0"]) == drawn[0]
    assert [drawn_least(10, "5f" * 32, [f"content {at}", "other"]) for at in range(2000)] != drawn
    assert drawn_least(10, "", ["content 0"]) == 10, "who has all files draws nothing"
