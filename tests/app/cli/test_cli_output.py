"""A document goes to a file, or to standard output, which then holds nothing else; the service that is away is said."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app, main
from app.cli.output import STANDARD, console_beside, write_document


def test_a_dash_is_standard_output_and_people_read_the_other_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console = console_beside(STANDARD)
    console.print("for people")
    write_document(b'{"a": 1}\n', STANDARD, console)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": 1}
    assert said.err == "for people\n"
    file = tmp_path / "result.json"
    write_document(b"{}", file, console_beside(file))
    assert file.read_bytes() == b"{}"
    assert "Written to" in capsys.readouterr().out


def test_the_command_has_a_version_a_short_help_and_no_traceback_for_a_service_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("cherish 0.")
    assert "Usage" in CliRunner().invoke(app, ["-h"]).stdout
    monkeypatch.setattr("cherish.client.pause_before", lambda _attempt: 0.0)
    monkeypatch.setattr("sys.argv", ["cherish", "datasets", "list", "--api", "http://127.0.0.1:9", "--key", "k"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("cherish: the service at http://127.0.0.1:9/ does not answer")
    assert "Traceback" not in said
