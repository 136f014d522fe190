"""Classes and columns are ordered by what is in them: by no name, and by no order of rows, files or columns."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.rows.canonical_order import canonical_order
from app.datasets.rows.encoding import EncodedRows

WIDTHS = (1, 2, 1, 1)


def files(seed: int) -> list[EncodedRows]:
    """A test set and two files of five columns in four blocks, and four classes, of which the test set lacks one."""
    rng = np.random.default_rng(seed)
    made = []
    for rows, classes in ((12, 3), (9, 4), (7, 4)):
        X = rng.integers(0, 3, (rows, 5)).astype(np.float32)  # few values: blocks are alike in many rows
        made.append(EncodedRows(X, np.append(np.arange(classes), rng.integers(0, classes, rows - classes))))
    return made


def ordered(parts: list[EncodedRows], widths: tuple[int, ...]) -> list[tuple[bytes, bytes]]:
    order = canonical_order(widths, 4, parts[0], parts[1:])
    rows = [order.rows(part).canonical() for part in parts]
    return [(part.X.tobytes(), part.y.tobytes()) for part in rows]


@given(st.integers(0, 2**32 - 1))
def test_renaming_and_reordering_give_the_same_rows(seed: int) -> None:
    parts, rng = files(seed), np.random.default_rng(seed)
    blocks, names = rng.permutation(len(WIDTHS)), rng.permutation(4)
    begins = np.concatenate([[0], np.cumsum(WIDTHS)])
    columns = np.concatenate([np.arange(begins[at], begins[at + 1]) for at in blocks])
    moved = []
    for part in parts:
        rows = rng.permutation(len(part.y))
        moved.append(EncodedRows(part.X[rows][:, columns], names[part.y[rows]]))
    before, after = ordered(parts, WIDTHS), ordered([moved[0], *moved[:0:-1]], tuple(WIDTHS[at] for at in blocks))
    assert before[0] == after[0]
    assert sorted(before[1:]) == sorted(after[1:])


def test_the_most_frequent_class_of_the_test_set_comes_first() -> None:
    test = EncodedRows(np.arange(6, dtype=np.float32).reshape(6, 1), np.array([2, 2, 2, 0, 1, 1]))
    assert canonical_order([1], 3, test, [test]).classes == (2, 1, 0)


def test_a_providers_rows_change_nothing_where_the_test_set_tells_all_apart() -> None:
    test, one, other = files(1)
    few = EncodedRows(np.arange(60, dtype=np.float32).reshape(12, 5) ** 0.5, test.y)
    orders = [canonical_order(WIDTHS, 3, few, [EncodedRows(part.X, part.y % 3)]) for part in (one, other)]
    assert orders[0].blocks == orders[1].blocks
    assert orders[0].classes == orders[1].classes


def test_the_order_of_pixels_is_content_and_stays() -> None:
    images = EncodedRows(np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32), np.arange(8) % 2)
    order = canonical_order([12], 2, images, [images])
    assert (order.rows(images).X == images.X).all()
