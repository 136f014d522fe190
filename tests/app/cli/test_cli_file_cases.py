"""Small files in the formats that people have (tests/cases), each worth what its well-formed twin is worth; the same
over HTTP."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.app.cli.test_cli_cases import CASES, findings, shares, value

DELIMITERS, IMAGES, PARQUET = (CASES / folder for folder in ("delimiters", "images", "parquet"))


@pytest.mark.parametrize("name", ["semi_comma.csv", "semi_point.csv", "tab.tsv"])
def test_a_file_is_worth_the_same_whatever_its_delimiter_and_decimal_sign(tmp_path: Path, name: str) -> None:
    plain = tmp_path / "plain.csv"
    rows = (DELIMITERS / "tab.tsv").read_text().replace("\t", ",")
    plain.write_text(rows)
    twin = value(tmp_path, {"a": plain}, plain)
    answer = value(tmp_path, {"a": DELIMITERS / name}, plain)
    assert answer["players"] == twin["players"]
    assert len(findings(answer, "dialect")) == 1
    assert not findings(twin, "dialect")


def test_photos_stored_turned_are_worth_as_much_as_upright_ones(tmp_path: Path) -> None:
    files = {"a": IMAGES / "up_a.zip", "b": IMAGES / "exif_b.zip"}
    out = tmp_path / "result.json"
    words = ["--target", "label", "--model", "cnn:steps=20", "--json", str(out)]
    providers = [word for name, file in files.items() for word in ("--provider", f"{name}={file}")]
    done = CliRunner().invoke(app, ["value", *providers, "--test", str(IMAGES / "t.zip"), *words])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(out.read_text())
    assert shares(answer)["b"] == pytest.approx(0.5, abs=0.1)
    assert [each["rows"] for each in findings(answer, "exif_orientation")] == [40]


def test_delta_encoded_texts_are_worth_what_the_same_texts_in_a_csv_are(tmp_path: Path) -> None:
    parquet = PARQUET / "delta_strings.parquet"
    plain = tmp_path / "plain.csv"
    pyarrow.csv.write_csv(pq.read_table(parquet), plain)
    assert value(tmp_path, {"a": parquet}, plain)["players"] == value(tmp_path, {"a": plain}, plain)["players"]


@pytest.mark.parametrize(
    ("path", "kind", "code", "target"),
    [
        (DELIMITERS / "semi_comma.csv", "csv", "dialect", "y"),
        (DELIMITERS / "tab.tsv", "tsv", "dialect", "y"),
        (PARQUET / "delta_strings.parquet", "parquet", None, "y"),
        (IMAGES / "exif_b.zip", "zip", "exif_orientation", "label"),
        (IMAGES / "mixed_grey.zip", "zip", "mixed_colour", "label"),
    ],
)
def test_the_same_files_are_uploaded(
    provider: Any, upload: Callable[..., Any], path: Path, kind: str, code: str | None, target: str
) -> None:
    answer = upload(provider, path.read_bytes(), target)
    assert answer["format"] == kind
    codes = [each["code"] for each in answer["findings"]]
    assert code in codes if code is not None else not codes


def test_a_workbook_is_worth_what_its_csv_is(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    lines = [line.split("\t") for line in (DELIMITERS / "tab.tsv").read_text().splitlines()]
    book.active.append(lines[0])
    for x, z, city, y in lines[1:]:
        book.active.append([float(x), int(z), city, int(y)])
    buffer = io.BytesIO()
    book.save(buffer)
    workbook, plain = tmp_path / "it.xlsx", tmp_path / "it.tsv"
    workbook.write_bytes(buffer.getvalue())
    plain.write_bytes((DELIMITERS / "tab.tsv").read_bytes())
    assert value(tmp_path, {"a": workbook}, plain)["players"] == value(tmp_path, {"a": plain}, plain)["players"]
