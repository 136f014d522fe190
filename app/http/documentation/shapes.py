"""What the framework leaves of schemas and examples that other programs stumble over, set right. Pure.

It drops every null of an example, so that examples lack members that their own schemas require; and it describes a pair
of numbers by the kinds of its places alone, which most generators of clients read as a list of nothing.
"""

from collections.abc import Iterator
from typing import Any

_PREFIX = "#/components/schemas/"


def complete(spec: dict[str, Any]) -> None:
    """Give the document's examples their nulls back, and its lists of fixed length the kind of their items."""
    schemas = spec.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        for example in schema.get("examples", ()):
            _filled(example, schema, schemas)
    for schema in _all(spec):
        places = schema.get("prefixItems")
        if places and "items" not in schema:
            kinds = [each for number, each in enumerate(places) if each not in places[:number]]
            schema["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _filled(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    schema = _followed(schema, schemas)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value and _takes_null(properties.get(name, {})):
                value[name] = None
        for name, each in value.items():
            _filled(each, properties.get(name, schema.get("additionalProperties") or {}), schemas)
    elif isinstance(value, list):
        for each in value:
            _filled(each, schema.get("items") or {}, schemas)


def _followed(schema: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference, or a choice between one and null, stands for."""
    if not isinstance(schema, dict):
        return {}
    if (named := schema.get("$ref", "")).startswith(_PREFIX):
        return _followed(schemas.get(named.removeprefix(_PREFIX), {}), schemas)
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _followed(choices[0], schemas) if len(choices) == 1 else schema


def _takes_null(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "null" or any(each.get("type") == "null" for each in schema.get("anyOf", ()))


def _all(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document, itself included."""
    if isinstance(value, dict):
        yield value
        for each in list(value.values()):
            yield from _all(each)
    elif isinstance(value, list):
        for each in value:
            yield from _all(each)
