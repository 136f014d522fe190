"""``cherish``: the command line. Each group of commands is a module here, imported when one of them is run (lazy.py).

A mistake of the user's ends with one sentence on standard error and exit code 1, never with a traceback.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from app.cli.lazy import LazyGroup
from app.errors import CherishError

app = typer.Typer(
    name="cherish",
    cls=LazyGroup,
    help="A data market that can prove its payouts.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"cherish {version('cherish')}")
        raise typer.Exit


@app.callback()
def cherish(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version, and stop.")
    ] = False,
) -> None:
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

        sys.stderr.write(f"cherish: {_sentence(error, Problem)}\n")
        sys.exit(1)


def _sentence(error: Exception, problem: type[Exception]) -> str:
    """What went wrong, for a person; raises what is a fault of ours, with its traceback."""
    import httpx  # as above

    if isinstance(error, httpx.TransportError):
        where = "" if error._request is None else f" at {error.request.url.copy_with(path='/', query=None)}"
        return f"the service{where} does not answer ({error}); is it up, and is --api, or CHERISH_API, its address?"
    if isinstance(error, httpx.InvalidURL):
        return f"--api, or CHERISH_API, is no address ({error}); write it like http://127.0.0.1:8000"
    if isinstance(error, (problem, TimeoutError)):
        return str(error)
    raise error
