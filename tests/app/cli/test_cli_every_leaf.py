"""Whatever leaf of a result's file is changed, and the file sealed anew, ``cherish verify`` refuses it, or has said
beforehand that it cannot prove that leaf: those are listed here."""

import copy
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from app.cli import app
from app.cli.proving import verify
from contract.proof.sealing import sealed, spelled

Place = tuple[str | int, ...]
Changed = tuple[Place, str, Any]
# what changed no number, and was asked nowhere else: the verification says so of each ("Not checked: ...")
UNPROVEN = {
    "request.providers": "names and number of files",
    "request.providers.#.#": "names and number of files",
    "request.base": "options without effect",
    "request.drop_unfit": "options without effect",
    "request.image_size": "options without effect",
    "spec.max_seconds": "a limit of seconds that was not reached",
}
TENTH = "costs by less than a tenth"
NAMES = ("alder", "birch", "cedar", "elm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four providers, one of which left a label out, so that something is noticed; one with wrong labels."""
    where, rng = tmp_path_factory.mktemp("leaves"), np.random.default_rng(0)
    for name, count in (("alder", 12), ("birch", 20), ("cedar", 8), ("elm", 14), ("test", 60)):
        X = rng.normal(size=(count, 3))
        y = (X @ [1.0, -1.0, 0.3] + 0.3 * rng.normal(size=count) > 0) ^ (name == "elm")
        lines = [
            ",".join([*(f"{v:.4f}" for v in row), "yes" if label else "no"]) for row, label in zip(X, y, strict=True)
        ]
        if name == "birch":
            lines[0] = lines[0].rpartition(",")[0] + ","
        (where / f"{name}.csv").write_text("a,b,c,label\n" + "\n".join(lines) + "\n")
    return where


def files(folder: Path) -> list[str]:
    return [f"--provider={name}={folder / name}.csv" for name in NAMES]


def valued(folder: Path, *more: str) -> dict[str, Any]:
    path = folder / "result.json"
    test, metric = f"--test={folder / 'test.csv'}", "--metric=clipped_log_loss"
    done = CliRunner().invoke(
        app, ["value", *files(folder), test, "--target=label", metric, f"--json={path}", *more], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def until_it_fails(record: Any) -> Any:
    def recorded(checks: Any, part: str, verdict: Any) -> bool:
        if not record(checks, part, verdict):
            raise typer.Exit(1)
        return True

    return recorded


class Verifier:
    """The command itself, but that it reads the files once for each request and ends at the first part that fails."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.games, self.read = folder, {}, verify.game_of  # type: ignore[var-annotated]
        patch.setattr(verify, "game_of", self.game_of)
        patch.setattr(verify._Checks, "record", until_it_fails(verify._Checks.record))

    def game_of(self, request: Any, threads: int, notice: Any, *, small: bool) -> Any:
        key = f"{request}, {small}"
        if key not in self.games:
            noticed: list[Any] = []
            game = self.read(request, threads, lambda *said: noticed.append(said), small=small)
            self.games[key] = game, noticed
        game, noticed = self.games[key]
        for name, findings in noticed:
            notice(name, findings)
        return game

    def refuses(self, document: dict[str, Any]) -> bool:
        return self.run(spelled(sealed(document))).exit_code != 0

    def run(self, content: bytes) -> Any:
        (self.folder / "changed.json").write_bytes(content)
        command = ["verify", str(self.folder / "changed.json"), *files(self.folder), "--worths=1000", "--intervals"]
        done = CliRunner().invoke(app, command)
        # a refusal is one sentence, never a traceback
        assert done.exception is None or type(done.exception).__name__ in (
            "SystemExit",
            "InvalidInput",
            "InvalidData",
        ), repr(done.exception)
        return done


def changes(plain: Any, place: Place = ()) -> Iterator[Changed]:
    """Every change of one leaf, list or object: what is nudged, dropped, doubled, taken out, put in. Of long lists of
    alike things the first and the last are walked."""
    match plain:
        case bool():
            yield place, "turned", not plain
        case int():
            yield place, "one more", plain + 1
        case float():
            yield place, "nudged", plain + max(1e-3, 0.01 * abs(plain))
        case str():
            yield place, "another word", f"{plain}x"
        case None:
            yield place, "a number for nothing", 1
            yield place, "a word for nothing", "x"
        case list():
            yield place, "one more of it", [*plain, plain[-1] if plain else "x"]
            if plain:
                yield place, "one fewer", plain[:-1]
            for at in dict.fromkeys([*range(len(plain[:1])), len(plain) - 1] if plain else []):
                yield from changes(plain[at], (*place, at))
        case dict():
            yield place, "an unknown member", {**plain, "certified": "by us"}
            for name in plain:
                yield place, f"without {name}", {key: member for key, member in plain.items() if key != name}
                yield from changes(plain[name], (*place, name))


def changed(document: dict[str, Any], place: Place, new: Any) -> dict[str, Any]:
    whole = {"it": copy.deepcopy(document)}
    inside: Any = whole
    for step in ("it", *place)[:-1]:
        inside = inside[step]
    inside[("it", *place)[-1]] = new
    return whole["it"]


def unsealed(document: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in document.items() if name not in ("digest", "worths_root")}


def accepted(verifier: Verifier, document: dict[str, Any], walked: Sequence[Changed]) -> list[tuple[str, str]]:
    """Which of the changes pass, by what was changed."""
    passed = []
    for place, what, new in walked:
        whole = changed(document, place, new)
        if "worths" in whole and not verifier.refuses(whole):
            passed.append((".".join(map(str, place)), what))
    return passed


def check(verifier: Verifier, document: dict[str, Any], walked: Sequence[Changed]) -> None:
    honest = verifier.run(spelled(sealed(document)))
    assert honest.exit_code == 0, honest.output
    said = " ".join(honest.output.split())
    for leaf, what in accepted(verifier, document, walked):
        about = UNPROVEN.get(re.sub(r"\d+", "#", leaf), f"{leaf}: {what}")
        reason = TENTH if leaf.startswith("costs.") and what == "nudged" else about
        assert reason in said, f"{leaf} was changed ({what}) and the result still holds"


AUDITED = ("--max-retrains=12", "--unlearning=tangent")


def some(walked: Sequence[Changed], count: int) -> list[Changed]:
    return [walked[at] for at in np.random.default_rng(3).choice(len(walked), count, replace=False)]


def small(document: dict[str, Any]) -> None:
    assert document["findings"]
    assert document["stopped_by"] == "enumerated"


def test_no_leaf_of_a_small_games_result_can_be_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = unsealed(valued(folder))
    small(document)
    beside = [each for each in changes(document) if each[0][:1] in (("findings",), ("digests",), ("chance",))]
    check(Verifier(folder, monkeypatch), document, [*some(list(changes(document)), 40), *some(beside, 10)])


def test_nor_one_of_a_game_whose_unlearning_was_audited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = unsealed(valued(folder, *AUDITED))
    assert document["audit"]["status"] == "audited"
    check(Verifier(folder, monkeypatch), document, some(list(changes(document)), 20))


@pytest.mark.long
@pytest.mark.parametrize("more", [(), AUDITED])
def test_all_leaves_are_walked(folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    document = unsealed(valued(folder, *more))
    check(Verifier(folder, monkeypatch), document, list(changes(document)))
