"""``cherish value`` says which providers are substitutes for certain, and keeps all pairs in its file."""

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from app.cli import app
from app.cli.valuing.pairs import MOST_PAIRS


def test_a_copy_is_said_to_be_a_substitute(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def write(name: str, count: int) -> str:
        X = rng.normal(size=(count, 4))
        labels = (X @ [2.0, -1.0, 0.5, 0.3] + 0.2 * rng.normal(size=count) > 0).astype(int)
        rows = [",".join(f"{cell:g}" for cell in row) for row in np.column_stack([X.round(3), labels])]
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["a,b,c,d,label", *rows]) + "\n")
        return str(path)

    alder, birch, test = write("alder", 25), write("birch", 12), write("test", 400)
    providers = [f"alder={alder}", f"copy={alder}", f"birch={birch}"]
    out = tmp_path / "result.json"
    arguments = [argument for each in providers for argument in ("--provider", each)]
    result = CliRunner().invoke(
        app, ["value", *arguments, "--test", test, "--target", "label", "--metric", "log_loss", "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "alder and copy are substitutes" in " ".join(result.output.split())
    assert result.output.count("substitutes") + result.output.count("complements") <= MOST_PAIRS
    stored = json.loads(out.read_text())
    names = [player["provider"] for player in stored["players"]]
    pairs = {frozenset((names[pair["first"]], names[pair["second"]])): pair for pair in stored["pairs"]["pairs"]}
    assert len(pairs) == 3
    lowest = min(pairs, key=lambda names: pairs[names]["value"])
    assert lowest == {"alder", "copy"}
