"""No result depends on a process: every reader and a job, in fresh processes that differ in what may not matter."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LANG": "de_DE.UTF-8", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "77", "TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8", "LC_ALL": "POSIX"},
)
NAMES = ["age", "dose", "bmi", "temp", "ward", "y"]

READ = """
import hashlib, sys
from pathlib import Path
from app.datasets.readers import read_table, table_format
from app.datasets.rows.rules import columns_of
for file in sorted(Path(sys.argv[1]).iterdir()):
    table = read_table(file, "text" if file.suffix == ".txt" else None, name=file.name)
    rows = repr(table.to_pylist() if "X" not in table.column_names else table["X"].combine_chunks().to_numpy_ndarray())
    print(file.name, table_format(table), columns_of(table), hashlib.sha256(rows.encode()).hexdigest())
"""


def _rows(count: int, seed: int) -> dict[str, list[object]]:
    rng = np.random.default_rng(seed)
    numbers = {name: [round(float(v), 3) for v in rng.normal(size=count)] for name in NAMES[:4]}
    wards = [("north", "east", "west")[i] for i in rng.integers(0, 3, count)]
    labels = [int(a + b > 0) for a, b in zip(numbers["age"], numbers["bmi"], strict=True)]
    return {**numbers, "ward": wards, "y": labels}


def _csv(columns: dict[str, list[object]], delimiter: str = ",") -> str:
    lines = [delimiter.join(columns), *(delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def _jsonl(columns: dict[str, list[object]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows) + "\n"


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (value, 0, 255 - value)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for every reader, of the same columns where it has columns."""
    where = tmp_path_factory.mktemp("files")
    columns = _rows(30, seed=0)
    (where / "a.csv").write_text(_csv(columns))
    (where / "a.tsv").write_text(_csv(columns, "\t"))
    (where / "a.jsonl").write_text(_jsonl(columns))
    pq.write_table(pa.table(columns), where / "a.parquet")
    np.savez(where / "a.npz", X=np.arange(12.0).reshape(4, 3), y=np.array([0, 1, 0, 1]))
    (where / "a.txt").write_text("One document.\n")
    (where / "texts.zip").write_bytes(_zip({"no/1.txt": b"one", "yes/2.txt": b"two", "yes/3.txt": b"three"}))
    (where / "images.zip").write_bytes(_zip({"no/1.png": _png(1), "yes/2.png": _png(99), "yes/3.png": _png(200)}))
    return where


def _run(environment: dict[str, str], *arguments: str | Path) -> str:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV")}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**kept, **environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_reader_gives_one_table_in_every_process(files: Path) -> None:
    readings = [_run(environment, "-c", READ, files) for environment in ENVIRONMENTS]
    assert len(readings[0].splitlines()) == len(list(files.iterdir()))
    assert readings[1:] == readings[:1] * 2


def test_a_job_gives_one_result_in_every_process_and_from_csv_as_from_jsonl(tmp_path: Path) -> None:
    for name, count, seed in (("a", 30, 1), ("b", 24, 2), ("t", 40, 3)):
        columns = _rows(count, seed)
        (tmp_path / f"{name}.jsonl").write_text(_jsonl(columns))
        (tmp_path / f"{name}.csv").write_text(_csv(columns))
    results = []
    for suffix, environment in (("jsonl", ENVIRONMENTS[0]), ("jsonl", ENVIRONMENTS[1]), ("csv", ENVIRONMENTS[2])):
        kept = tmp_path / f"{len(results)}.json"
        providers = [part for name in "ab" for part in ("--provider", f"{name}={tmp_path / name}.{suffix}")]
        model = ("--model", "mlp:hidden=8,steps=20", "--metric", "log_loss", "--threads", "1")
        test = ("--test", tmp_path / f"t.{suffix}", "--target", "y", "--json", kept)
        _run(environment, "-m", "app.cli", "value", *providers, *model, *test)
        result = json.loads(kept.read_text())
        results.append((result["players"], result["digests"], result["full_worth"]))
    assert results[1:] == results[:1] * 2
