"""Names that come from a closed list: refused with the list and the nearest right spelling, and shown to OpenAPI.

``OneOf`` is a pydantic annotation: ``Annotated[str, OneOf("metric", METRICS)]`` accepts the names of the list, and its
JSON schema is an enum of them. The list is read once, when the model is made.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema


def nearest(value: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that is spelt most like ``value``; None where none is near."""
    matches = difflib.get_close_matches(value.strip().lower(), [*allowed], n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(value: object, allowed: Iterable[str]) -> str:
    """`` (did you mean ...?)`` with the nearest right spelling, for a refusal; nothing where none is near."""
    near = nearest(value, allowed) if isinstance(value, str) else None
    return f" (did you mean {near!r}?)" if near is not None else ""


def unknown(what: str, value: object, allowed: Iterable[str]) -> str:
    """The refusal of a name that is not on a list: what it names, the list, and the nearest right spelling."""
    names = [*allowed]
    return f"{what} {value!r} is unknown{did_you_mean(value, names)}; choose one of {', '.join(names)}"


@dataclass(frozen=True)
class OneOf:
    """The names that a string field takes; ``what`` is what a name of the list names, in messages."""

    what: str
    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def check(value: str) -> str:
            if value not in self.names:
                raise PydanticCustomError(
                    "unknown_name", "{sentence}", {"sentence": unknown(self.what, value, self.names)}
                )
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        json_schema = dict(handler(schema))
        if json_schema.get("type") == "string":
            return {"type": "string", "enum": list(self.names)} | {k: v for k, v in json_schema.items() if k != "type"}
        return json_schema
