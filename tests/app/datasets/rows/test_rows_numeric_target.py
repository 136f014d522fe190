"""A target that is a number: read from any file alike, refused by row, told from classes, scaled by the test set."""

import io

import numpy as np
import pytest

from app.datasets.readers import Meaning, read_table
from app.datasets.rows.encoding import EncodedRows, encode, fit_tables
from app.datasets.rows.features import Encoding
from app.datasets.rows.numeric_target import check_said, fit_scale, looks_like, number_findings, target_numbers
from app.datasets.rows.raw_rows import keys_of, number_block
from app.datasets.rows.rules import check_table, class_names
from app.errors import InvalidData


def table(targets: list[object], name: str = "data.csv"):  # type: ignore[no-untyped-def]  # pyarrow has no types
    rows = "".join(f"{at % 7},{target}\n" for at, target in enumerate(targets))
    return read_table(f"x,y\n{rows}".encode(), name=name, meaning=Meaning(target="y"))


def whole(values: np.ndarray):  # type: ignore[no-untyped-def]
    packed = io.BytesIO()
    np.savez(packed, X=np.arange(len(values), dtype=np.float32)[:, None] % 7, y=values)
    return read_table(packed.getvalue(), name="data.npz", meaning=Meaning(target="y"))


GAMMA = np.random.default_rng(0).gamma(2.0, 100.0, 60).round(2)


def test_the_same_numbers_are_read_from_text_and_from_arrays() -> None:
    written = target_numbers(table(list(GAMMA)), "y")
    np.testing.assert_array_equal(written, GAMMA)
    np.testing.assert_array_equal(target_numbers(whole(GAMMA), "y"), GAMMA)


def test_text_in_a_target_to_predict_as_a_number_is_refused_with_its_rows_named() -> None:
    with pytest.raises(InvalidData, match=r"2 of 5 rows hold no number: row 3 \(`cheap`\), row 5 \(`dear`\); correct"):
        target_numbers(table([1.5, 2.5, "cheap", 4.0, "dear"]), "y")
    with pytest.raises(InvalidData, match="row 2 is inf"):
        target_numbers(whole(np.array([1.0, np.inf])), "y")
    with pytest.raises(InvalidData, match="it holds boolean values"):
        target_numbers(whole(np.array([True, False])), "y")


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        (GAMMA, "number"),
        (np.arange(60) % 10, "classes"),
        (np.arange(60) * 3, "unsure"),
        (np.arange(600) % 30, "classes"),
        (np.arange(60) % 5 / 2, "classes"),
    ],
)
def test_a_number_is_told_from_classes_by_its_own_values(values: np.ndarray, looks: str) -> None:
    assert looks_like(whole(values), "y") == looks
    assert looks_like(table(list(values)), "y") == looks


def test_a_target_that_may_be_a_number_is_refused_unless_the_order_says_that_it_is_classes() -> None:
    ages = whole(np.arange(60) * 3)
    with pytest.raises(InvalidData, match=r"60 distinct numbers in 60 rows, so it may be a number .* say target_is"):
        check_said(ages, "y")
    with pytest.raises(InvalidData, match="so it is a number"):
        fit_tables(whole(GAMMA), [whole(GAMMA)], "y")
    assert len(fit_tables(ages, [ages], "y", target_is="classes").encoding.classes) == 60
    check_said(table(["a", "b", "c"]), "y")


def test_continuous_targets_can_be_uploaded_and_make_no_classes() -> None:
    for data in (whole(GAMMA), table(list(GAMMA))):
        check_table(data, "y", is_test=True)
    with pytest.raises(InvalidData, match=r"row 1 is .*bin a continuous target, or predict it as a number"):
        class_names(whole(GAMMA), "y")


def test_an_encoding_of_a_number_is_scaled_by_the_test_set_alone_and_keeps_its_unit() -> None:
    test, near, far = whole(GAMMA), whole(GAMMA + 1), whole(1000 * GAMMA)
    fitted = fit_tables(test, [near, far], "y", target_is="number")
    encoding = fitted.encoding
    assert encoding.target_scale == fit_scale(test, "y")
    assert (encoding.classes, encoding.outputs) == ((), 1)
    assert Encoding.from_json(encoding.to_json()) == encoding
    rows = encode(near, encoding)
    np.testing.assert_array_equal(rows.y, GAMMA + 1)
    turned = EncodedRows(rows.X[::-1], rows.y[::-1])
    assert turned.digest == rows.digest
    np.testing.assert_array_equal(turned.canonical().y, rows.canonical().y)
    assert [[each.code for each in findings] for findings in fitted.findings] == [[], ["target_range"]]
    assert number_findings(near, "y", GAMMA) == ()


def test_a_test_set_of_one_number_or_of_numbers_too_large_is_refused() -> None:
    with pytest.raises(InvalidData, match="every row of the test set is 3"):
        fit_scale(whole(np.full(9, 3.0)), "y")
    with pytest.raises(InvalidData, match="too large to be squared"):
        fit_scale(whole(np.array([1e300, -1e300, 1.0])), "y")
    with pytest.raises(InvalidData, match="label_map is of classes"):
        fit_tables(whole(GAMMA), [whole(GAMMA)], "y", target_is="number", label_map={"a": "b"})


def test_rows_are_equal_by_their_numbers_however_they_are_written() -> None:
    values = np.array([1.0, 2.0, 2.5])
    keys = keys_of(whole(values), "y", number=True)
    assert keys.tolist() != keys_of(whole(values + 1), "y", number=True).tolist()
    away = number_block(values, [values, 10 * values])
    assert away.shape == (3, 1)
    assert np.ptp(away) == pytest.approx(1.5 / values.std())
