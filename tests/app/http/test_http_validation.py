"""What pydantic found wrong becomes values with names, and a place becomes a JSON pointer that leads back to it."""

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ValidationError

from app.http.validation import broken_rules, pointer


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("give an even number")
    return value


class Order(BaseModel):
    counts: list[Annotated[int, AfterValidator(_even)]]
    name: str


def follow(path: str) -> list[str]:
    """The steps of a pointer, read by the rule of RFC 6901, 4."""
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


@given(st.lists(st.text(alphabet="a~/01", min_size=0)))
def test_a_pointer_leads_back_to_its_steps_whatever_they_are_called(steps: list[str]) -> None:
    assert follow(pointer(steps)) == steps


def test_positions_in_lists_are_steps_too() -> None:
    assert pointer(["players", 3, "x/y"]) == "/players/3/x~1y"
    assert pointer([]) == ""


def test_each_broken_rule_has_its_place_its_kind_and_its_sentence() -> None:
    with pytest.raises(ValidationError) as raised:
        Order.model_validate({"counts": [2, 3]})
    rules = {rule.pointer: rule for rule in broken_rules(raised.value.errors())}
    assert rules.keys() == {"/counts/1", "/name"}
    assert (rules["/name"].kind, rules["/name"].sentence) == ("missing", "Field required")
    # our own sentence, without the words that pydantic puts before it
    assert (rules["/counts/1"].kind, rules["/counts/1"].sentence) == ("value_error", "give an even number")


def test_a_body_that_is_no_json_says_what_the_parser_met() -> None:
    (rule,) = broken_rules(
        [{"loc": ("body", 9), "type": "json_invalid", "msg": "JSON decode error", "ctx": {"error": "Expecting value"}}]
    )
    assert (rule.place, rule.cause) == (("body", 9), "Expecting value")
    (rule,) = broken_rules([{"loc": ("body", "x"), "type": "missing", "msg": "Field required"}])
    assert rule.cause == ""
