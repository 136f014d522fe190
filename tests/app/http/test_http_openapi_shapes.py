"""Examples hold the nulls that their schemas require; lists of fixed length say what is in them."""

import copy
from typing import Any

import jsonschema_rs
import pytest

from app.http.documentation.shapes import complete
from app.main import create_app
from app.settings import Settings

SPEC: dict[str, Any] = create_app(Settings()).openapi()
SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]


def test_nulls_are_given_back_where_they_are_required_and_nowhere_else() -> None:
    inner = {
        "type": "object",
        "required": ["b"],
        "properties": {"b": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    }
    outer = {
        "type": "object",
        "required": ["a", "inner"],
        "properties": {
            "a": {"type": "string"},
            "c": {"type": "null"},
            "inner": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}},
        },
        "examples": [{"inner": {}, "list": [{}, {"b": "x"}]}],
    }
    spec = {"components": {"schemas": {"Inner": inner, "Outer": outer}}}
    complete(spec)
    (example,) = outer["examples"]
    assert example == {"inner": {"b": None}, "list": [{"b": None}, {"b": "x"}]}, "what is no null stays missing"


def test_a_pair_says_what_is_in_it() -> None:
    pair = {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}
    mixed = {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]}
    complete({"components": {"schemas": {"A": pair, "B": mixed}}})
    assert pair["items"] == {"type": "number"}
    assert mixed["items"] == {"anyOf": [{"type": "number"}, {"type": "string"}]}


@pytest.mark.parametrize("name", sorted(name for name, schema in SCHEMAS.items() if "examples" in schema))
def test_every_example_is_of_its_schema(name: str) -> None:
    schema = copy.deepcopy(SCHEMAS[name])
    checker = jsonschema_rs.Draft202012Validator(schema | {"components": SPEC["components"]})
    for example in schema["examples"]:
        faults = [f"{each.instance_path}: {each.message[:200]}" for each in checker.iter_errors(example)]
        assert faults == []
