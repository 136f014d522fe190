"""Commands whose options are the fields of a dataclass: one object goes from the terminal to whoever reads it."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Options = TypeVar("Options", bound=DataclassInstance)
else:
    Options = TypeVar("Options")


def command(options: type[Options], run: Callable[[Options], None]) -> Callable[..., None]:
    """What Typer registers as a command: ``run`` with the ``options`` (each field Annotated as Typer wants it)."""
    hints = get_type_hints(options, include_extras=True)

    def call(**values: Any) -> None:
        run(options(**values))

    parameters = [
        Parameter(
            field.name,
            Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(options)
    ]
    call.__name__, call.__doc__ = run.__name__, run.__doc__
    call.__annotations__ = {**hints, "return": None}
    # what Typer reads
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return call
