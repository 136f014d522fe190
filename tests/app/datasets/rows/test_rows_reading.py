"""A file of a job is read and checked in one way by everybody, and its rows without a label are left out."""

from pathlib import Path

import pytest

from app.datasets.rows.reading import read_rows
from app.errors import InvalidData


def test_rows_without_a_label_are_left_out_from_a_file_and_from_bytes(tmp_path: Path) -> None:
    content = b"a,label\n1,x\n2,\n3,y\n"
    (tmp_path / "it.csv").write_bytes(content)
    for source in (content, tmp_path / "it.csv"):
        table = read_rows(source, "csv", "label", name="it")
        assert table.num_rows == 2
        assert table.column("a").to_pylist() == [1, 3]


def test_a_target_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidData, match="label"):
        read_rows(b"a,b\n1,x\n", "csv", "label", name="it")
