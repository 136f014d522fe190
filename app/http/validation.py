"""Pydantic's errors as values with names: where a rule was broken, which one, and what is said of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


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


class _Context(BaseModel):
    """What an error of pydantic's says beside its sentence: the exception, or the parser's word."""

    error: Any = None


class _PydanticError(BaseModel):
    """One error as pydantic lists it."""

    loc: tuple[int | str, ...]
    type: str
    msg: str
    ctx: _Context = _Context()


def broken_rules(errors: Iterable[Mapping[str, Any]]) -> list[BrokenRule]:
    """The errors of a ValidationError or RequestValidationError, as ``errors()`` lists them."""
    return [
        BrokenRule(
            place=error.loc,
            kind=error.type,
            sentence=error.msg.removeprefix("Value error, "),
            cause="" if error.ctx.error is None else str(error.ctx.error),
        )
        for error in map(_PydanticError.model_validate, errors)
    ]


def pointer(steps: Iterable[int | str]) -> str:
    """A JSON pointer (RFC 6901) of these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
