"""Files on this machine become the game that the service would play with them: order and file names change nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.valuing.local import evaluator_of
from app.cli.valuing.request import ValueRequest
from app.errors import CherishError
from worker.engine.evaluation.evaluator import Evaluator

ROWS = {"a": (0, 12), "b": (1, 9), "test": (2, 20), "rest": (3, 6)}


def rows(seed: int, count: int) -> list[str]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 2))
    return [f"{x:.3f},{z:.3f},{'yes' if x > z else 'no'}" for x, z in X]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (seed, count) in ROWS.items():
        write(tmp_path / f"{name}.csv", rows(seed, count))
    return tmp_path


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(["x,z,label", *lines]) + "\n")
    return path


def request(folder: Path, **changes: Any) -> ValueRequest:
    asked: dict[str, Any] = {
        "providers": (("A", str(folder / "a.csv")), ("B", str(folder / "b.csv"))),
        "test": str(folder / "test.csv"),
        "target": "label",
        "model": "logistic:l2=0.01",
        "metric": "log_loss",
        "mode": "full",
        "seed": 3,
    }
    return ValueRequest(**asked | changes)


def same_rows(one: Evaluator, other: Evaluator) -> bool:
    """Whether the players have the same rows, bit for bit."""
    pairs = zip(one.problem.players, other.problem.players, strict=True)
    return all(np.array_equal(a.X, b.X) and np.array_equal(a.y, b.y) for a, b in pairs)


def test_players_are_those_of_the_files_and_everything_the_game_rests_on_has_a_digest(folder: Path) -> None:
    evaluator, digests = evaluator_of(request(folder, rest=str(folder / "rest.csv")), 1)
    assert sorted((player.name, player.rows) for player in evaluator.players) == [("A", 12), ("B", 9)]
    assert digests.keys() == {"test", "encoding", "rest"}
    assert evaluator_of(request(folder), 1)[1].keys() == {"test", "encoding"}


def test_neither_the_order_of_rows_nor_that_of_providers_changes_the_game(folder: Path) -> None:
    one, digests = evaluator_of(request(folder), 1)
    b, a = (write(folder / f"other-{name}.csv", rows(*ROWS[name])[::-1]) for name in ("b", "a"))
    other, again = evaluator_of(request(folder, providers=(("B", str(b)), ("A", str(a)))), 1)
    assert digests == again
    assert one.players == other.players
    assert same_rows(one, other)


def test_a_provider_that_is_named_twice_has_the_rows_of_both_files(folder: Path) -> None:
    halves = [write(folder / f"half-{at}.csv", rows(*ROWS["a"])[at::2]) for at in (0, 1)]
    providers = (("A", str(halves[0])), ("B", str(folder / "b.csv")), ("A", str(halves[1])))
    split, _ = evaluator_of(request(folder, providers=providers), 1)
    whole, _ = evaluator_of(request(folder), 1)
    assert split.players == whole.players
    assert same_rows(split, whole)


def test_shards_play_for_their_owners(folder: Path) -> None:
    evaluator, _ = evaluator_of(request(folder, shards=4), 1)
    assert len(evaluator.players) >= 4
    assert {player.owner for player in evaluator.players} == {owner.name for owner in evaluator.owners} == {"A", "B"}
    assert sum(player.rows for player in evaluator.players) == 21


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": ""}, "--target is missing"),
        ({"test": "absent.csv"}, r"the test set: there is no file absent\.csv; check the path"),
        ({"providers": (("A", "absent.csv"),)}, r"A \(absent\.csv\): there is no file"),
        ({"rest": "absent.csv"}, "the rest: there is no file"),
        ({"checkpoint": "absent.safetensors"}, "--checkpoint: there is no file"),
        ({"model": "lm:rank=2", "shards": 4}, "--shards and --class-weights are for labelled rows"),
        ({"model": "lm:rank=2", "class_weights": "balanced"}, "--shards and --class-weights are for labelled rows"),
        ({"model": "logistik"}, "logistic"),
        ({"metric": "acuracy"}, "accuracy"),
    ],
)
def test_what_cannot_be_valued_is_one_sentence(folder: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CherishError, match=words):
        evaluator_of(request(folder, **changes), 1)
