"""One file's rows: what is dropped is named compactly, and a player's rows are the same in whatever files they come."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.readers import Limits
from app.datasets.rows.encoding import EncodedRows
from app.errors import InvalidData
from app.valuations.players.files import drop_mask, join_rows, table_of, used_rows
from contract.rows.files import InputFile

CSV = InputFile(name="dataset a", digest="d", format="csv", target="colour")


def encoded(count: int, seed: int = 0) -> EncodedRows:
    rng = np.random.default_rng(seed)
    return EncodedRows(rng.normal(size=(count, 3)).astype(np.float32), rng.integers(0, 2, count))


@given(st.lists(st.booleans(), max_size=40))
def test_what_is_kept_is_what_was_not_dropped(kept: list[bool]) -> None:
    keep, rows = np.array(kept, dtype=np.bool_), encoded(len(kept))
    used = used_rows(rows, drop_mask(keep))
    assert used.X.tolist() == rows.X[keep].tolist()
    assert used.y.tolist() == rows.y[keep].tolist()


def test_where_nothing_is_dropped_nothing_is_named() -> None:
    assert drop_mask(np.ones(9, dtype=np.bool_)) == ""
    assert drop_mask(np.zeros(9, dtype=np.bool_)) != ""


@given(st.permutations(range(12)), st.integers(1, 11))
def test_rows_are_the_same_however_they_are_ordered_and_cut_into_files(order: list[int], cut: int) -> None:
    whole = encoded(12)
    there = np.array(order)
    parts = [EncodedRows(whole.X[each], whole.y[each]) for each in (there[:cut], there[cut:])]
    joined = join_rows(parts)
    assert joined.X.tobytes() == join_rows([whole]).X.tobytes()
    assert joined.y.tolist() == join_rows([whole]).y.tolist()
    assert joined.digest == whole.digest


def test_the_label_column_is_called_as_the_job_calls_it(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("size,colour\n1,red\n2,blue\n")
    assert table_of(path, CSV, "label", Limits()).column_names == ["size", "label"]
    assert table_of(path, CSV, "colour", Limits()).column_names == ["size", "colour"]
    both = "size,colour,label\n1,red,x\n"
    path.write_text(both)
    assert table_of(path, CSV, "label", Limits()).column_names == ["size", "colour", "label"], "no column is hidden"


def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("size,colour\n1,red\n1\n")
    with pytest.raises(InvalidData, match="dataset a"):
        table_of(path, CSV, "colour", Limits())
