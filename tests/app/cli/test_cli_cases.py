"""Small files as people have them (tests/cases), each with the value that is right: as that of its well-formed twin."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.errors import CherishError

CASES = Path(__file__).parents[2] / "cases"


def run(files: dict[str, Path], test: Path, *more: str) -> Result:
    providers = [part for name, file in files.items() for part in ("--provider", f"{name}={file}")]
    arguments = ["value", *providers, "--test", str(test), "--target", "y", "--threads", "1", *more]
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def value(tmp_path: Path, files: dict[str, Path], test: Path, *more: str) -> dict[str, Any]:
    kept = tmp_path / "result.json"
    result = run(files, test, "--json", str(kept), *more)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(kept.read_text())
    return answer


def case(folder: str, prefix: str, names: str, suffix: str = "csv") -> tuple[dict[str, Path], Path]:
    files = {name: CASES / folder / f"{prefix}{name}.{suffix}" for name in names}
    return files, CASES / folder / f"{prefix}t.{suffix}"


def shares(answer: dict[str, Any]) -> dict[str, float]:
    return {player["provider"]: player["share"] for player in answer["players"]}


def findings(answer: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [each for each in answer["findings"] if each["code"] == code]


def refusal(files: dict[str, Path], test: Path, *more: str) -> str:
    with pytest.raises(CherishError) as caught:
        run(files, test, *more)
    return str(caught.value)


def test_a_missing_number_is_worth_as_much_as_the_number_and_is_said(tmp_path: Path) -> None:
    twin, answer = (value(tmp_path, *case("numbers", prefix, "ab")) for prefix in ("n_", "q_"))
    assert answer["full_worth"] == twin["full_worth"] == 1.0
    missing = findings(answer, "missing_values")
    assert [(each["column"], each["rows"]) for each in missing] == [("bp", 1)] * 3
    assert not twin["findings"]


@pytest.mark.parametrize("prefix", ["qmark_", "dash_"])
def test_missing_markers_leave_flipped_labels_worth_nothing(tmp_path: Path, prefix: str) -> None:
    twin = shares(value(tmp_path, *case("numbers", "num_", "abc")))
    found = shares(value(tmp_path, *case("numbers", prefix, "abc")))
    assert found == pytest.approx(twin, abs=0.04)
    assert found["c"] < 0.04


def test_a_cell_that_is_no_number_is_refused_by_name_unless_the_column_is_declared(tmp_path: Path) -> None:
    files, test = case("numbers", "lod_", "abc")
    assert "column `bp` is mostly numbers (79 of 80 cells), and 1 is not: row 1 `<90`" in refusal(files, test)
    answer = value(tmp_path, files, test, "--read", "bp=number")
    assert shares(answer)["c"] < 0.04
    assert len(findings(answer, "not_numbers")) == 4
    assert "say one of number, decimal_comma, text, category" in refusal(files, test, "--read", "bp=maybe")


@pytest.mark.parametrize(
    ("cell", "reading"),
    [("1,234.5", 1234.5), ("$1,200", 1200.0), (" 45 ", 45.0), ("\u22123.5", -3.5), ("(12)", -12.0), ("1 234", 1234.0)],
)
def test_one_number_in_another_format_is_that_number(tmp_path: Path, cell: str, reading: float) -> None:
    answers = []
    for written in (cell, str(reading)):
        files = {}
        for name in "abt":
            text = (CASES / "numbers" / f"n_{name}.csv").read_text().splitlines()
            last = text[-1].split(",")[1]
            files[name] = tmp_path / f"{name}.csv"
            files[name].write_text("\n".join([*text[:-1], f'"{written}",{last}', ""]))
        test = files.pop("t")
        answers.append(value(tmp_path, files, test))
    assert answers[0]["players"] == answers[1]["players"]
    assert answers[0]["digests"] == answers[1]["digests"]


def test_labels_with_spaces_around_them_are_the_labels(tmp_path: Path) -> None:
    twin = value(tmp_path, *case("labels", "same_", "abc"))
    assert shares(value(tmp_path, *case("labels", "space_mix_", "abc"))) == shares(twin)


def test_labels_in_another_case_are_proposed_and_count_once_the_order_maps_them(tmp_path: Path) -> None:
    twin = shares(value(tmp_path, *case("labels", "same_", "abc")))
    files, test = case("labels", "case_mix_", "abc")
    silent = value(tmp_path, files, test)
    assert shares(silent)["b"] == 0.0
    spelled = findings(silent, "label_spelling")
    assert [each["mend"][-22:] for each in spelled] == ['label_map {"No": "no"}', 'bel_map {"Yes": "yes"}']
    assert {each["file"] for each in spelled} == {f"b ({files['b']})"}
    assert shares(value(tmp_path, files, test, "--label-map", "No=no", "--label-map", "Yes=yes")) == twin


def test_a_provider_without_a_label_of_the_test_set_is_named_with_the_words_that_may_mean_the_same(
    tmp_path: Path,
) -> None:
    files, test = case("labels", "yn_vs_int_", "abc")
    answer = value(tmp_path, files, test)
    (foreign,) = findings(answer, "foreign_labels")
    assert foreign["file"] == f"b ({files['b']})"
    assert foreign["share"] == 1.0
    assert 'label_map {"no": "0", "yes": "1"}' in foreign["mend"]
    mapped = value(tmp_path, files, test, "--label-map", "no=0", "--label-map", "yes=1")
    assert shares(mapped) == shares(value(tmp_path, *case("labels", "same_", "abc")))


def test_json_lines_and_csv_of_the_same_rows_have_one_result(tmp_path: Path) -> None:
    model = ("--model", "mlp:hidden=8,steps=20", "--metric", "log_loss")
    csv, jsonl = (value(tmp_path, *case("jsonl", "", "abc", suffix), *model) for suffix in ("csv", "jsonl"))
    assert csv["players"] == jsonl["players"]
    assert csv["digests"] == jsonl["digests"]


def test_texts_without_spaces_are_worth_what_their_letters_say(tmp_path: Path) -> None:
    files = dict.fromkeys("ab", CASES / "texts" / "cjk.csv")
    answer = value(tmp_path, files, CASES / "texts" / "cjk_t.csv")
    assert answer["full_worth"] > answer["empty_worth"] == 0.5


@pytest.mark.parametrize("name", ["unnamed0.csv", "index_col.csv"])
def test_an_index_is_left_out_and_said(tmp_path: Path, name: str) -> None:
    path = CASES / "index" / name
    plain = tmp_path / "plain.csv"
    plain.write_text("\n".join(line.partition(",")[2] for line in path.read_text().splitlines()) + "\n")
    twin = value(tmp_path, {"a": plain, "b": plain}, plain)
    answer = value(tmp_path, {"a": path, "b": plain}, path)
    assert answer["digests"] == twin["digests"]
    assert shares(answer) == shares(twin)
    assert [each["file"] for each in findings(answer, "index_column")] == ["the test set", f"a ({path})"]


def test_the_same_frame_with_a_missing_text_is_the_same_from_csv_and_parquet(tmp_path: Path) -> None:
    csv = CASES / "missing" / "empty_text.csv"
    twin = value(tmp_path, {"a": csv, "b": csv}, csv)
    assert twin["full_worth"] > 0.5
    parquet = CASES / "missing" / "nulltext.parquet"
    answer = value(tmp_path, {"a": parquet, "b": parquet}, parquet)
    assert {each["column"] for each in findings(twin, "missing_values")} == {"city"}
    assert findings(answer, "missing_values")[0]["rows"] == findings(twin, "missing_values")[0]["rows"]


@pytest.mark.parametrize("name", ["blank_feature.csv", "missing_key.jsonl", "null_num.parquet", "null_text.parquet"])
def test_a_missing_feature_is_read_alike_in_every_format(tmp_path: Path, name: str) -> None:
    ok = CASES / "missing" / "ok.csv"
    answer = value(tmp_path, {"a": CASES / "missing" / name, "b": ok}, ok)
    (missing,) = findings(answer, "missing_values")
    assert missing["rows"] == 1
    assert missing["detail"].endswith("of 4 cells 1 is missing")


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("blank_label.csv", "ok.csv"),
        ("missing_label.jsonl", "ok.csv"),
        ("NA_label.csv", None),
        ("na_label.csv", "na_t.csv"),
        ("null_label.parquet", None),
        ("missing_label_text.jsonl", None),
    ],
)
def test_rows_without_a_label_are_left_out_and_counted_or_refused_as_is_said(
    tmp_path: Path, name: str, twin: str | None
) -> None:
    path = CASES / "missing" / name
    ok = CASES / "missing" / twin if twin else path
    answer = value(tmp_path, {"a": path, "b": ok}, ok)
    left_out = findings(answer, "missing_labels")
    assert {each["detail"] for each in left_out} == {left_out[0]["detail"]}
    assert "1 of" in left_out[0]["detail"]
    refused = refusal({"a": path, "b": ok}, ok, "--missing-labels", "refuse")
    assert "has no label; fill it, drop the row, or let the order leave such rows out" in refused


def test_a_marker_is_a_label_where_the_target_is_declared_to_be_one_of_categories(tmp_path: Path) -> None:
    path = CASES / "missing" / "NA_label.csv"
    plain, declared = (value(tmp_path, {"a": path, "b": path}, path, *more) for more in ((), ("--read", "y=category")))
    assert findings(plain, "missing_labels")
    assert not findings(declared, "missing_labels")
    assert [player["rows"] for player in declared["players"]] == [40, 40]
    assert [player["rows"] for player in plain["players"]] == [39, 39]


def test_an_infinite_cell_is_refused_by_name() -> None:
    ok = CASES / "missing" / "ok.csv"
    assert "column `x`: row 2 is inf; features are finite" in refusal({"a": CASES / "missing" / "inf.csv", "b": ok}, ok)


def test_what_a_model_has_no_use_for_is_refused_as_in_an_order() -> None:
    files, test = case("labels", "same_", "abc")
    assert "no columns; leave them out" in refusal(files, test, "--encoder", "nowhere", "--use", "a")
    for more in (("--label-map", "No=no"), ("--missing-labels", "refuse")):
        assert "predicts tokens, no labels" in refusal(files, test, "--model", "lm", *more)


def test_a_file_that_does_not_fit_is_named_and_left_out_where_that_is_said(tmp_path: Path) -> None:
    files, test = case("numbers", "num_", "abc")
    stranger = CASES / "labels" / "same_a.csv"
    files["d"] = stranger
    assert f"d ({stranger}) lacks `bp`, `age`, which the test set has" in refusal(files, test)
    answer = value(tmp_path, files, test, "--drop-unfit")
    files.pop("d")
    assert answer["players"] == value(tmp_path, files, test)["players"]
    (said,) = findings(answer, "unreadable_for_order")
    assert said["file"] == f"d ({stranger})"
    assert said["detail"].startswith("left out of this order, which says drop_unfit: d (")


def test_files_are_read_in_the_sandbox_within_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wide = tmp_path / "wide.npz"
    np.savez_compressed(wide, X=np.zeros((2_000_000, 160)), y=np.arange(2_000_000) % 2)
    monkeypatch.setenv("CHERISH_FIT_MEMORY_BYTES", "1000000")
    assert "the files: reading it takes more than the 1000000 bytes of memory allowed" in refusal({"a": wide}, wide)
