"""The list of commands loads none of them, and says of each what it says of itself."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.lazy import COMMANDS, loaded

_HEAVY = {"sqlalchemy", "pyarrow", "numpy", "httpx", "pydantic", "torch", "worker", "cherish"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    own = loaded(name).help or ""
    assert " ".join(own.split("\n\n")[0].split()) == COMMANDS[name].about


def test_the_list_of_commands_loads_nothing_that_they_need() -> None:
    program = (
        "import sys; sys.argv = ['cherish', '--help']\n"
        "from app.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        f"sys.exit(','.join({_HEAVY!r} & set(sys.modules)) or 0)"
    )
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert all(name in asked.stdout for name in COMMANDS)


def test_a_command_that_is_not_there_is_refused_by_name() -> None:
    result = CliRunner().invoke(app, ["valeu"])
    assert result.exit_code == 2
    assert "No such command 'valeu'" in result.output
