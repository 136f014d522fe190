"""What a missing cell becomes: of all players' rows together, whoever has them, in whatever order."""

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.rows.filling import any_gap, as_matrix, median, most_frequent, text_counts


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(values))])


NOTHING = pa.chunked_array([pa.array([None, None], pa.float64())])


def test_the_median_is_of_all_players_rows_and_neither_split_nor_order_counts() -> None:
    split = [column(1.0, 9.0), column(2.0, None, 4.0)]
    assert median(split, column(100.0)) == 3.0
    assert median([column(4.0, 1.0, 2.0, 9.0)], column(100.0)) == 3.0


def test_where_no_player_has_a_value_the_test_set_s_are_taken_and_where_nobody_has_zero() -> None:
    assert median([NOTHING], column(5.0, 7.0)) == 6.0
    assert median([NOTHING], NOTHING) == 0.0


def test_the_most_frequent_text_is_of_all_players_and_of_several_the_first_by_name() -> None:
    players = [column("b", "a", None), column("b", "a", "c")]
    assert most_frequent(players, column("z", "z", "z")) == "a"
    assert most_frequent([*players, column("b")], column("z")) == "b"
    none = pa.chunked_array([pa.array([None], pa.string())])
    assert most_frequent([none], column("z", "y", "z")) == "z"
    assert most_frequent([none], none) == ""


def test_texts_are_counted_without_the_cells_that_are_missing() -> None:
    assert text_counts(column("a", None, "b", "a")) == {"a": 2, "b": 1}


def test_columns_become_matrices_with_nan_where_a_cell_is_missing() -> None:
    assert as_matrix(column(1, 2)).tolist() == [[1.0], [2.0]]
    assert as_matrix(column(True, False)).tolist() == [[1.0], [0.0]]
    assert np.isnan(as_matrix(column(1.5, None))).tolist() == [[False], [True]]


@pytest.mark.parametrize(("values", "gap"), [(("1", "2"), False), (("1", ""), True)])
def test_a_text_column_that_is_read_as_numbers_may_say_that_there_is_none(values: tuple[str, ...], gap: bool) -> None:
    texts = pa.chunked_array([pa.array(values).dictionary_encode()])
    assert any_gap([texts]) is gap
    assert not any_gap([column(1.0, None)]), "a number's column is no text"
