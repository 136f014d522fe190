"""What the framework leaves of schemas and examples that other programs stumble over, set right. Pure.

It drops every null of an example, so that examples lack members that their own schemas require; and it describes a pair
of numbers by the kinds of its places alone, which most generators of clients read as a list of nothing.
"""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, Field

_PREFIX = "#/components/schemas/"


def complete(spec: dict[str, Any]) -> None:
    """Give the document's examples their nulls back, and its lists of fixed length the kind of their items."""
    schemas = spec.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        for example in _Schema.of(schema).examples:
            _filled(example, schema, schemas)
    for schema in _all(spec):
        places = schema.get("prefixItems")
        if places and "items" not in schema:
            kinds = [each for number, each in enumerate(places) if each not in places[:number]]
            schema["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


class _Schema(BaseModel):
    """What is read of a schema; the objects in it are the document's own, which is changed in place."""

    ref: str = Field(default="", alias="$ref")
    type: Any = None
    any_of: list[Any] = Field(default_factory=list, alias="anyOf")
    properties: dict[str, Any] = Field(default_factory=dict)
    required: list[str] = Field(default_factory=list)
    others: Any = Field(default=None, alias="additionalProperties")
    items: Any = None
    examples: list[Any] = Field(default_factory=list)

    @classmethod
    def of(cls, value: Any) -> Self:
        """The schema of a member of a document; of one that is no object, one that says nothing."""
        return cls.model_validate(value if isinstance(value, dict) else {})

    @property
    def is_null(self) -> bool:
        return bool(self.type == "null")

    @property
    def takes_null(self) -> bool:
        return self.is_null or any(_Schema.of(choice).is_null for choice in self.any_of)


def _filled(value: Any, described: Any, schemas: dict[str, Any]) -> None:
    schema = _followed(described, schemas)
    if isinstance(value, dict):
        for name in schema.required:
            if name not in value and _Schema.of(schema.properties.get(name)).takes_null:
                value[name] = None
        for name, member in value.items():
            _filled(member, schema.properties.get(name, schema.others), schemas)
    elif isinstance(value, list):
        for item in value:
            _filled(item, schema.items, schemas)


def _followed(described: Any, schemas: dict[str, Any]) -> _Schema:
    """The schema that a reference, or a choice between one and null, stands for."""
    schema = _Schema.of(described)
    if schema.ref.startswith(_PREFIX):
        return _followed(schemas.get(schema.ref.removeprefix(_PREFIX)), schemas)
    choices = [choice for choice in schema.any_of if not _Schema.of(choice).is_null]
    return _followed(choices[0], schemas) if len(choices) == 1 else schema


def _all(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document, itself included."""
    if isinstance(value, dict):
        yield value
        for each in list(value.values()):
            yield from _all(each)
    elif isinstance(value, list):
        for each in value:
            yield from _all(each)
