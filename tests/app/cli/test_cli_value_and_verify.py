"""``cherish value`` and ``cherish verify`` on real files, without a server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from app.cli import app
from app.cli.valuing.request import parse_model, parse_providers, parse_readings
from app.errors import CherishError, InvalidInput
from contract.proof.sealing import sealed, spelled
from worker.engine.valuation import recompute

COLUMNS = "a,b,c,label\n"


def write_rows(path: Path, X: NDArray[np.float64], y: NDArray[np.int64]) -> None:
    lines = [",".join([*(f"{v:.4f}" for v in row), "yes" if label else "no"]) for row, label in zip(X, y, strict=True)]
    path.write_text(COLUMNS + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six providers of a two-class task: one with flipped labels, one an exact copy of the first in another order."""
    where = tmp_path_factory.mktemp("market")
    rng = np.random.default_rng(0)

    def rows(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        X = rng.normal(size=(count, 3))
        return X, (X @ [1.0, -1.0, 0.3] + 0.3 * rng.normal(size=count) > 0).astype(np.int64)

    for name, count in (("alder", 12), ("birch", 20), ("cedar", 8), ("elm", 15)):
        write_rows(where / f"{name}.csv", *rows(count))
    X, y = rows(14)
    write_rows(where / "flipped.csv", X, 1 - y)
    first = (where / "alder.csv").read_text().splitlines()
    (where / "copy.csv").write_text("\n".join([first[0], *reversed(first[1:])]) + "\n")
    write_rows(where / "test.csv", *rows(120))
    write_rows(where / "rest.csv", *rows(30))
    return where


NAMES = ("alder", "birch", "cedar", "copy", "elm", "flipped")


def files(folder: Path) -> list[str]:
    return [argument for name in NAMES for argument in ("--provider", f"{name}={folder / name}.csv")]


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def value(folder: Path, out: str, *more: str | Path) -> dict[str, object]:
    path = folder / out
    result = run(
        "value",
        *files(folder),
        "--test",
        folder / "test.csv",
        "--target",
        "label",
        "--metric",
        "clipped_log_loss",
        "--json",
        path,
        *more,
    )
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(path.read_text())
    return answer


@pytest.fixture(scope="module")
def answered(folder: Path) -> dict[str, object]:
    return value(folder, "full.json", "--max-retrains", "30", "--plot", folder / "full.png")


def test_the_json_holds_everything_that_was_promised(folder: Path, answered: dict[str, object]) -> None:
    players = {p["provider"]: p for p in answered["players"]}  # type: ignore[attr-defined]  # plain JSON
    assert set(players) == set(NAMES)
    for player in players.values():
        assert set(player) >= {"provider", "rows", "value", "stderr", "value_ci", "share", "share_ci"}
        assert player["share_ci"][0] <= player["share"] <= player["share_ci"][1]
    assert sum(p["share"] for p in players.values()) == pytest.approx(1.0)
    assert set(answered) >= {
        "empty_worth",
        "full_worth",
        "evaluations",
        "audit",
        "stopped_by",
        "seconds",
        "retrain_seconds_estimate",
        "digests",
        "worths",
    }
    assert set(answered["worths"][0]) >= {"fidelity", "coalition", "worth"}  # type: ignore[index]
    assert answered["audit"]["status"] == "audited"  # type: ignore[index]
    assert (folder / "full.png").read_bytes().startswith(b"\x89PNG")


def test_the_flipped_provider_earns_nothing_and_the_copy_what_its_original_does(answered: dict[str, object]) -> None:
    players = {p["provider"]: p for p in answered["players"]}  # type: ignore[attr-defined]  # plain JSON
    assert players["flipped"]["share"] == 0.0
    assert min(players, key=lambda name: players[name]["value"]) == "flipped"
    for field in ("value", "stderr", "share", "share_ci"):
        assert players["copy"][field] == players["alder"][field]


def test_an_honest_result_is_verified_from_its_worths_and_its_files(folder: Path, answered: dict[str, object]) -> None:
    result = run("verify", folder / "full.json", *files(folder), "--worths", "8", "--json", folder / "found.json")
    assert result.exit_code == 0, result.output
    assert "the same to the last digit" in result.output
    assert "computed again, the same; 8 of them by training anew" in result.output
    assert "The result holds." in result.output
    found = json.loads((folder / "found.json").read_text())
    assert found["match"] is True
    report = found["worths"]["report"]
    cheap = sum(row["source"] == "unlearn:tangent" for row in answered["worths"])  # type: ignore[attr-defined]
    assert report["retrained"] == 8
    assert report["computed"] >= cheap + 9, "the worth of nobody takes no training"
    assert "seconds" in found["not_checked"][0]


def test_without_the_files_nothing_is_said_of_whether_worths_are_true(
    folder: Path, answered: dict[str, object]
) -> None:
    result = run("verify", folder / "full.json")
    assert result.exit_code == 0
    assert "The result holds" not in result.output
    assert "the worths, rows, digests, costs" in result.output


Document = dict[str, Any]


def collapsed(data: Document) -> None:
    for player in data["players"]:
        for name in ("share_ci", "share_band"):
            player[name] = [player["share"]] * 2
        for name in ("value_ci", "value_band"):
            player[name] = [player["value"]] * 2


def no_covariance(data: Document) -> None:
    data["covariance"] = [[0.0] * len(row) for row in data["covariance"]]


def swapped(data: Document) -> None:
    first, second = data["players"][0], data["players"][1]
    for name in ("provider", "digest", "rows"):
        first[name], second[name] = second[name], first[name]


def without_test_rows(data: Document) -> None:
    """As a careful cheat would: nothing of other test rows is told, and everything is computed from that."""
    data.update(recompute({**data, "chance": None}).to_dict())


def noticed(data: Document) -> None:
    finding = {"code": "certified", "severity": "note", "detail": "By us.", "mend": "", "column": None}
    data["findings"].append({"file": "the test set", **finding, "rows": None, "share": None})


def scaled(data: Document) -> None:
    for row in data["worths"]:
        row["worth"] *= 1.1


FORGERIES: dict[str, tuple[Callable[[Document], object], str]] = {
    "intervals": (collapsed, "players[0].value_ci[0] is"),
    "covariance": (no_covariance, "covariance[0][0] is 0 and comes out as"),
    "audit": (lambda data: data["audit"].update(rmse=0.0, sentence="Perfect."), "audit.rmse is 0 and"),
    "bake-off": (lambda data: data["bake_off"][0].update(gain=99.0), "bake_off[0].gain is 99"),
    "trace": (lambda data: data["trace"][0].update(widest=0.1), "trace[0].widest is 0.1"),
    "note": (lambda data: data["notes"].append("Certified."), "the length of notes is 1"),
    "rows": (lambda data: data["players"][0].update(rows=9999), "Files: not those of the result: "),
    "digest": (lambda data: data["digests"].update(test="0" * 64), "not those of the result: test"),
    "metric": (lambda data: data["spec"].update(metric="accuracy"), "was asked and 'accuracy' answered"),
    "metric of both": (
        lambda data: (data["spec"].update(metric="accuracy"), data["request"].update(metric="accuracy")),
        "Worths: the ",
    ),
    "versions": (lambda data: data["request"]["versions"].update(torch="9.9"), "torch 9.9 (here "),
    "costs": (lambda data: data["costs"].update(retrain=9.0), "costs.retrain is 9"),
    "cost left out": (
        lambda data: data["costs"].pop("unlearn:paper"),
        "not that of the files: costs.unlearn:paper",
    ),
    "pair": (
        lambda data: data["pairs"]["pairs"][0].update(value=0.5),
        "Pairs: they do not follow from the stored worths",
    ),
    "finding": (noticed, "Findings: not what the files give"),
    "member left out": (lambda data: data.pop("gain"), "Form: it is not as results are written: gain is missing"),
    "member put in": (lambda data: data["pairs"].update(certified=True), "pairs.certified is no member of a result"),
    "method": (lambda data: data["spec"].update(unlearning="magic"), "unknown"),
    "without test rows": (without_test_rows, "Chance: the result tells no chance of test units"),
    "swapped": (swapped, "does NOT hold"),
    "scaled": (scaled, "does NOT hold"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_whatever_is_shown_is_computed_again_even_in_a_file_that_was_sealed_anew(
    folder: Path, answered: dict[str, object], name: str
) -> None:
    data = json.loads((folder / "full.json").read_text())
    forge, told = FORGERIES[name]
    forge(data)
    (folder / "forged.json").write_bytes(spelled(sealed(data)))
    result = run("verify", folder / "forged.json", *files(folder), "--worths", "2")
    assert "Seal: whole" in result.output
    assert told in result.output
    assert (result.exit_code, "does NOT hold" in result.output) == (1, True)


def test_a_file_that_was_only_edited_has_a_broken_seal(folder: Path, answered: dict[str, object]) -> None:
    content = (folder / "full.json").read_text().replace('"seconds": ', '"seconds": 1', 1)
    (folder / "edited.json").write_text(content)
    result = run("verify", folder / "edited.json")
    assert result.exit_code == 1
    assert "it was changed after writing" in result.output


def test_other_versions_are_accepted_where_that_is_asked_for(folder: Path, answered: dict[str, object]) -> None:
    data = json.loads((folder / "full.json").read_text())
    data["request"]["versions"]["torch"] = "1.0"
    (folder / "older.json").write_bytes(spelled(sealed(data)))
    assert run("verify", folder / "older.json").exit_code == 1
    assert run("verify", folder / "older.json", "--other-versions").exit_code == 0


def test_the_gain_is_tested_again_and_all_intervals_come_out_again_where_that_is_asked(
    folder: Path, answered: dict[str, object]
) -> None:
    result = run("verify", folder / "full.json", *files(folder), "--worths", "1", "--intervals")
    assert result.exit_code == 0, result.output
    assert "Gain: tested again, the same: Everybody's model scores" in result.output
    assert "the same intervals, test rows included" in result.output


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda data: data["gain"].update(lower=9.0), "Gain: it is not what the files give"),
        (lambda data: data["chance"]["covariance"][0].__setitem__(0, 1.0), "Estimate: it does not follow"),
        (
            lambda data: data["chance"].update(apart=99.0),
            "Intervals: computed again from all worths: chance.apart is 99",
        ),
    ],
)
def test_an_altered_gain_and_altered_chance_of_test_rows_are_found_out(
    folder: Path, answered: dict[str, object], change: Callable[[dict[str, Any]], None], part: str
) -> None:
    data = json.loads((folder / "full.json").read_text())
    change(data)
    (folder / "other.json").write_text(json.dumps(data))
    result = run("verify", folder / "other.json", *files(folder), "--worths", "1", "--intervals")
    assert result.exit_code == 1
    assert part in result.output


def test_an_altered_worth_is_found_out(folder: Path, answered: dict[str, object]) -> None:
    data = json.loads((folder / "full.json").read_text())
    for row in data["worths"]:
        row["worth"] += 0.05 if row["coalition"] == ["cedar"] or len(row["coalition"]) == 2 else 0.0
    (folder / "altered.json").write_text(json.dumps(data))
    result = run("verify", folder / "altered.json", *files(folder), "--worths", "200")
    assert result.exit_code == 1
    assert "does not follow from the stored worths" in result.output
    assert "is off by 0.05" in result.output
    assert "does NOT hold" in result.output


def test_an_altered_value_is_found_out_without_any_file(folder: Path, answered: dict[str, object]) -> None:
    data = json.loads((folder / "full.json").read_text())
    data["players"][0]["value"] += 1e-4
    (folder / "raised.json").write_text(json.dumps(data))
    assert run("verify", folder / "raised.json").exit_code == 1


def test_other_files_are_found_out(folder: Path, answered: dict[str, object]) -> None:
    swapped = [a.replace("elm.csv", "cedar.csv") for a in files(folder)]
    result = run("verify", folder / "full.json", *swapped)
    assert result.exit_code == 1
    assert "not those of the result: elm" in result.output


def test_partial_mode_is_unaudited_until_whoever_holds_the_rest_audits_it(folder: Path) -> None:
    answer = value(folder, "partial.json", "--mode", "partial", "--rest", folder / "rest.csv")
    assert answer["audit"]["status"] == "unaudited"  # type: ignore[index]
    assert answer["evaluations"]["retrain"] == 0  # type: ignore[index]
    result = run("verify", folder / "partial.json", *files(folder), "--audit")
    assert result.exit_code == 0, result.output
    assert "of the unlearned worths were checked by training anew" in result.output


def test_the_papers_own_algorithm_runs_as_published(folder: Path) -> None:
    answer = value(
        folder,
        "paper.json",
        "--unlearning",
        "paper",
        "--estimator",
        "permutation",
        "--max-evaluations",
        "20",
        "--max-retrains",
        "0",
    )
    assert (answer["source"], answer["estimator"]) == ("unlearn:paper", "permutation")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--provider", "elm"], "write NAME=FILE"),
        (["--provider", "elm=nowhere.csv"], "there is no file nowhere.csv"),
        (["--share-ci", "0"], "share_ci"),
        (["--fidelity", "magic"], "fidelity .magic. is unknown; choose one of auto, unlearn"),
        (["--unlearning", "magic"], "'magic' is not among this game's sources"),
        (["--model", "forest"], "forest"),
        (["--model", "mlp:hidden"], "key=value"),
        (["--json", "no/such/folder/out.json"], "there is no folder"),
        (["--checkpoint", "weights.pt"], "there is no file weights.pt"),
    ],
)
def test_bad_options_are_one_sentence_that_names_thing_rule_and_mend(
    folder: Path, arguments: list[str], told: str
) -> None:
    with pytest.raises(CherishError, match=told):
        run("value", *files(folder), "--test", folder / "test.csv", "--target", "label", *arguments)


def test_what_is_no_result_is_refused(folder: Path) -> None:
    (folder / "list.json").write_text("[1, 2]")
    for name, told in (
        ("list.json", "not a valuation result"),
        ("alder.csv", "JSON|Expecting"),
        ("gone.json", "no file"),
    ):
        with pytest.raises(InvalidInput, match=told):
            run("verify", folder / name)


def test_models_and_providers_are_read_as_documented() -> None:
    assert parse_model("mlp:hidden=64,steps=150,lr=0.01") == ("mlp", {"hidden": 64, "steps": 150, "lr": 0.01})
    assert parse_model("logistic") == ("logistic", {})
    assert parse_providers(["a=x=1.csv", "a=y.csv"]) == (("a", "x=1.csv"), ("a", "y.csv"))


def test_what_is_declared_of_files_is_used_and_kept_for_verification(folder: Path) -> None:
    plain = value(folder, "plain.json")
    bare = {}
    for name in NAMES:
        lines = (folder / f"{name}.csv").read_text().splitlines()[1:]
        bare[name] = folder / f"{name}.bare"
        bare[name].write_text("\n".join(lines).replace(",", "|") + "\n")
    given = [word for name in NAMES for word in ("--provider", f"{name}={bare[name]}")]
    declared = [word for name in NAMES for word in ("--columns", f"{bare[name]}={COLUMNS.strip()}")]
    out = folder / "bare.json"
    test = ("--test", folder / "test.csv", "--target", "label", "--metric", "clipped_log_loss")
    done = run("value", *given, *test, "--json", out, *declared)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["players"] == plain["players"]
    assert run("verify", out).exit_code == 0
    refused = CliRunner().invoke(app, [str(word) for word in ("value", *given, *test)])
    assert "give `columns`" in str(refused.exception)


def test_declarations_name_their_file_or_hold_for_all() -> None:
    found = dict(parse_readings(["a.csv", "b.csv"], {"delimiter": [";", "b.csv=|"], "columns": None}))
    assert found == {"a.csv": {"delimiter": ";"}, "b.csv": {"delimiter": "|"}}
    with pytest.raises(InvalidInput, match="is not read"):
        parse_readings(["a.csv"], {"encoding": ["ebcdic"]})


# what a very old processor would do: other kernels of numpy's and torch's linear algebra, other vector instructions
OLDEST = {
    "CHERISH_ARITHMETIC": "native",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem",
    "ATEN_CPU_CAPABILITY": "default",
}


# MKL's products as another maker's processor rounds them
OTHER_MAKER = {"CHERISH_ARITHMETIC": "compatible"}


@pytest.mark.parametrize(("model", "unlike"), [("logistic", OLDEST), ("mlp:hidden=16", OTHER_MAKER)])
def test_a_result_holds_on_a_processor_that_rounds_otherwise(folder: Path, model: str, unlike: dict[str, str]) -> None:
    value(folder, "here.json", "--max-retrains", "30", "--model", model)
    command = [sys.executable, "-m", "app.cli", "verify", str(folder / "here.json"), *files(folder), "--worths", "6"]
    done = subprocess.run(command, env={**os.environ, **unlike}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The result holds." in done.stdout


@pytest.mark.parametrize("package", ["app", "worker"])
def test_numbers_are_added_up_by_one_thread_whatever_the_environment_says(package: str) -> None:
    asked = {**os.environ, "OPENBLAS_NUM_THREADS": "8", "MKL_NUM_THREADS": "8"}
    code = f"import {package}, os; print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
