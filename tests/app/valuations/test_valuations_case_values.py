"""The small files of tests/cases from an upload to the values, over HTTP and a worker: as their well-formed twins have
them, and as ``cherish value`` does."""

from pathlib import Path
from typing import Any

import pytest

from tests.app.cli import test_cli_cases as cli
from tests.place import PROVIDERS, Place, finished

CASES = cli.CASES


def valued(place: Place, hand: Any, files: list[bytes], test: bytes, **more: Any) -> dict[str, Any]:
    datasets = [
        place.dataset(name, content, modality=None, target="y") for name, content in zip(PROVIDERS, files, strict=False)
    ]
    read = {"datasets": datasets, "test_dataset": place.dataset("buyer", test, modality=None, target="y")}
    body = read | {"pool": "100.00", "players": "dataset", "share_ci": 1.0, **more}
    return finished(place, hand, body)[1]


def by_value(answer: dict[str, Any], key: str = "players") -> list[float]:
    return sorted(float(player["value"]) for player in answer[key])


def test_json_lines_are_worth_what_the_same_rows_in_csv_are_and_as_on_the_command_line(
    place: Place, hand: Any, tmp_path: Path
) -> None:
    jsonl, csv = (
        [(CASES / "jsonl" / f"{name}.{suffix}").read_bytes() for name in "abct"] for suffix in ("jsonl", "csv")
    )
    values = valued(place, hand, jsonl[:3], jsonl[3])
    assert by_value(valued(place, hand, csv[:3], csv[3])) == by_value(values)
    local = cli.value(tmp_path, *cli.case("jsonl", "", "abc", "jsonl"), "--share-ci", "1.0")
    assert by_value(values) == pytest.approx(by_value(local), abs=1e-9)


def test_texts_without_spaces_are_worth_more_than_nothing(place: Place, hand: Any) -> None:
    lines = (CASES / "texts" / "cjk.csv").read_bytes().splitlines(keepends=True)
    rows = b"".join([lines[0], *lines[1:] * 3])
    values = valued(place, hand, [rows, rows], (CASES / "texts" / "cjk_t.csv").read_bytes())
    assert values["full_worth"] > values["empty_worth"] == 0.5
    assert min(by_value(values)) > 0.0


@pytest.mark.parametrize("name", ["unnamed0.csv", "index_col.csv"])
def test_an_index_is_no_feature(place: Place, hand: Any, name: str) -> None:
    header, *rows = (CASES / "index" / name).read_bytes().splitlines()
    parts = [rows[at::3] for at in range(3)]

    def written(part: list[bytes], *, index: bool) -> bytes:
        lines = [header, *part]
        return b"\n".join(lines if index else [line.partition(b",")[2] for line in lines]) + b"\n"

    indexed = [written(part, index=True) for part in parts]
    values = valued(place, hand, indexed[:2], indexed[2])
    plain = [written(part, index=False) for part in parts]
    twin = valued(place, hand, plain[:2], plain[2])
    assert by_value(values) == by_value(twin)
    assert [each["code"] for each in values["findings"]] == ["index_column"] * 3


def test_one_question_mark_in_each_file_changes_little(place: Place, hand: Any) -> None:
    marked, twin = (
        valued(place, hand, [(CASES / "numbers" / f"{prefix}{name}.csv").read_bytes() for name in "abc"], test)
        for prefix, test in (
            ("qmark_", (CASES / "numbers" / "qmark_t.csv").read_bytes()),
            ("num_", (CASES / "numbers" / "num_t.csv").read_bytes()),
        )
    )
    assert by_value(marked) == pytest.approx(by_value(twin), abs=0.02)
    assert {each["code"] for each in marked["findings"]} == {"missing_values"}
