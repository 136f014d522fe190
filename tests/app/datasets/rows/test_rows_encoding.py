"""One encoding per job: what it computes, what it refuses, and that row order and format never matter."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.readers import read_table
from app.datasets.rows.encoding import EncodedRows, encode, fit_encoding, fit_tables
from app.datasets.rows.features import Encoding, Feature
from app.datasets.rows.joining import Unfit
from app.errors import InvalidData
from contract.rows.features import FeatureChoice
from contract.rows.row_order import rows_digest


def csv(text: str, name: str = "dataset ds_1") -> pa.Table:
    return read_table(text.encode(), name=name)


def npz(X: np.ndarray, y: np.ndarray) -> pa.Table:
    buffer = io.BytesIO()
    np.savez(buffer, X=X, y=y)
    return read_table(buffer.getvalue())


TEST = "age,city,label\n0,Oslo,no\n2,Bergen,yes\n4,Oslo,no\n"
PLAYER = "age,city,label\n2,Oslo,no\n1000,Moss,yes\n"


def test_numbers_are_scaled_by_the_test_set_alone_and_text_is_one_hot_with_a_bucket_for_the_unknown() -> None:
    encoding = fit_encoding(csv(TEST), [csv(PLAYER)], "label")
    assert encoding.classes == ("no", "yes")
    assert encoding.scale == "standard"
    assert encoding.shape == (4,)
    rows = encode(csv(PLAYER), encoding)
    assert rows.X.dtype == np.float32
    assert rows.y.dtype == np.int64
    # age: centre 2, clipped at 10; city: Bergen, Oslo, other
    assert rows.X.tolist() == [[0, 0, 1, 0], [10, 0, 0, 1]]
    assert rows.y.tolist() == [0, 1]


def test_another_provider_changes_nothing_for_the_rest() -> None:
    alone = fit_encoding(csv(TEST), [csv(PLAYER)], "label")
    crowd = fit_encoding(csv(TEST), [csv(PLAYER), csv("age,city,label\n1e9,Nowhere,yes\n")], "label")
    assert alone.digest == crowd.digest


def test_constant_columns_are_centred_and_not_divided() -> None:
    table = csv("a,b,label\n7,1,x\n7,2,y\n")
    assert encode(table, fit_encoding(table, [table], "label")).X[:, 0].tolist() == [0.0, 0.0]


def test_arrays_are_taken_as_given_when_every_file_is_npz() -> None:
    table = npz(np.array([[1.0, 500.0], [2.0, -3.0]]), np.array([0, 1]))
    encoding = fit_encoding(table, [table], "y")
    assert encoding.scale == "none"
    assert encode(table, encoding).X.tolist() == [[1.0, 500.0], [2.0, -3.0]]
    mixed = fit_encoding(table, [csv("x0,x1,y\n1,2,0\n3,4,1\n")], "y")
    assert mixed.scale == "standard"


def test_images_keep_their_shape() -> None:
    X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    table = npz(X, np.array([0, 1]))
    encoding = fit_encoding(table, [table], "y")
    assert encoding.shape == (3, 4)
    assert (encode(table, encoding).X == X).all()


def test_an_encoding_survives_json_with_its_digest() -> None:
    for table, target in ((csv(TEST), "label"), (npz(np.ones((2, 3, 4)), np.array([0, 1])), "y")):
        encoding = fit_encoding(table, [table], target)
        again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
        assert again == encoding
        assert again.digest == encoding.digest


def test_columns_are_matched_by_name_whatever_their_order() -> None:
    swapped = csv("label,city,age\nno,Oslo,2\nyes,Moss,1000\n")
    encoding = fit_encoding(csv(TEST), [swapped], "label")
    assert (encode(swapped, encoding).X == encode(csv(PLAYER), encoding).X).all()


@pytest.mark.parametrize(
    ("player", "says"),
    [
        ("age,label\n1,no\n2,yes\n", "dataset ds_1 lacks `city`, which the test set has; add it"),
        (
            "Age,city,label\n1,a,no\n2,a,yes\n",
            "lacks `age`, which the test set has; if they are the same, say features",
        ),
        ("age,city,label\nold,a,no\nnew,a,yes\n", "dataset ds_1: column `age` is one of numbers in the job's files"),
        ("age,city\n1,a\n", "dataset ds_1: column `label`: the target column is missing"),
        ("age,city,label\n1,a,no\n", "all providers of the job have one class, the same one"),
        ("age,city,label\n1,a,no\n2,a,maybe\n", "the test set has `yes`, which no provider's dataset has"),
    ],
)
def test_files_that_do_not_fit_together_are_named_with_the_mend(player: str, says: str) -> None:
    with pytest.raises(InvalidData) as caught:
        fit_encoding(csv(TEST, "the test set"), [csv(player)], "label")
    assert says in str(caught.value)
    assert caught.value.errors


def test_further_columns_are_left_out_and_said() -> None:
    wide = csv("age,city,zip,label\n2,Oslo,5,no\n1000,Moss,5,yes\n")
    fitted = fit_tables(csv(TEST), [csv(PLAYER), wide], "label")
    assert [[finding.code for finding in each] for each in fitted.findings] == [[], ["extra_columns"]]
    assert "`zip` left out" in fitted.findings[1][0].detail
    assert (encode(wide, fitted.encoding).X == encode(csv(PLAYER), fitted.encoding).X).all()


def test_an_order_may_use_leave_out_and_rename_columns() -> None:
    player = csv("AGE (years),city,label\n2,Oslo,no\n1000,Moss,yes\n")
    rename = FeatureChoice(rename={"AGE (years)": "age"})
    encoding = fit_tables(csv(TEST), [player], "label", choice=rename).encoding
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    assert (encode(player, again).X == encode(csv(PLAYER), fit_encoding(csv(TEST), [csv(PLAYER)], "label")).X).all()
    for choice in (FeatureChoice(use=("city",)), FeatureChoice(leave_out=("age",))):
        assert [f.name for f in fit_tables(csv(TEST), [player], "label", choice=choice).encoding.features] == ["city"]
    with pytest.raises(InvalidData, match=r"features\.use names `zip`"):
        fit_tables(csv(TEST), [player], "label", choice=FeatureChoice(use=("zip",)))


def test_a_column_that_is_numbers_in_one_file_and_text_in_another_is_what_most_of_all_cells_are() -> None:
    codes = csv("zip,label\n1234,no\n1234,yes\n")
    mixed = csv("zip,label\n12-A,no\n12-B,yes\n12-A,yes\n")
    encoding = fit_encoding(mixed, [codes], "label")
    assert encoding.features[0].kind == "text"
    assert encode(codes, encoding).X.tolist() == [[0, 0, 1]] * 2
    # "7,4" alone is text here because most cells of its file are; by the pooled cells it is a number
    few = csv('x,label\n"low",no\nlow,yes\n3,yes\n')
    with pytest.raises(Unfit) as caught:
        fit_encoding(csv("x,label\n1,no\n2,yes\n4,yes\n5,yes\n"), [csv("x,label\n1,no\n2,yes\n"), few], "label")
    assert caught.value.table == 1
    assert "low" not in str(caught.value)


GAPS = "age,city,label\n0,Oslo,no\n,Bergen,yes\n4,,no\n6,Oslo,yes\n"


def test_missing_cells_are_filled_from_all_players_together_and_marked() -> None:
    players = [csv("age,city,label\n10,Moss,no\n,Moss,yes\n"), csv("age,city,label\n30,Oslo,no\n20,?,yes\n")]
    encoding = fit_encoding(csv(GAPS), players, "label", scale="none")
    assert [(each.fill, each.width) for each in encoding.features] == [(20.0, 2), ("Moss", 4)]
    # age, its gap; Bergen, Oslo, other (Moss, which the test set lacks), their gap
    assert encode(csv(GAPS), encoding).X.tolist() == [
        [0, 0, 0, 1, 0, 0],
        [20, 1, 1, 0, 0, 0],
        [4, 0, 0, 0, 1, 1],
        [6, 0, 0, 1, 0, 0],
    ]
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding
    assert fit_encoding(csv(GAPS), players[::-1], "label", scale="none").digest == encoding.digest


def test_without_a_missing_cell_an_encoding_says_nothing_of_any() -> None:
    plain = fit_encoding(csv(TEST), [csv(PLAYER)], "label").to_json()
    assert set(plain) == {"target", "classes", "features", "scale"}
    assert [set(feature) for feature in plain["features"]] == [
        {"name", "kind", "center", "spread"},
        {"name", "kind", "categories"},
    ]


def test_a_column_that_is_missing_everywhere_is_a_constant() -> None:
    empty = csv("age,ca,label\n1,?,no\n2,?,yes\n")
    encoding = fit_encoding(empty, [empty], "label")
    assert encode(empty, encoding).X[:, 1:].tolist() == [[0, 1], [0, 1]]


def test_labels_are_mapped_where_the_order_says_so() -> None:
    other = csv("age,city,label\n2,Oslo,No\n1000,Moss,YES\n")
    labels = {"No": "no", "YES": "yes"}
    assert fit_encoding(csv(TEST), [csv(PLAYER), other], "label").classes == ("No", "YES", "no", "yes")
    encoding = fit_tables(csv(TEST), [csv(PLAYER), other], "label", label_map=labels).encoding
    assert encoding.classes == ("no", "yes")
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert encode(other, again).y.tolist() == encode(csv(PLAYER), again).y.tolist() == [0, 1]


def test_a_column_that_counts_rows_in_one_file_is_no_feature_of_the_job() -> None:
    counted = csv("id,age,label\n1,3,no\n2,4,yes\n3,5,yes\n")
    scattered = csv("id,age,label\n17,3,no\n4,4,yes\n9,5,yes\n")
    for test, player in ((counted, scattered), (scattered, counted)):
        assert [feature.name for feature in fit_encoding(test, [player], "label").features] == ["age"]


def test_images_of_different_sizes_do_not_fit_together() -> None:
    with pytest.raises(InvalidData, match=r"column `X` is tensor\[3, 3\].* and tensor\[2, 2\]"):
        fit_encoding(npz(np.ones((2, 2, 2)), np.arange(2)), [npz(np.ones((2, 3, 3)), np.arange(2))], "y")


def test_a_test_set_of_one_class_is_refused() -> None:
    with pytest.raises(InvalidData, match="every row of the test set is 'no'"):
        fit_encoding(csv("age,city,label\n0,Oslo,no\n"), [csv(PLAYER)], "label")


def test_values_beyond_a_32_bit_float_are_refused() -> None:
    table = npz(np.array([[1e300], [1.0]]), np.array([0, 1]))
    with pytest.raises(InvalidData, match="row 1 of `x0` does not fit a 32-bit float"):
        encode(table, fit_encoding(table, [table], "y"))


def test_labels_unknown_to_the_encoding_are_refused() -> None:
    encoding = fit_encoding(csv(TEST), [csv(PLAYER)], "label")
    with pytest.raises(InvalidData, match="`maybe`"):
        encode(csv("age,city,label\n1,a,maybe\n"), encoding)


def test_the_same_rows_in_another_order_or_format_are_a_copy() -> None:
    encoding = fit_encoding(csv(TEST), [csv(PLAYER)], "label")
    buffer = io.BytesIO()
    pq.write_table(pa.table({"label": ["yes", "no"], "age": [1000.0, 2.0], "city": ["Moss", "Oslo"]}), buffer)
    copy = read_table(buffer.getvalue())
    assert encode(copy, encoding).digest == encode(csv(PLAYER), encoding).digest
    other = csv(PLAYER.replace("1000", "3"))
    assert encode(other, encoding).digest != encode(csv(PLAYER), encoding).digest


@given(
    st.lists(st.tuples(st.floats(width=32, allow_nan=False), st.integers(0, 3)), min_size=1, max_size=30), st.randoms()
)
def test_canonical_rows_do_not_depend_on_the_order(rows: list[tuple[float, int]], random: object) -> None:
    X = np.array([[row[0], 1.0] for row in rows], dtype=np.float32) + np.float32(0)
    y = np.array([row[1] for row in rows])
    order = np.random.default_rng(random.randint(0, 10**6)).permutation(len(rows))  # type: ignore[attr-defined]
    first, second = EncodedRows(X, y).canonical(), EncodedRows(X[order], y[order]).canonical()
    assert first.X.tobytes() == second.X.tobytes()
    assert first.y.tobytes() == second.y.tobytes()
    assert rows_digest(X, y) == rows_digest(X[order], y[order])
    assert sorted(zip(first.X[:, 0].tolist(), first.y.tolist(), strict=True)) == sorted(
        zip(X[:, 0].tolist(), y.tolist(), strict=True)
    )


def test_a_row_with_another_label_is_another_row() -> None:
    X = np.zeros((2, 1), dtype=np.float32)
    assert rows_digest(X, np.array([0, 1])) != rows_digest(X, np.array([0, 0]))


def test_an_encoding_keeps_the_digest_that_stored_games_name_it_by() -> None:
    features = (
        Feature("n", "number", 1.5, 2.0),
        Feature("t", "text", categories=("a", "é")),
        Feature("p", "prose", fill="", characters=False),
        Feature("q", "prose", runs=False, characters=False),
        Feature("x", "tensor", shape=(2, 3)),
        Feature("m", "number", fill=3.0),
    )
    encoding = Encoding("y", ("a", "ü"), features, "standard", {"a": "b"}, {})
    assert encoding.digest == "8863805aa3b919527427a5dedc97cd68cdd90630530aa656e122d9c7232b920a"
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding
