"""The small files of tests/cases from an upload to the values, over HTTP and a worker: as their well-formed twins have
them, and as ``cherish value`` does."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
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


def read(folder: str, *names: str) -> list[bytes]:
    return [(CASES / folder / name).read_bytes() for name in names]


def codes(answer: dict[str, Any]) -> set[str]:
    return {each["code"] for each in answer["findings"]}


def three_of(table: pa.Table) -> list[pa.Table]:
    """Two providers' rows and a test set's: a small file's value is no one's business, and its own rows are no test."""
    return [table.slice(0, 14), table.slice(14, 14), table.slice(28)]


def as_csv(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pyarrow.csv.write_csv(table, written)
    return written.getvalue()


def small_table() -> pa.Table:
    tab = pyarrow.csv.ParseOptions(delimiter="\t")
    return pyarrow.csv.read_csv(CASES / "delimiters" / "tab.tsv", parse_options=tab)


@pytest.mark.parametrize("name", ["semi_comma.csv", "semi_point.csv"])
def test_a_delimiter_and_a_decimal_sign_change_no_value(place: Place, hand: Any, name: str) -> None:
    one, other, test = map(as_csv, three_of(small_table()))
    (odd,) = read("delimiters", name)
    lines = odd.splitlines(keepends=True)
    twin = valued(place, hand, [one, other], test)
    answer = valued(place, hand, [b"".join(lines[:15]), other], test)
    assert by_value(answer) == by_value(twin)
    assert (codes(answer) - codes(twin), codes(twin) - codes(answer)) == ({"dialect"}, set())


def test_delta_encoded_texts_have_the_value_of_the_same_texts_in_a_csv(place: Place, hand: Any) -> None:
    tables = three_of(small_table())
    written = io.BytesIO()
    encoding = {"city": "DELTA_BYTE_ARRAY"}
    pq.write_table(tables[0], written, use_dictionary=False, column_encoding=encoding)
    one, other, test = map(as_csv, tables)
    delta = valued(place, hand, [written.getvalue(), other], test)
    assert by_value(delta) == by_value(valued(place, hand, [one, other], test))


@pytest.mark.parametrize(
    ("prefix", "labels"), [("case_mix_", {"No": "no", "Yes": "yes"}), ("yn_vs_int_", {"no": "0", "yes": "1"})]
)
def test_labels_of_other_spelling_are_worth_nothing_and_said_until_the_order_maps_them(
    place: Place, hand: Any, prefix: str, labels: dict[str, str]
) -> None:
    *files, test = read("labels", *(f"{prefix}{name}.csv" for name in "abct"))
    *plain, plain_test = read("labels", *(f"same_{name}.csv" for name in "abct"))
    twin = by_value(valued(place, hand, plain, plain_test))
    silent = valued(place, hand, files, test)
    assert codes(silent) & {"label_spelling", "foreign_labels"}
    assert by_value(silent) != twin
    mapped = valued(place, hand, files, test, label_map=labels)
    assert by_value(mapped) == pytest.approx(twin, abs=1e-9)


def jsonl_without(table: pa.Table, column: str) -> bytes:
    rows = table.to_pylist()
    del rows[3][column]
    return "\n".join(json.dumps(row) for row in rows).encode()


def parquet_without(table: pa.Table, column: str) -> bytes:
    rows = table.to_pylist()
    rows[3][column] = None
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), written)
    return written.getvalue()


@pytest.mark.parametrize(("column", "code"), [("city", "missing_values"), ("y", "missing_labels")])
def test_a_missing_cell_is_worth_the_same_in_every_format_and_on_the_command_line(
    place: Place, hand: Any, tmp_path: Path, column: str, code: str
) -> None:
    tables = three_of(small_table())
    other, test = as_csv(tables[1]), as_csv(tables[2])
    one, two = jsonl_without(tables[0], column), parquet_without(tables[0], column)
    answers = [valued(place, hand, [each, other], test) for each in (one, two)]
    paths = {"a": tmp_path / "a.jsonl", "b": tmp_path / "b.csv", "t": tmp_path / "t.csv"}
    for path, content in zip(paths.values(), (one, other, test), strict=True):
        path.write_bytes(content)
    local = cli.value(tmp_path, {"a": paths["a"], "b": paths["b"]}, paths["t"], "--share-ci", "1.0")
    for answer in answers:
        assert by_value(answer) == pytest.approx(by_value(local), abs=1e-9)
        assert code in codes(answer)
    assert code in {each["code"] for each in local["findings"]}


def test_photos_stored_turned_are_worth_what_upright_ones_are(place: Place, hand: Any) -> None:
    upright, turned, test = read("images", "up_a.zip", "exif_b.zip", "t.zip")
    datasets = [
        place.dataset(name, content, modality=None, target="label")
        for name, content in zip(PROVIDERS, (upright, turned), strict=False)
    ]
    body = {
        "datasets": datasets,
        "test_dataset": place.dataset("buyer", test, modality=None, target="label"),
        "pool": "100.00",
        "share_ci": 1.0,
        "model": {"name": "cnn", "hyper": {"steps": 20}},
    }
    answer = finished(place, hand, body)[1]
    one, other = by_value(answer)
    assert other > 0.0
    assert one == pytest.approx(other, abs=0.2 * other)
    assert "exif_orientation" in codes(answer)
