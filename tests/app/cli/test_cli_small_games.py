"""A small linear game is valued and verified without torch, and on demand with it, which checks the other way."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from worker.engine.evaluation.small_linear import SmallLinear

PROGRAM = """
import sys
from app.cli import app
try:
    app(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
loaded = [name for name in ("torch", "pandas", "sqlalchemy", "fastapi") if name in sys.modules]
assert not loaded, loaded
"""


def write(path: Path, seed: int, rows: int) -> Path:
    rng = np.random.default_rng(seed)
    lines = ["u,v,y"]
    for _ in range(rows):
        u, v = rng.normal(size=2)
        lines.append(f"{u:.4f},{v:.4f},{'yes' if u - v + rng.normal() > 0 else 'no'}")
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments: str) -> str:
    """What a command in a process of its own says, which must have loaded nothing heavy."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_small_game_is_valued_and_verified_without_torch_and_on_demand_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [f"--provider=p{at}={write(tmp_path / f'p{at}.csv', at, 30)}" for at in range(3)]
    test, found = write(tmp_path / "test.csv", 9, 60), tmp_path / "result.json"
    arguments = ["value", *files, f"--test={test}", "--target=y", "--metric=log_loss", f"--json={found}"]
    run(*arguments)
    result = json.loads(found.read_text())
    assert set(result["costs"]) == {"retrain"}
    assert result["stopped_by"] == "enumerated"
    said = " ".join(run("verify", str(found), *files, "--seed=1", "--intervals").split())
    assert "Worths: 8 computed again, the same; 7 of them by training anew" in said
    assert "would be missed with a probability of 0 at most" in said
    with monkeypatch.context() as patch:
        patch.setattr(SmallLinear, "__init__", lambda *_: pytest.fail("the other way was asked for"))
        again = CliRunner().invoke(app, ["verify", str(found), *files, "--seed=1", "--intervals", "--by-torch"])
    assert again.exit_code == 0, again.output
    # a budget, or a method, asks for the other game
    other = tmp_path / "other.json"
    named = [*arguments[:-1], f"--json={other}", "--unlearning=tangent"]
    assert CliRunner().invoke(app, named).exit_code == 0
    assert "unlearn:tangent" in json.loads(other.read_text())["costs"]
