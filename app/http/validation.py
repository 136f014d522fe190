"""Pydantic's errors as values with names: where a rule was broken, which one, and what is said of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BrokenRule:
    """One error. ``place`` are the steps to the value; ``cause`` is the parser's word for a body that is no JSON."""

    place: tuple[int | str, ...]
    kind: str
    sentence: str
    cause: str

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer (RFC 6901)."""
        return pointer(self.place)


def broken_rules(errors: Iterable[Mapping[str, Any]]) -> list[BrokenRule]:
    """The errors of a ValidationError or RequestValidationError, as ``errors()`` lists them."""
    return [
        BrokenRule(
            place=tuple(error["loc"]),
            kind=str(error["type"]),
            sentence=str(error["msg"]).removeprefix("Value error, "),
            cause=str(error.get("ctx", {}).get("error", "")),
        )
        for error in errors
    ]


def pointer(steps: Iterable[int | str]) -> str:
    """A JSON pointer (RFC 6901) of these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
