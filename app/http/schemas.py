"""Bases of what HTTP carries: bodies refuse fields they do not know, answers are built from rows. No room's schema.

Every schema gives one example with ``example(...)``; the OpenAPI document shows it, and a test insists on it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request body. An unknown field is an error: a misspelt option must not be silently ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Answer(BaseModel):
    """A response body, built from attributes of rows."""

    model_config = ConfigDict(from_attributes=True)


def example(**values: Any) -> ConfigDict:
    """The model_config of a schema whose OpenAPI example is ``values``."""
    return ConfigDict(json_schema_extra={"examples": [values]})


def example_of(schema: type[Any]) -> dict[str, Any] | None:
    """The first example that a schema was given; None for a schema without one, or for a plain type."""
    extra = getattr(schema, "model_config", {}).get("json_schema_extra")
    shown: dict[str, Any] | None = extra["examples"][0] if isinstance(extra, dict) else None
    return shown
