"""The gate of the API: the snapshot is what the code says, and each kind of break is seen, while additions are not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tools import openapi as gate

SPEC: dict[str, Any] = {
    "paths": {
        "/v1/things": {
            "post": {
                "operationId": "create_thing",
                "parameters": [{"in": "query", "name": "size", "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
                "responses": {
                    "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Body": {
                "type": "object",
                "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "note": {"type": "string"}},
                "required": ["kind"],
            },
            "Thing": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "size": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                },
                "required": ["id"],
            },
        }
    },
}


def operation(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["paths"]["/v1/things"]["post"]
    return found


def body(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["components"]["schemas"]["Body"]
    return found


def thing(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["components"]["schemas"]["Thing"]
    return found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s["paths"].clear(), "POST /v1/things is gone"),
        (lambda s: operation(s).update(operationId="make_thing"), "create_thing became make_thing"),
        (lambda s: operation(s)["parameters"].clear(), "query parameter size is gone"),
        (lambda s: operation(s)["parameters"][0].update(required=True), "parameter size is required now"),
        (lambda s: operation(s)["requestBody"].update(required=True), "a body is required now"),
        (lambda s: operation(s).update(responses={}), "answer 201 is gone"),
        (lambda s: thing(s)["properties"].pop("size"), "field size is gone"),
        (lambda s: thing(s).update(required=[]), "field id is no longer always there"),
        (lambda s: thing(s)["properties"].update(id={"type": "integer"}), "id: may now be integer"),
        (lambda s: body(s)["properties"]["kind"].update(enum=["a"]), "the value b is no longer taken"),
        (lambda s: body(s)["required"].append("note"), "field note is required now"),
        (lambda s: body(s)["properties"].update(note={"type": "integer"}), "note: no longer takes string"),
        (lambda s: body(s)["properties"].pop("note"), "field note is gone"),
    ],
)
def test_a_break_is_named(change: Callable[[dict[str, Any]], Any], says: str) -> None:
    after = copy.deepcopy(SPEC)
    change(after)
    assert any(says in each for each in gate.breaks(SPEC, after)), gate.breaks(SPEC, after)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["paths"].update({"/v1/others": {"get": {"responses": {}}}}),
        lambda s: operation(s)["parameters"].append({"in": "query", "name": "x", "schema": {"type": "string"}}),
        lambda s: operation(s)["responses"].update({"409": {}}),
        lambda s: thing(s)["properties"].update(new={"type": "string"}),
        lambda s: thing(s)["required"].append("size"),
        lambda s: body(s)["properties"]["kind"].update(enum=["a", "b", "c"]),
        lambda s: body(s)["properties"].update(new={"type": "string"}),
        lambda s: body(s).update(required=[]),
    ],
)
def test_an_addition_is_no_break(change: Callable[[dict[str, Any]], Any]) -> None:
    after = copy.deepcopy(SPEC)
    change(after)
    assert gate.breaks(SPEC, after) == []


def test_the_snapshot_is_what_the_code_says() -> None:
    assert gate.SNAPSHOT.read_text("utf-8") == gate.text(gate.present()), (
        "docs/openapi.json is out of date: .venv/bin/python tools/openapi.py --write"
    )
