"""The process that parses strangers' files: limited, without secrets, and never missed when it dies."""

import json
import os
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from app.datasets.readers import Limits, open_columns, read_table
from app.errors import InvalidData
from app.sandbox.process import Enclosure

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"


@pytest.fixture
def enclosure() -> Iterator[Enclosure]:
    made = Enclosure()
    yield made
    made.close()


def question(path: Path, **changes: Any) -> dict[str, Any]:
    limits = asdict(Limits())
    told = {
        "task": "inspect",
        "path": str(path),
        "format": None,
        "modality": None,
        "target": "label",
        "is_test": False,
        "limits": limits,
        "name": "it",
    }
    return told | changes


def ask(enclosure: Enclosure, path: Path, memory_bytes: int = 1024**3, seconds: float = 60.0, **more: Any) -> Any:
    return enclosure.ask(question(path, **more), memory_bytes=memory_bytes, seconds=seconds)


def test_a_file_is_looked_at_in_another_process(enclosure: Enclosure, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    found = ask(enclosure, path)
    assert (found["format"], found["rows"]) == ("csv", 2)
    assert [column["name"] for column in found["columns"]] == ["age", "city", "label"]
    path.write_bytes(b"age,label\ninf,no\n")
    with pytest.raises(InvalidData, match="it: column `age`: row 1 is inf") as refused:
        ask(enclosure, path)
    assert refused.value.errors[0].pointer == "age"


def test_it_knows_none_of_the_services_secrets(
    enclosure: Enclosure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHERISH_KEY_PEPPER", "a pepper")
    path = tmp_path / "it"
    path.write_bytes(CSV)
    ask(enclosure, path)
    assert enclosure._process is not None
    assert not [name for name in psutil.Process(enclosure._process.pid).environ() if name.startswith("CHERISH_")]


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_one_is_read(
    enclosure: Enclosure, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, X=np.zeros((2_000_000, 160)), y=np.zeros(2_000_000))
    assert bomb.stat().st_size < 10_000_000
    with pytest.raises(InvalidData, match="more than the 1000000 bytes of memory allowed"):
        ask(enclosure, bomb, memory_bytes=1_000_000, target="y")
    path = tmp_path / "it"
    path.write_bytes(CSV)
    assert ask(enclosure, path)["rows"] == 2


def test_a_file_that_takes_too_long_is_refused(enclosure: Enclosure, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(InvalidData, match=r"took more than 0\.3 seconds"):
        ask(enclosure, path, seconds=0.3)


def test_a_mistake_of_ours_is_no_fault_of_the_file(enclosure: Enclosure, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    asked = question(path)
    del asked["modality"]
    with pytest.raises(RuntimeError, match="KeyError: 'modality'"):
        enclosure.ask(asked, memory_bytes=1024**3, seconds=60.0)


def test_a_killed_server_process_is_replaced(enclosure: Enclosure, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    for _ in range(2):
        assert ask(enclosure, path)["rows"] == 2
        assert enclosure._process is not None
        enclosure._process.kill()
        enclosure._process.wait()


def test_it_ends_with_the_process_that_started_it(enclosure: Enclosure, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    ask(enclosure, path)
    assert enclosure._process is not None
    assert enclosure._control is not None
    # what the kernel does to a process that is killed: its end of the socket closes
    enclosure._control.shutdown(socket.SHUT_RDWR)
    assert enclosure._process.wait(timeout=10) == 0


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "npz"])
def test_columns_read_in_groups_are_the_columns_of_the_table(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.normal(size=500) for i in range(7)} | {"y": ["a", "b"] * 250})
    path = tmp_path / "it"
    if kind == "npz":
        X = np.stack([table.column(f"x{i}").to_numpy() for i in range(7)], axis=1)
        with path.open("wb") as file:
            np.savez(file, X=X, y=np.array(table.column("y").to_pylist()))
    elif kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        delimiter = "," if kind == "csv" else "\t"
        pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter=delimiter))
    whole = read_table(path)
    opened = open_columns(path, group_bytes=9_000)
    groups = list(opened.groups)
    assert len(groups) > 2
    assert opened.names == whole.column_names
    assert [name for group in groups for name in group.column_names] == whole.column_names
    for group in groups:
        for name in group.column_names:
            assert group.column(name).equals(whole.column(name))


def test_types_are_those_of_all_rows_in_groups_too(tmp_path: Path) -> None:
    path = tmp_path / "it"
    lines = ["a,b,label"] + ["1,2,x"] * 400_000 + ["1.5,two,y"]
    path.write_text("\n".join(lines))
    kinds = {name: str(group.column(name).type) for group in open_columns(path, group_bytes=1_000_000).groups
             for name in group.column_names}  # fmt: skip
    assert kinds["a"] == "double"
    assert kinds["b"].startswith("dictionary")


def test_an_answer_is_json_and_nothing_else(enclosure: Enclosure, tmp_path: Path) -> None:
    path = tmp_path / "it"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"not an array")
    with pytest.raises(InvalidData) as refused:
        ask(enclosure, path, target="y")
    json.dumps(refused.value.detail)
