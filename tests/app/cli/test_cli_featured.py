"""Rows through a frozen encoder or backbone on the command line: what is combined, what names the game, what is not."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli.valuing.featured import evaluator_on_features
from app.cli.valuing.request import ValueRequest
from app.errors import CherishError
from contract.rows.findings import Finding
from tests.frozen_models import pictures, sentences, write_backbone, write_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("featured")
    write_encoder(where / "encoder")
    write_backbone(where / "backbone")
    for seed, name in enumerate(("a", "b", "test")):
        (where / f"{name}.jsonl").write_bytes(sentences(seed, 14))
        (where / f"{name}.zip").write_bytes(pictures(seed, 8))
    return where


def request(folder: Path, suffix: str = "jsonl", **changes: Any) -> ValueRequest:
    asked: dict[str, Any] = {
        "providers": (("A", str(folder / f"a.{suffix}")), ("B", str(folder / f"b.{suffix}"))),
        "test": str(folder / f"test.{suffix}"),
        "target": "label",
        "model": "logistic",
        "metric": "log_loss",
        "mode": "full",
        "seed": 3,
    }
    frozen = {"encoder": str(folder / "encoder")} if suffix == "jsonl" else {"backbone": str(folder / "backbone")}
    return ValueRequest(**asked | frozen | changes)


def game(asked: ValueRequest, name: str = "logistic", **hyper: Any) -> tuple[Any, dict[str, str]]:
    return evaluator_on_features(asked, name, dict(hyper), 1)


@pytest.mark.parametrize(("suffix", "count", "shown"), [("jsonl", 14, {"context": 12}), ("zip", 8, {"size": 32})])
def test_a_head_learns_on_features_of_each_row_and_adapters_on_the_row_itself(
    folder: Path, suffix: str, count: int, shown: dict[str, int]
) -> None:
    head, digests = game(request(folder, suffix), **shown)
    inside, same = game(request(folder, suffix), "lora", rank=2, **shown)
    assert sorted((each.name, each.rows) for each in head.players) == [("A", count), ("B", count)]
    assert head.problem.feature_shape == (16,), "the width of the model"
    assert inside.problem.feature_shape == ((12,) if suffix == "jsonl" else (3, 32, 32))
    # a player is named by its rows, whatever is made of them
    assert {each.digest for each in head.players} == {each.digest for each in inside.players}
    assert digests == same
    assert digests.keys() == {"test", "base"}


def test_another_base_is_another_game_and_a_note_beside_it_is_not(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder / "encoder", tmp_path / "copied"))
    (copied / "README.md").write_text("where it comes from")
    digest = game(request(folder), context=16)[1]["base"]
    assert game(request(folder, encoder=str(copied)), context=16)[1]["base"] == digest
    with (copied / "config.json").open("a") as file:
        file.write("\n")
    assert game(request(folder, encoder=str(copied)), context=16)[1]["base"] != digest


def test_a_player_of_two_files_has_the_rows_of_both(folder: Path) -> None:
    twice = (("A", str(folder / "a.jsonl")), ("A", str(folder / "b.jsonl")), ("B", str(folder / "b.jsonl")))
    evaluator, _ = game(request(folder, providers=twice), context=16)
    assert sorted((each.name, each.rows) for each in evaluator.players) == [("A", 28), ("B", 14)]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("cnn", {}, "one of them, with logistic, mlp or ridge as the head, or lora, as --model"),
        ("logistic", {"backbone": "another"}, "--encoder or --backbone: one of them"),
        ("logistic", {"rest": "rest.jsonl"}, "--rest: rows of no player are not read through a frozen model"),
        ("logistic", {"test": "absent.jsonl"}, r"the test set: there is no file absent\.jsonl; check the path"),
    ],
)
def test_what_does_not_go_together_is_refused(folder: Path, name: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CherishError, match=words):
        game(request(folder, **changes), name, context=16)


@pytest.mark.parametrize("hyper", [{"context": 1.5}, {"context": "long"}, {"context": 16, "size": 2.5}])
def test_a_length_or_size_is_a_whole_number(folder: Path, hyper: dict[str, Any]) -> None:
    with pytest.raises(CherishError, match="must be a whole number"):
        game(request(folder), **hyper)


def test_labels_are_mapped_left_out_or_refused_and_what_is_noticed_is_said(folder: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (folder / "b.jsonl").read_text().splitlines()]
    labels = sorted({row["label"] for row in rows})
    for row in rows:
        row["label"] = row["label"].upper()
    rows += [{"text": "the sea", "label": None}, rows[0]]
    other = tmp_path / "b.jsonl"
    other.write_text("\n".join(map(json.dumps, rows)))
    providers = (("A", str(folder / "a.jsonl")), ("B", str(other)))
    said: list[tuple[str, str]] = []

    def notice(name: str, findings: Sequence[Finding]) -> None:
        said.extend((name, finding.code) for finding in findings)

    asked = request(folder, providers=providers, label_map={label.upper(): label for label in labels})
    evaluator, _ = evaluator_on_features(asked, "logistic", {"context": 12}, 1, notice)
    assert {each.name: each.rows for each in evaluator.players} == {"A": 14, "B": 15}
    assert said == [(f"B ({other})", "missing_labels"), (f"B ({other})", "duplicate_rows")]
    assert evaluator.problem.classes == len(labels)
    with pytest.raises(CherishError, match=r"B \(.*\): column `label`: row 15 has no label; fill it"):
        game(request(folder, providers=providers, missing_labels="refuse"))
    evaluator, _ = game(request(folder, providers=providers, missing_labels="refuse", drop_unfit=True), context=12)
    assert [each.name for each in evaluator.players] == ["A"]
