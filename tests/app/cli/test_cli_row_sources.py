"""``cherish value --rows``: each row of each file has its value under its own number."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.valuing.row_sources import RowSources, check_rows_path, write_rows
from app.errors import InvalidInput
from app.valuations.results.row_tables import COLUMNS, paired, row_table
from contract.results.row_values import PlayerRowValues
from tests.frozen_models import sentences, write_encoder


def made(X: np.ndarray, y: np.ndarray) -> PlayerRowValues:
    count = len(y)
    return PlayerRowValues(
        provider="alder",
        value=float(X[:, 0].sum()),
        values=X[:, 0].astype(np.float64),
        stderr=np.ones(count),
        labels=y,
        suggested=np.zeros(count, dtype=np.int64),
        agreement=np.ones(count),
        own=np.zeros(count),
        copy_of=np.where(np.arange(count) == 1, 0, -1),
        by="statistics",
    )


def test_rows_are_found_again_by_their_content() -> None:
    X, y = np.array([[3.0], [1.0], [2.0]], dtype=np.float32), np.array([0, 1, 1])
    sources = RowSources(classes=("no", "yes"))
    sources.add("alder", "b.csv", np.array([1, 4]), X[:2], y[:2])
    sources.add("alder", "a.csv", np.array([7]), X[2:], y[2:])
    order = np.array([2, 0, 1])
    table = sources.table(made(X[order], y[order]), X[order], y[order]).to_pylist()
    assert [(row["file"], row["row"], row["value"]) for row in table] == [
        ("a.csv", 7, 2.0),
        ("b.csv", 1, 3.0),
        ("b.csv", 4, 1.0),
    ]
    assert [row["label"] for row in table] == ["yes", "no", "yes"]
    assert [row["suggested_label"] for row in table] == ["no", None, "no"]
    assert [(row["copy_of_file"], row["copy_of_row"]) for row in table] == [(None, None), ("a.csv", 7), (None, None)]


def test_numbers_have_no_suggested_label() -> None:
    found = made(np.array([[1.0], [2.0]], dtype=np.float32), np.array([0.5, 1.5]))
    table = row_table(found, np.array(["a", "a"]), np.array([1, 2]), ())
    assert table.column_names == list(COLUMNS)
    assert table.column("label").to_pylist() == [0.5, 1.5]
    assert table.column("suggested_label").to_pylist() == [None, None]


def test_other_kinds_of_files_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"\.parquet"):
        check_rows_path(Path("rows.xlsx"))
    check_rows_path(Path("rows.csv"))
    check_rows_path(None)


def test_the_command_writes_a_value_for_every_labelled_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def write(name: str, count: int) -> str:
        X = rng.normal(size=(count, 2))
        labels = ["yes" if each else "no" for each in X.sum(axis=1) > 0]
        if name != "test":
            labels[4] = ""
        path, lines = tmp_path / f"{name}.csv", zip(X, labels, strict=True)
        path.write_text("a,b,label\n" + "".join(f"{row[0]:.3f},{row[1]:.3f},{each}\n" for row, each in lines))
        return str(path)

    alder, birch, test = write("alder", 30), write("birch", 25), write("test", 60)
    out = tmp_path / "rows.parquet"
    arguments = ["value", "--provider", f"alder={alder}", "--provider", f"birch={birch}", "--test", test]
    result = CliRunner().invoke(app, [*arguments, "--target", "label", "--json", "-", "--rows", str(out)])
    assert result.exit_code == 0, result.output
    table = pyarrow.parquet.read_table(out)
    own = [row for row in table.to_pylist() if row["provider"] == "alder"]
    assert [row["row"] for row in own] == [number for number in range(1, 31) if number != 5]
    lines = Path(alder).read_text().splitlines()
    assert all(lines[row["row"]].endswith(f",{row['label']}") for row in own)
    write_rows([table], tmp_path / "rows.csv")
    assert pyarrow.csv.read_csv(tmp_path / "rows.csv").num_rows == 29 + 24


def test_features_that_another_machine_rounds_otherwise_find_their_rows() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 6)).astype(np.float32), rng.integers(0, 2, 200)
    X[100:] = X[:100]
    y[100:] = 1 - y[:100]
    order = rng.permutation(200)
    noise = rng.uniform(-1e-3, 1e-3, X.shape).astype(np.float32)
    assert np.array_equal(paired(X, y, (X + noise)[order], y[order]), order)
    again = paired(X, y, X[order], y[order])
    assert np.array_equal(X[again], X[order])
    with pytest.raises(ValueError, match="not those that it was computed on"):
        paired(X, y, X[order] + 1.0, y[order])


def test_rows_behind_an_encoder_keep_their_numbers_where_some_have_no_label(tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder")
    (tmp_path / "test.jsonl").write_bytes(sentences(9, 20))
    offers = []
    for seed, name in enumerate(("alder", "birch")):
        lines = [json.loads(line) for line in sentences(seed, 14).splitlines()]
        lines[3]["label"] = None
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        offers += ["--provider", f"{name}={tmp_path / name}.jsonl"]
    out = tmp_path / "rows.parquet"
    asked = ["value", *offers, "--test", str(tmp_path / "test.jsonl"), "--target", "label", "--rows", str(out)]
    frozen = ["--encoder", str(tmp_path / "encoder"), "--model", "logistic:context=16", "--json", str(tmp_path / "v")]
    result = CliRunner().invoke(app, [*asked, *frozen])
    assert result.exit_code == 0, result.output
    table = pyarrow.parquet.read_table(out).to_pylist()
    worth = {each["provider"]: each["value"] for each in json.loads((tmp_path / "v").read_text())["players"]}
    for name, value in worth.items():
        own = [row for row in table if row["provider"] == name]
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert [row["row"] for row in own] == [1, 2, 3, *range(5, 15)]
        assert [row["label"] for row in own] == [lines[row["row"] - 1]["label"] for row in own]
        assert abs(sum(row["value"] for row in own) - value) < 1e-9
