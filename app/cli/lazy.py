"""Commands by name, each imported when it is run, so that listing them loads none of what they need.

What ``cherish --help`` says of a command stands here, and a test holds it to the command's own first words. Each
module of commands registers itself on a typer application when it is asked for by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import typer
from typer.core import TyperCommand, TyperGroup


class Registers(Protocol):
    """A module of commands."""

    def register(self, app: typer.Typer) -> None: ...


@dataclass(frozen=True)
class Lazy:
    """A command that is not loaded: what the list says of it, and where it is."""

    about: str
    load: Callable[[], Registers]


def _ops() -> Registers:
    from app.cli import ops

    return ops


def _demo() -> Registers:
    from app.cli.demonstration import demo

    return demo


def _doctor() -> Registers:
    from app.cli import doctor

    return doctor


def _collect() -> Registers:
    from app.cli import collect

    return collect


def _backup() -> Registers:
    from app.cli import backup

    return backup


def _value() -> Registers:
    from app.cli.valuing import value

    return value


def _verify() -> Registers:
    from app.cli.proving import verify

    return verify


def _royalties() -> Registers:
    from app.cli import royalties

    return royalties


def _predict() -> Registers:
    from app.cli import predict

    return predict


def _keys() -> Registers:
    from app.cli import keys

    return keys


def _agent() -> Registers:
    from app.cli import agent

    return agent


def _users() -> Registers:
    from app.cli import users

    return users


def _standing() -> Registers:
    from app.cli import standing

    return standing


def _market() -> Registers:
    from app.cli import daily

    return daily


COMMANDS: dict[str, Lazy] = {
    "up": Lazy("Start everything on this machine, in the foreground; Ctrl-C ends it.", _ops),
    "serve": Lazy("Run the API only; settings come from CHERISH_* variables.", _ops),
    "work": Lazy("Run one worker (one device); settings come from CHERISH_* variables.", _ops),
    "migrate": Lazy(
        "Bring the database's schema to the newest revision; while a table is in use, nobody waits behind it for long.",
        _ops,
    ),
    "demo": Lazy("Run the market once, end to end, and print who is paid what.", _demo),
    "doctor": Lazy(
        "Check database, roles, Redis, blobs, secrets, public address, disks, workers, sandbox and device.", _doctor
    ),
    "collect": Lazy("Mark blobs that nothing refers to, and erase those that have been so for long.", _collect),
    "backup": Lazy("Back up the database and the bytes that it refers to, while the service goes on.", _backup),
    "restore": Lazy("Restore a backup into an empty database, and say what it cannot know.", _backup),
    "value": Lazy(
        "Value providers' data by what it adds to a model: values, shares, and how sure they are.",
        _value,
    ),
    "verify": Lazy(
        "Check a result: all that it shows against its worths, and the worths that matter against the files; or a "
        "job's certificate, against the evidence that it commits to.",
        _verify,
    ),
    "predict": Lazy(
        "Predict with a delivered model: one line a row, its label and the probability of each, or its number.",
        _predict,
    ),
    "royalties": Lazy(
        "Say which providers a language model's answers leaned on, without training for any answer.", _royalties
    ),
    "statements": Lazy("Your ledger entries, newest first.", _market),
    "certificate": Lazy("Check a certificate's signature; exit code 1 where the key did not sign it.", _market),
    "agent": Lazy(
        "Answer jobs for data that stays here, with sums over a table's rows or adapters of documents.", _agent
    ),
    "keys": Lazy("API keys: create, list, revoke.", _keys),
    "users": Lazy("People who sign in: take a lost second factor away.", _users),
    "datasets": Lazy("Your datasets: push a file, list what there is.", _market),
    "checkpoints": Lazy("Your models: push a file of weights, resume a broken upload.", _market),
    "money": Lazy("Your money: balance, withdraw, withdrawals.", _market),
    "admin": Lazy("For administrators: organisations, deposits, withdrawals, workers.", _market),
    "consents": Lazy("Jobs that need your consent: list, approve, refuse.", _market),
    "valuations": Lazy("Your jobs: create, watch, read the result.", _market),
    "standing": Lazy("Jobs that repeat on new versions: create, list, pause, cancel.", _standing),
    "wanted": Lazy("What buyers look for: post, list, close.", _standing),
}


def loaded(name: str) -> Any:
    """The command of this name, with all that it needs imported; KeyError for another name."""
    own = typer.Typer(add_completion=False)
    own.callback()(lambda: None)  # with it a module of one command stays a group
    COMMANDS[name].load().register(own)
    return typer.main.get_group(own).commands[name]


class LazyGroup(TyperGroup):
    """A group whose commands are those of ``COMMANDS``."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the interface's context
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the interface's context
        if cmd_name not in COMMANDS:
            return None
        if self._listing:
            return TyperCommand(name=cmd_name, help=COMMANDS[cmd_name].about)
        return loaded(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False
