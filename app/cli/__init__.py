"""``cherish``: the command line. Each group of commands is a module here, imported when one of them is run (lazy.py).

A mistake of the user's ends with one sentence on standard error and exit code 1, never with a traceback.
"""

import sys

import typer

from app.cli.lazy import LazyGroup
from app.errors import CherishError

app = typer.Typer(
    name="cherish",
    cls=LazyGroup,
    help="A data market that can prove its payouts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def cherish() -> None:
    """A data market that can prove its payouts."""


def main() -> None:
    """The entry point of the ``cherish`` script."""
    try:
        app()
    except CherishError as error:
        sys.stderr.write(f"cherish: {error.detail}\n")
        for fault in error.errors:
            sys.stderr.write(f"  {fault.pointer}: {fault.detail}\n")
        sys.exit(1)
    except Exception as error:
        from cherish import Problem  # after a command, which alone can have raised it: the list of them needs no client

        if not isinstance(error, (Problem, TimeoutError)):
            raise
        sys.stderr.write(f"cherish: {error}\n")
        sys.exit(1)
