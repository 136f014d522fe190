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
