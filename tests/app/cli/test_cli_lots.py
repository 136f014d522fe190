"""Test rows by lot of files on this machine: what is drawn is not trained on, verify draws the same, and what has none
is refused by name."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.cli.valuing.featured import evaluator_on_features
from app.cli.valuing.local import evaluator_of
from app.cli.valuing.lots import check
from app.cli.valuing.request import ValueRequest
from app.cli.valuing.row_sources import RowSources
from app.errors import InvalidInput
from tests.frozen_models import sentences, write_encoder

ROWS = {"a": (0, 40), "b": (1, 50), "c": (2, 60), "test": (3, 30), "other": (4, 20)}


def lines(seed: int, count: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"{x:.4f},{z:.4f},{'yes' if x > z else 'no'}" for x, z in rng.normal(size=(count, 2))]


def write(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(["x,z,label", *rows]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (seed, count) in ROWS.items():
        write(tmp_path / f"{name}.csv", lines(seed, count))
    return tmp_path


def request(folder: Path, **changes: Any) -> ValueRequest:
    asked: dict[str, Any] = {
        "providers": tuple((name.upper(), str(folder / f"{name}.csv")) for name in "abc"),
        "test": str(folder / "test.csv"),
        "target": "label",
        "model": "logistic:l2=0.01",
        "metric": "log_loss",
        "mode": "full",
        "seed": 3,
        "test_lot": 0.2,
    }
    return ValueRequest(**asked | changes)


def contents(*parts: Any) -> set[bytes]:
    return {row.tobytes() + str(label).encode() for part in parts for row, label in zip(part.X, part.y, strict=True)}


def test_a_part_of_each_providers_rows_measures_and_is_not_trained_on(folder: Path) -> None:
    problem = evaluator_of(request(folder), 1)[0].problem
    # 20 % of 40, 50 and 60, and of the last no more than of the one in the middle
    assert {player.name: len(player) for player in problem.players} == {"A": 32, "B": 40, "C": 50}
    assert len(problem.test.y) == 30 + 8 + 10 + 10
    assert not contents(problem.test) & contents(*problem.players)
    alone = evaluator_of(request(folder, lot_alone=True), 1)[0].problem
    assert contents(alone.test) < contents(problem.test)
    assert len(alone.test.y) == 28


def test_names_seeds_and_the_order_of_files_draw_nothing_else_and_other_rows_do(folder: Path) -> None:
    usual = contents(evaluator_of(request(folder), 1)[0].problem.test)
    swapped = tuple((name, str(folder / f"{file}.csv")) for name, file in (("x", "c"), ("y", "a"), ("w", "b")))
    assert contents(evaluator_of(request(folder, providers=swapped, seed=9), 1)[0].problem.test) == usual
    write(folder / "a.csv", lines(7, 40))
    assert contents(evaluator_of(request(folder), 1)[0].problem.test) != usual


def test_equals_of_a_test_row_are_trained_on_by_nobody(folder: Path) -> None:
    write(folder / "c.csv", lines(0, 40))
    problem = evaluator_of(request(folder, rest=str(folder / "a.csv")), 1)[0].problem
    assert problem.rest is not None
    assert not contents(problem.test) & contents(*problem.players, problem.rest)


def test_rows_that_are_left_keep_the_numbers_of_their_file(folder: Path) -> None:
    rows = lines(0, 40)
    said = ["value", "--test", str(folder / "test.csv"), "--target", "label", "--rows", str(folder / "rows.csv")]
    providers = [each for name in "abc" for each in ("--provider", f"{name}={folder / name}.csv")]
    valued = CliRunner().invoke(cli, [*said, *providers, "--test-lot", "0.2", "--lot-alone"])
    assert valued.exit_code == 0, valued.output
    with (folder / "rows.csv").open(newline="") as file:
        told = {int(row["row"]): row["label"] for row in csv.DictReader(file) if row["provider"] == "a"}
    assert len(told) == 32
    assert told == {number: rows[number - 1].rpartition(",")[2] for number in told}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"test_lot": 0.9}, "a part of 0.05 to 0.5"),
        ({"test_lot": None, "lot_alone": True}, "--lot-alone"),
        ({"providers": (("A", "a.csv"), ("B", "b.csv"))}, "3 providers"),
        ({"mode": "partial"}, "trained on these rows"),
        ({"segments": "x"}, "segments"),
        ({"test_group": "x"}, "groups"),
        ({"model": "lm"}, "language model"),
    ],
)
def test_what_has_no_lot_is_refused_with_the_reason(folder: Path, changes: dict[str, Any], why: str) -> None:
    asked = request(folder, **changes)
    with pytest.raises(InvalidInput, match=why):
        check(asked, asked.model.partition(":")[0])
    with pytest.raises(InvalidInput, match=why):
        evaluator_of(asked, 1)


def test_rows_behind_a_frozen_encoder_are_drawn_as_well(tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder")
    for seed, name in enumerate(("a", "b", "c", "test")):
        (tmp_path / f"{name}.jsonl").write_bytes(sentences(seed, 20))
    files = tuple((name, str(tmp_path / f"{name}.jsonl")) for name in "abc")
    asked = request(
        tmp_path,
        providers=files,
        test=str(tmp_path / "test.jsonl"),
        encoder=str(tmp_path / "encoder"),
        model="logistic",
    )
    sources = RowSources()
    problem = evaluator_on_features(asked, "logistic", {"context": 12}, 1, sources=sources)[0].problem
    assert [len(player) for player in problem.players] == [16, 16, 16]
    assert len(problem.test.y) == 20 + 12


def test_verify_draws_the_same_rows_and_people_are_told_how_many(folder: Path) -> None:
    said = ["value", "--test", str(folder / "test.csv"), "--target", "label", "--json", str(folder / "result.json")]
    providers = [each for name in "abc" for each in ("--provider", f"{name}={folder / name}.csv")]
    valued = CliRunner().invoke(cli, [*said, *providers, "--test-lot", "0.2", "--max-retrains", "0"])
    assert valued.exit_code == 0, valued.output
    assert "58 rows measure" in valued.output
    verified = CliRunner().invoke(cli, ["verify", str(folder / "result.json"), *providers, "--worths", "4"])
    assert verified.exit_code == 0, verified.output
