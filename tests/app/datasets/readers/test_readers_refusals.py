"""What each reader accepts and refuses; every refusal names the file, the place, the rule and the mend."""

import base64
import gzip
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.readers import Limits, read_table, table_format, table_name
from app.datasets.readers.findings import findings_of
from app.datasets.rows.rules import check_table, class_names, columns_of
from app.errors import InvalidData
from contract.rows.files import FileColumn

GOOD = b"age,city,label\n1.5,Oslo,yes\n2,Bergen,no\n3,Oslo,yes\n"


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def refusal(data: bytes | Path, declared: str | None = None, limits: Limits | None = None) -> str:
    with pytest.raises(InvalidData) as caught:
        read_table(data, declared, limits=limits, name="dataset ds_1")
    assert str(caught.value).startswith("dataset ds_1: ")
    return str(caught.value)


def test_csv_tsv_parquet_and_npz_of_the_same_rows_are_the_same_table(tmp_path: Path) -> None:
    csv = read_table(GOOD)
    path = tmp_path / "data.bin"
    path.write_bytes(GOOD.replace(b",", b"\t"))
    tsv = read_table(path)
    columns = {"age": [1.5, 2.0, 3.0], "city": ["Oslo", "Bergen", "Oslo"], "label": ["yes", "no", "yes"]}
    from_parquet = read_table(parquet(pa.table(columns)))
    from_npz = read_table(npz(**{name: np.array(values) for name, values in columns.items()}))
    for table, found in ((csv, "csv"), (tsv, "tsv"), (from_parquet, "parquet"), (from_npz, "npz")):
        assert table_format(table) == found
        assert table.to_pydict() == csv.to_pydict()
        assert [(column.name, column.type) for column in columns_of(table)] == [
            ("age", "number"), ("city", "text"), ("label", "text")
        ]  # fmt: skip
        check_table(table, "label", is_test=True)
    assert table_name(csv) == "the file"


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    table = read_table(b"\xef\xbb\xbfa,label\r\n1,x\r\n2,y\r\n")
    assert table.to_pydict() == {"a": [1, 2], "label": ["x", "y"]}


def test_a_quoted_field_may_hold_the_delimiter_and_a_line_end() -> None:
    table = read_table(b'note,label\n"a, b\nc",x\n"d ""e""",y\n')
    assert table["note"].to_pylist() == ["a, b\nc", 'd "e"']


@pytest.mark.parametrize(
    ("data", "declared", "says"),
    [
        pytest.param(b"", None, "the file is empty", id="empty"),
        pytest.param(b"a,label\n", None, "no row", id="header-only"),
        pytest.param(b"a,label\n1,x\n2\n", None, "row 2 has 1 fields and the header has 2", id="ragged-short"),
        pytest.param(b"a,label\n1,x\n2,y,z\n", None, "row 2 has 3 fields and the header has 2", id="ragged-long"),
        pytest.param(b'a,label\n1,"x\n2,y\n', None, "one is left open", id="truncated-in-a-quote"),
        pytest.param(b"a,label\n1,caf\xe9\n", None, "line 2 holds the byte 0xe9, which is not UTF-8", id="latin-1"),
        pytest.param("a,label\n1,x\n".encode("utf-16")[:-1], None, "UTF-16", id="utf-16"),
        pytest.param(b"a,label\n1,caf\xc3", None, "cut off", id="cut-inside-a-character"),
        pytest.param(b"a,label\n1,\0\n", None, "NUL", id="binary"),
        pytest.param(b"a,a,label\n1,2,x\n", None, "two columns are named `a`", id="duplicate-column"),
        pytest.param(b"a,,label\n1,2,x\n", None, "a column has no name", id="nameless-column"),
        pytest.param(b"\n1,2,x\n", None, "it must name the columns", id="no-header"),
        pytest.param(GOOD, "parquet", "declared as parquet, but its first bytes are those of csv", id="not-a-parquet"),
        pytest.param(b"PAR1 and then nothing", None, "not a whole Parquet file", id="broken-parquet"),
        pytest.param(b"PK\x03\x04 and then nothing", None, "not a whole NPZ archive", id="broken-npz"),
        pytest.param(b"\x80\x04\x95", None, "this is a Python pickle", id="pickle"),
        pytest.param(b"\x1f\x8b\x08", None, "this is gzip", id="gzip"),
        pytest.param(b"<stata_dta><header>", None, "a Stata file", id="stata"),
        pytest.param(b"\x72\x02\x01\x00\x02\x00", None, "a Stata file", id="old-stata"),
        pytest.param(b"$FL2@(#) SPSS", None, "an SPSS file", id="spss"),
        pytest.param(gzip.compress(b"X\n\x00\x00\x00\x03\x00\x04"), None, "an R object", id="rds"),
        pytest.param(b"\n<html><table><tr><td>a</td></tr></table>", None, "an HTML page", id="html-as-xls"),
        pytest.param(b"<?xml version='1.0'?><Workbook/>", None, "an XML file", id="xml"),
        pytest.param(b"% made by weka\n@RELATION x\n@DATA\n1,2\n", None, "an ARFF file", id="arff"),
        pytest.param(b'{"columns": ["a", "y"], "data": [[1, 2]]}', None, "an array of them", id="one-json-object"),
        pytest.param(b"a   y\n1   2\n3   4\n", None, "runs of spaces", id="runs-of-spaces"),
        pytest.param("a,y\n1,2\n".encode("utf-16-le"), None, "or send CSV as UTF-8", id="utf-16-without-mark"),
    ],
)
def test_bad_files_are_refused_by_name(data: bytes, declared: str | None, says: str) -> None:
    assert says in refusal(data, declared)


def test_a_truncated_parquet_is_refused() -> None:
    whole = parquet(pa.table({"a": list(range(1000)), "label": ["x", "y"] * 500}))
    assert "not a whole Parquet file" in refusal(whole[: len(whole) // 2])


def test_a_parquet_whose_pages_are_damaged_is_refused() -> None:
    whole = bytearray(parquet(pa.table({"a": list(range(1000)), "label": ["x", "y"] * 500})))
    whole[4:400] = bytes(396)
    assert "not a whole Parquet file" in refusal(bytes(whole))


def test_a_parquet_with_a_time_zone_that_is_no_text_is_refused() -> None:
    whole = parquet(pa.table({"at": pa.array([0, 1], pa.timestamp("us", "ABC")), "label": ["x", "y"]}))
    [stored] = re.findall(rb"ARROW:schema.{3}([A-Za-z0-9+/=]+)", whole, re.DOTALL)
    damaged = base64.b64encode(base64.b64decode(stored).replace(b"ABC", b"\xf4BC"))
    assert "not a whole Parquet file" in refusal(whole.replace(stored, damaged))


def test_nested_parquet_columns_are_refused() -> None:
    assert "column `a` is list" in refusal(parquet(pa.table({"a": [[1], [2]], "label": ["x", "y"]})))


def test_a_parquet_that_repeats_a_long_text_stays_small() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), pa.array(["x" * 100_000]))
    table = read_table(
        parquet(pa.table({"a": column.cast(pa.dictionary(pa.int32(), pa.string())), "label": [1] * 200_000}))
    )
    assert table.nbytes < 20_000_000


def test_rows_columns_and_bytes_are_capped_in_every_format() -> None:
    rows = pa.table({"a": list(range(50)), "b": list(range(50)), "label": list(range(50))})
    csv = b"a,b,label\n" + b"1,2,x\n" * 50
    matrix = npz(X=np.zeros((50, 2)), y=np.zeros(50))
    for data in (csv, parquet(rows), matrix):
        assert "10 are allowed" in refusal(data, limits=Limits(max_rows=10))
        assert "1 are allowed" in refusal(data, limits=Limits(max_columns=1))
    for data in (parquet(rows), matrix):
        assert "100 are allowed" in refusal(data, limits=Limits(max_bytes=100))


def test_an_npz_with_pickled_objects_is_refused_and_never_unpickled() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("the pickle was executed",))

    data = npz(X=np.array([[Bomb()]], dtype=object), y=np.zeros(1))
    assert "array `X` holds pickled Python objects, which are never loaded" in refusal(data)


def test_an_npz_bomb_is_refused_before_it_is_expanded() -> None:
    data = npz(X=np.zeros((20_000_000, 1), dtype=np.int8), y=np.zeros(1))
    assert len(data) < 100_000
    assert "1000000 are allowed" in refusal(data, limits=Limits(max_bytes=1_000_000))
    assert "2 members, and 1 are allowed" in refusal(data, limits=Limits(max_members=1))


def test_an_npz_whose_header_promises_more_than_it_holds_is_refused() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.npy", header.getvalue() + b"\0" * 64)
    assert "but the archive holds 64 bytes" in refusal(buffer.getvalue())


def test_an_npz_holds_arrays_only() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../evil.txt", "x")
        archive.writestr("X.npy", "x")
    assert "`../evil.txt` is not an array" in refusal(buffer.getvalue())


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"X": np.zeros((2, 2))}, "y is not"),
        ({"X": np.zeros((2, 2)), "y": np.zeros(3)}, "y has shape (3,), but X has 2 rows"),
        ({"X": np.zeros(2), "y": np.zeros(2)}, "X has shape (2,)"),
        ({"X": np.zeros((2, 2)), "y": np.zeros(2), "z": np.zeros(2)}, "`z` is not known"),
        ({"X": np.zeros((2, 2)), "y": np.zeros(2), "columns": np.array(["a"])}, "it must be 2 texts"),
        ({"X": np.zeros((2, 2), dtype=complex), "y": np.zeros(2)}, "only bool, integers, floats and text"),
        ({"a": np.zeros(2), "label": np.zeros(3)}, "the same number of rows"),
        ({"a": np.zeros((2, 2)), "label": np.zeros(2)}, "one 1-D array per column"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, "no row"),
    ],
)
def test_an_npz_has_x_and_y_or_one_array_per_column(arrays: dict[str, np.ndarray], says: str) -> None:
    assert says in refusal(npz(**arrays))


def test_the_columns_of_an_npz_matrix_have_names() -> None:
    X, y = np.array([[1, 2], [3, 4]]), np.array([0, 1])
    assert read_table(npz(X=X, y=y)).column_names == ["x0", "x1", "y"]
    assert read_table(npz(X=X, y=y, columns=np.array(["a", "b"]))).column_names == ["a", "b", "y"]


def test_images_keep_their_shape() -> None:
    X = np.arange(2 * 3 * 4 * 2, dtype=np.uint8).reshape(2, 3, 4, 2)
    table = read_table(npz(X=X, y=np.array([0, 1])))
    assert columns_of(table) == [FileColumn(name="X", type="tensor[3, 4, 2]"), FileColumn(name="y", type="integer")]
    assert (table["X"].chunk(0).to_numpy_ndarray() == X).all()


def broken(data: bytes, target: str = "label", *, is_test: bool = False) -> str:
    with pytest.raises(InvalidData) as caught:
        check_table(read_table(data, name="dataset ds_1"), target, is_test=is_test)
    assert str(caught.value).startswith("dataset ds_1: ")
    assert caught.value.errors
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a,b\n1,x\n", "column `label`: the target column is missing; there are `a`, `b`"),
        (b"label\nx\n", "column `label`: it is the only column"),
        (b"a,label\n1,x\ninf,y\n", "column `a`: row 2 is inf; features are finite"),
        (b"a,label\n1,\n2,?\n", "column `label`: no row has a label"),
        (b"a,label\n1,0.5\n2,inf\n", "row 2 is inf; correct it"),
        (
            b"a,label\n" + b"".join(b"1,n%d\n" % i for i in range(1001)),
            "1001 distinct labels, and 1000 are allowed",
        ),
    ],
)
def test_a_table_must_be_fit_for_valuation(data: bytes, says: str) -> None:
    assert says in broken(data)


def test_nan_and_infinity_in_arrays_name_column_and_row() -> None:
    X = np.ones((3, 2))
    X[1, 0] = np.inf
    assert "column `x0`: row 2 is inf; features are finite" in broken(npz(X=X, y=np.arange(3)), "y")
    images = np.ones((3, 2, 2))
    images[2, 0, 0] = -np.inf
    assert "column `X`: row 3 is NaN or infinite" in broken(npz(X=images, y=np.arange(3)), "y")


def test_missing_features_are_nulls_and_said_alike_in_every_format() -> None:
    X = np.ones((3, 2))
    X[1, 0] = np.nan
    tables = [
        read_table(npz(X=X, y=np.arange(3))),
        read_table(b"x0,x1,y\n1,1,0\n?,1,1\n1,1,2\n"),
        read_table(b'{"x0":1,"x1":1,"y":0}\n{"x1":1,"y":1}\n{"x0":1,"x1":1,"y":2}\n'),
        read_table(parquet(pa.table({"x0": [1.0, None, 1.0], "x1": [1, 1, 1], "y": [0, 1, 2]}))),
        read_table(parquet(pa.table({"x0": [1.0, float("nan"), 1.0], "x1": [1, 1, 1], "y": [0, 1, 2]}))),
    ]
    for table in tables:
        check_table(table, "y", is_test=True)
        assert table["x0"].to_pylist() == [1, None, 1]
        assert [(each.code, each.column, each.rows) for each in findings_of(table)] == [("missing_values", "x0", 1)]


def test_a_test_set_needs_two_classes_and_a_provider_only_one() -> None:
    data = b"a,label\n1,x\n2,x\n"
    assert "every row of this test set is 'x'" in broken(data, is_test=True)
    check_table(read_table(data), "label", is_test=False)


def test_an_npz_with_another_target_is_told_that_its_labels_are_y() -> None:
    assert "are column `y`" in broken(npz(X=np.ones((2, 1)), y=np.arange(2)))


def test_the_same_label_in_another_type_is_the_same_class() -> None:
    for labels in (np.array([10, 2]), np.array([10.0, 2.0]), np.array(["10", "2"])):
        assert class_names(read_table(npz(X=np.ones((2, 1)), y=labels)), "y") == ["2", "10"]
    assert class_names(read_table(npz(X=np.ones((2, 1)), y=np.array([True, False]))), "y") == ["false", "true"]
