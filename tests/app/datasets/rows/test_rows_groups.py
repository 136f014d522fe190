"""Test rows that were drawn together: by a column, or blocks by document."""

import numpy as np
import pytest

from app.datasets.readers import read_table
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.groups import ENOUGH, column_groups, groups_digest, runs
from app.errors import InvalidData

TABLE = b"patient,age,label\na,1,x\nb,2,y\na,3,x\nb,4,x\nc,5,y\n"


def test_rows_with_one_value_in_the_column_are_one_group() -> None:
    assert column_groups(read_table(TABLE, "csv", name="f"), "patient").tolist() == [0, 1, 0, 1, 2]
    assert column_groups(read_table(TABLE, "csv", name="f"), "age").tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (TABLE, "ward", "no such column to group test rows by; there are `patient`, `age`, `label`"),
        (b"patient,age\na,1\n,2\nb,3\n", "patient", "row 2 is of no group; fill the cell"),
        (b"patient,age\na,1\na,2\n", "patient", "all rows are of one group"),
    ],
)
def test_a_column_that_groups_nothing_is_refused(content: bytes, column: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        column_groups(read_table(content, "csv", name="f"), column)


def test_what_names_groups_does_not_depend_on_names_or_on_the_order_of_rows() -> None:
    rows = EncodedRows(np.arange(10, dtype=np.float32).reshape(5, 2), np.array([0, 1, 0, 1, 0]))
    groups, order = np.array([0, 1, 0, 1, 2]), np.array([3, 0, 4, 1, 2])
    shuffled = EncodedRows(rows.X[order], rows.y[order])
    assert groups_digest(shuffled, np.array([7, 3, 9])[groups][order]) == groups_digest(rows, groups)
    assert groups_digest(rows, np.array([0, 1, 0, 2, 2])) != groups_digest(rows, groups)


def test_blocks_are_grouped_by_document_and_few_long_documents_by_runs() -> None:
    many = np.repeat(np.arange(40), 3)
    by_document = runs(many.tolist())
    assert by_document is not None
    assert by_document.tolist() == many.tolist()
    one = runs([0] * 90)
    assert one is not None
    assert len(np.unique(one)) == ENOUGH
    assert (np.diff(one) >= 0).all(), "a run is of neighbours"
    two = runs([0] * 50 + [1] * 40)
    assert two is not None
    assert not set(two[:50]) & set(two[50:]), "no run crosses documents"
    assert runs([0] * 20) is None, "as few blocks as that are each by itself"
    assert runs(list(range(50))) is None
