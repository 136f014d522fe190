"""A command's options are the fields of a dataclass: as Typer reads them, one object as the command gets them."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from app.cli.commands import command


@dataclass(frozen=True)
class Options:
    file: Annotated[str, typer.Argument(help="A file.")]
    times: Annotated[int, typer.Option("--times", min=1, help="How often.")] = 2
    json_path: Annotated[str | None, typer.Option("--json")] = None


def run(arguments: list[str]) -> tuple[int, str, list[Options]]:
    got: list[Options] = []
    app = typer.Typer()
    app.command()(command(Options, got.append))
    answer = CliRunner().invoke(app, arguments)
    return answer.exit_code, answer.output, got


def test_options_arrive_as_one_object_with_their_kinds_and_defaults() -> None:
    assert run(["a.csv"])[2] == [Options("a.csv")]
    assert run(["a.csv", "--times", "3", "--json", "-"])[2] == [Options("a.csv", 3, "-")]


def test_what_breaks_a_field_s_rule_is_refused_and_help_says_it() -> None:
    code, output, got = run(["a.csv", "--times", "0"])
    assert (code, got) == (2, [])
    assert "--times" in output
    assert "How often." in run(["--help"])[1]
    assert run([])[0] == 2
