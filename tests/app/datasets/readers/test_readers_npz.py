"""Arrays of every byte order, layout and plain type are the same columns; no pickle, no text that is none."""

import io
from typing import Any

import numpy as np
import pytest

from app.datasets.readers import open_columns, read_table
from app.errors import InvalidData

X = np.array([[1.0, 2.0], [3.0, 4.5], [-5.0, 6.0]])
Y = np.array([0, 1, 0])


def npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [">f8", ">f4", "<f2", ">f2", "<f8", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_is_the_same_in_every_type_and_layout(tmp_path: Any, kind: str, order: Any) -> None:
    content = npz(X=np.asarray(X, dtype=kind, order=order), y=Y.astype(">i4"))
    table = read_table(content)
    assert table.to_pydict() == {"x0": [1.0, 3.0, -5.0], "x1": [2.0, 4.5, 6.0], "y": [0, 1, 0]}
    path = tmp_path / "it"
    path.write_bytes(content)
    columns = {
        name: group[name].to_pylist()
        for group in open_columns(path, group_bytes=20).groups
        for name in group.column_names
    }
    assert columns == table.to_pydict()


def test_columns_of_every_plain_type_are_read() -> None:
    table = read_table(
        npz(
            big=np.array([1, 2, 3], ">u2"),
            words=np.array(["ä", "Łódź", ""], ">U4"),
            bytes=np.array(["ä".encode(), b"b", b"c"]),
            ok=np.array([True, False, True]),
            day=np.array(["2026-01-31", "1969-12-31", "NaT"], "M8[D]"),
            hour=np.array(["2026-01-31T12", "1970-01-01T00", "NaT"], ">M8[h]"),
            lasts=np.array([1, 90, -1], "m8[m]"),
            y=Y,
        )
    )
    assert table.to_pydict() == {
        "big": [1, 2, 3],
        "words": ["ä", "Łódź", None],
        "bytes": ["ä", "b", "c"],
        "ok": [True, False, True],
        "day": [20484, -1, None],
        "hour": [1769860800.0, 0.0, None],
        "lasts": [60.0, 5400.0, -60.0],
        "y": [0, 1, 0],
    }


def test_images_of_another_byte_order_are_the_same_images() -> None:
    pictures = np.arange(24, dtype=">u2").reshape(3, 2, 4)
    found = read_table(npz(X=np.asfortranarray(pictures), y=Y))["X"].chunk(0).to_numpy_ndarray()
    assert (found == pictures).all()


@pytest.mark.parametrize(
    "array",
    [
        np.array([b"\xff\xfe", b"b", b"c"]),
        np.array([0xD800, 97, 98], "<u4").view("<U1"),
        np.array([0x110000, 97, 98], "<u4").view("<U1"),
    ],
)
def test_a_text_that_is_no_unicode_is_refused(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InvalidData, match="array `a` holds a text that is no Unicode"):
        read_table(npz(a=array, y=Y))
