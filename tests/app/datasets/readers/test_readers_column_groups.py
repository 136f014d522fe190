"""Columns that are read a group at a time are those of the whole table, in names, values and types."""

from pathlib import Path

import numpy as np
import pytest

from app.datasets.readers import open_columns, read_table


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "npz"])
def test_columns_read_in_groups_are_the_columns_of_the_table(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.normal(size=500) for i in range(7)} | {"y": ["a", "b"] * 250})
    path = tmp_path / "it"
    if kind == "npz":
        X = np.stack([table.column(f"x{i}").to_numpy() for i in range(7)], axis=1)
        with path.open("wb") as file:
            np.savez(file, X=X, y=np.array(table.column("y").to_pylist()))
    elif kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        delimiter = "," if kind == "csv" else "\t"
        pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter=delimiter))
    whole = read_table(path)
    opened = open_columns(path, group_bytes=9_000)
    groups = list(opened.groups)
    assert len(groups) > 2
    assert opened.names == whole.column_names
    assert [name for group in groups for name in group.column_names] == whole.column_names
    for group in groups:
        for name in group.column_names:
            assert group.column(name).equals(whole.column(name))


def test_types_are_those_of_all_rows_in_groups_too(tmp_path: Path) -> None:
    path = tmp_path / "it"
    # the first block is whole numbers alone, the rest is not
    lines = ["a,b,label"] + ["1,2,x"] * 400_000 + ["1.5,two,y"] + ["1,two,x"] * 400_001
    path.write_text("\n".join(lines))
    kinds = {name: str(group.column(name).type) for group in open_columns(path, group_bytes=1_000_000).groups
             for name in group.column_names}  # fmt: skip
    assert kinds["a"] == "double"
    assert kinds["b"].startswith("dictionary")
