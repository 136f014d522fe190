"""``cherish``: the command line. Each group of commands is a module here that registers itself on ``app``.

A mistake of the user's ends with one sentence on standard error and exit code 1, never with a traceback.
"""

import sys

import typer

from app.cli import collect, demo, doctor, keys, market, ops, predict, value, verify
from app.errors import CherishError
from cherish import Problem

app = typer.Typer(
    name="cherish",
    help="A data market that can prove its payouts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ops.register(app)
demo.register(app)
doctor.register(app)
keys.register(app)
collect.register(app)
value.register(app)
verify.register(app)
predict.register(app)
market.register(app)


def main() -> None:
    """The entry point of the ``cherish`` script."""
    try:
        app()
    except CherishError as error:
        sys.stderr.write(f"cherish: {error.detail}\n")
        for fault in error.errors:
            sys.stderr.write(f"  {fault.pointer}: {fault.detail}\n")
        sys.exit(1)
    except (Problem, TimeoutError) as error:
        sys.stderr.write(f"cherish: {error}\n")
        sys.exit(1)
