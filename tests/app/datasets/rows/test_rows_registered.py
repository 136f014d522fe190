"""A registered table is encoded as an uploaded one would be, or refused by the column that cannot be."""

from typing import Any

import pyarrow as pa
import pytest

from app.datasets.rows.encoding import fit_tables
from app.datasets.rows.registered import (
    check_alike,
    check_fills,
    encoding_for_agent,
    read_registration,
    registered_blocks,
    registered_gaps,
    registered_table,
)
from app.errors import InvalidData
from contract.agent_texts import RegisteredBase, RegisteredTexts
from contract.agents import RegisteredColumn, Registration
from contract.document import canonical_json
from contract.rows.features import FeatureChoice, Fills

OWN = Registration(
    rows=90,
    columns=tuple(RegisteredColumn(name=n, kind=k) for n, k in (("Age", "number"), ("ward", "text"), ("ill", "text"))),
    target="ill",
    labels={"yes": None, "no": None},
    commitment="ab" * 32,
    learners=("logistic",),
)
CHOICE = FeatureChoice(rename={"Age": "age"})
FILLS: tuple[Fills, ...] = ("players", "test")


def measured(**changes: Any) -> pa.Table:
    columns = {
        "age": pa.array([1.0, 2.0, 3.0]),
        "ward": pa.array(["a", "b", "b"]).dictionary_encode(),
        "ill": pa.array(["yes", "no", "no"]).dictionary_encode(),
    }
    return pa.table({**columns, **changes}).replace_schema_metadata({"cherish.name": "the test set"})


def fitted(test: pa.Table) -> Any:
    table = registered_table(OWN, "dataset ds_1", "ill", "ill")
    return fit_tables(test, [table], "ill", choice=CHOICE, reported_labels=OWN.labels).encoding


def test_columns_are_asked_for_by_the_owners_names_with_what_the_test_set_fixes() -> None:
    asked = encoding_for_agent(fitted(measured()), OWN, "dataset ds_1", "ill")
    assert [(each.name, each.kind, each.categories) for each in asked.columns] == [
        ("Age", "number", ()),
        ("ward", "text", ("a", "b")),
    ]
    assert (asked.columns[0].center, asked.width, asked.outputs) == (2.0, 4, 2)
    assert set(asked.classes) == {"yes", "no"}


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (measured(age=pa.array(["x", "y", "z"]).dictionary_encode()), "registered as number"),
    ],
)
def test_what_an_agent_cannot_encode_is_refused_by_column(test: pa.Table, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        encoding_for_agent(fitted(test), OWN, "dataset ds_1", "ill")


def test_missing_cells_anywhere_are_filled_by_the_test_set_or_refused() -> None:
    gapped = OWN.model_copy(update={"columns": (OWN.columns[0].model_copy(update={"gaps": True}), *OWN.columns[1:])})
    by_test = CHOICE.model_copy(update={"fills": "test"})
    for own, test, gaps in (
        (OWN, measured(age=pa.array([1.0, None, 3.0, 8.0][:3])), [2.0, None]),
        (gapped, measured(), [2.0, None]),
        (OWN, measured(ward=pa.array(["a", "b", None]).dictionary_encode()), [None, "a"]),
        (OWN, measured(), [None, None]),
    ):
        assert read_registration(canonical_json(own.plain()), "dataset ds_1") == own
        told = registered_gaps(own, by_test)
        table = registered_table(own, "dataset ds_1", "ill", "ill")
        fit = fit_tables(test, [table], "ill", choice=by_test, reported_labels=own.labels, reported_gaps=told).encoding
        asked = encoding_for_agent(fit, own, "dataset ds_1", "ill")
        assert [each.fill for each in asked.columns] == gaps
        assert asked.width == fit.shape[0]
        check_fills(fit, by_test)
        if any(gap is not None for gap in gaps):
            with pytest.raises(InvalidData, match=r"fill them by the test set \(features.fills: test\)"):
                check_fills(fit, CHOICE)


def test_fills_of_the_test_set_are_no_players() -> None:
    player = measured(age=pa.array([100.0, None, 300.0]), ward=pa.array(["b", None, "b"]).dictionary_encode())
    test = measured(ward=pa.array(["a", "a", "b"]).dictionary_encode())
    fits = {fills: fit_tables(test, [player], "ill", choice=FeatureChoice(fills=fills)).encoding for fills in FILLS}
    said = {fills: {each.name: each.fill for each in fit.features} for fills, fit in fits.items()}
    assert said == {"players": {"age": 200.0, "ward": "b"}, "test": {"age": 2.0, "ward": "a"}}


def test_a_column_of_another_kind_is_refused_unless_it_is_left_out() -> None:
    table = registered_table(OWN, "dataset ds_1", "ill", "label")
    assert table.column_names == ["Age", "ward", "label"]
    assert table.schema.metadata[b"cherish.format"] == b"agent"
    wards = measured(ward=pa.array([1.0, 2.0, 3.0]))
    with pytest.raises(InvalidData, match="`ward` is registered as text"):
        check_alike(table, wards, CHOICE)
    check_alike(table, wards, FeatureChoice(leave_out=("ward",)))


def test_a_registration_is_read_back_or_refused() -> None:
    assert read_registration(canonical_json(OWN.plain()), "dataset ds_1") == OWN
    with pytest.raises(InvalidData, match="dataset ds_1: these bytes are no registration"):
        read_registration(b"[]", "dataset ds_1")


def test_blocks_of_documents_are_those_that_were_registered_or_the_order_is_refused() -> None:
    texts = RegisteredTexts(bases=(RegisteredBase(digest="ab" * 32, blocks={32: 7}),))
    columns = (RegisteredColumn(name="text", kind="text"),)
    own = Registration(rows=5, columns=columns, commitment="ab" * 32, learners=("lm",), texts=texts)
    assert registered_blocks(own, "dataset ds_1", "ab" * 32, 32) == 7
    for registration, base, context, said in (
        (own, "00" * 32, 32, "has not this base"),
        (own, "ab" * 32, 40, "counts blocks of 8, 16, 32"),
        (OWN, "ab" * 32, 32, "stays with its owner as a table"),
    ):
        with pytest.raises(InvalidData, match=said):
            registered_blocks(registration, "dataset ds_1", base, context)
