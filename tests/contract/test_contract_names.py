"""Names of closed lists: accepted exactly, refused with the list and the nearest right spelling, an enum in OpenAPI."""

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contract.names import OneOf, nearest, unknown

COLOURS = ("red", "green", "blue")


class Paint(BaseModel):
    colour: Annotated[str, OneOf("colour", COLOURS)] = "red"
    under: Annotated[str, OneOf("colour", COLOURS)] | None = None


@given(st.sampled_from(COLOURS))
def test_a_name_is_nearest_to_itself_however_it_is_spaced_and_cased(name: str) -> None:
    assert nearest(f"  {name.upper()} ", COLOURS) == name


@given(st.text())
def test_whatever_is_given_the_refusal_names_it_and_every_allowed_name(given_name: str) -> None:
    sentence = unknown("colour", given_name, COLOURS)
    assert sentence.startswith(f"colour {given_name!r} is unknown")
    assert sentence.endswith("choose one of red, green, blue")


def test_the_nearest_spelling_is_offered_only_where_one_is_near() -> None:
    assert "(did you mean 'green'?)" in unknown("colour", "gren", COLOURS)
    assert "did you mean" not in unknown("colour", "qqqq", COLOURS)


@pytest.mark.parametrize("name", COLOURS)
def test_a_field_takes_each_name_of_its_list(name: str) -> None:
    assert Paint(colour=name, under=name).colour == name


@pytest.mark.parametrize("name", ["RED", "gren", ""])
def test_a_field_takes_no_other_name_and_says_which_are_allowed(name: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Paint(under=name)
    [error] = refusal.value.errors()
    assert error["type"] == "unknown_name"
    assert error["loc"] == ("under",)
    assert error["msg"] == unknown("colour", name, COLOURS)


def test_the_schema_of_a_field_is_an_enum_of_its_list() -> None:
    properties = Paint.model_json_schema()["properties"]
    assert properties["colour"]["enum"] == list(COLOURS)
    assert properties["colour"]["default"] == "red"
    assert {"type": "string", "enum": list(COLOURS)} in properties["under"]["anyOf"]
