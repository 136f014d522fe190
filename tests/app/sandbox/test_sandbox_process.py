"""The process that parses strangers' files: limited, without secrets, and never missed when it dies."""

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from app.datasets.profiles.profile import FileProfile, ProfileQuestion
from app.datasets.readers import Limits
from app.datasets.service import INSPECT
from app.errors import InvalidData
from app.sandbox.process import Sandbox, shared
from contract.rows.files import AS_IT_IS

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox([INSPECT])
    yield made
    made.close()


def question(path: Path, **changes: Any) -> dict[str, Any]:
    limits = asdict(Limits())
    told = {
        "task": INSPECT,
        "path": str(path),
        "format": None,
        "modality": None,
        "target": "label",
        "is_test": False,
        "limits": limits,
        "reading": AS_IT_IS.plain(),
        "name": "it",
    }
    return told | changes


def ask(sandbox: Sandbox, path: Path, memory_bytes: int = 1024**3, seconds: float = 60.0, **more: Any) -> Any:
    return sandbox.ask(question(path, **more), files=[path], memory_bytes=memory_bytes, seconds=seconds)


def test_a_file_is_looked_at_in_another_process(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    found = ask(sandbox, path)
    assert (found["format"], found["rows"]) == ("csv", 2)
    assert [column["name"] for column in found["columns"]] == ["age", "city", "label"]
    path.write_bytes(b"age,label\ninf,no\n")
    with pytest.raises(InvalidData, match="it: column `age`: row 1 is inf") as refused:
        ask(sandbox, path)
    assert refused.value.errors[0].pointer == "age"


def test_it_knows_none_of_the_services_secrets(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHERISH_KEY_PEPPER", "a pepper")
    path = tmp_path / "it"
    path.write_bytes(CSV)
    ask(sandbox, path)
    assert sandbox._process is not None
    assert not [name for name in psutil.Process(sandbox._process.pid).environ() if name.startswith("CHERISH_")]


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_one_is_read(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, X=np.zeros((2_000_000, 160)), y=np.zeros(2_000_000))
    assert bomb.stat().st_size < 10_000_000
    with pytest.raises(InvalidData, match="more than the 1000000 bytes of memory allowed"):
        ask(sandbox, bomb, memory_bytes=1_000_000, target="y")
    path = tmp_path / "it"
    path.write_bytes(CSV)
    assert ask(sandbox, path)["rows"] == 2


def test_a_file_that_takes_too_long_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(InvalidData, match=r"took more than 0\.3 seconds"):
        ask(sandbox, path, seconds=0.3)


def test_a_file_that_ends_its_process_is_refused_as_that_and_not_as_slow(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    sandbox.walls()
    assert sandbox._process is not None
    server, over = psutil.Process(sandbox._process.pid), threading.Event()

    def end_readers() -> None:
        while not over.wait(0.02):
            for reader in server.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    reader.send_signal(signal.SIGABRT)

    ending = threading.Thread(target=end_readers)
    ending.start()
    try:
        with pytest.raises(InvalidData, match="reading it ended the process that read it"):
            ask(sandbox, path, seconds=30)
    finally:
        over.set()
        ending.join()


def test_a_mistake_of_ours_is_no_fault_of_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    asked = question(path)
    del asked["modality"]
    with pytest.raises(RuntimeError, match="modality"):
        sandbox.ask(asked, files=[path], memory_bytes=1024**3, seconds=60.0)


def test_a_killed_server_process_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    for _ in range(2):
        assert ask(sandbox, path)["rows"] == 2
        assert sandbox._process is not None
        sandbox._process.kill()
        sandbox._process.wait()


def test_it_ends_with_the_process_that_started_it(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    ask(sandbox, path)
    assert sandbox._process is not None
    assert sandbox._control is not None
    # what the kernel does to a process that is killed: its end of the socket closes
    sandbox._control.shutdown(socket.SHUT_RDWR)
    assert sandbox._process.wait(timeout=10) == 0


def test_a_question_names_a_declared_task_and_no_other(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    with pytest.raises(
        ValueError, match=r"'os:getcwd' is not declared; declared are: app\.datasets\.inspection:answer"
    ):
        ask(sandbox, path, task="os:getcwd")
    assert sandbox._process is None, "nothing was started for it"


@pytest.mark.parametrize(
    "name", ["inspect", "app.datasets", "app.datasets:", "app..datasets:answer", "os:path.join", "-c:x"]
)
def test_a_task_is_a_function_of_a_module(name: str) -> None:
    with pytest.raises(ValueError, match=r"write it as package\.module:function"):
        Sandbox([name])


def test_a_task_that_is_declared_late_is_known_to_the_next_question(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(CSV)
    assert ask(sandbox, path)["rows"] == 2
    profiled = sandbox.declare("app.datasets.profiles.profile:answer")
    asked = ProfileQuestion(
        task=profiled, path=path, name="it", target="label", modality="tabular", format="csv", preview_rows=1,
        limits=Limits(), reading=AS_IT_IS,
    ).plain()  # fmt: skip
    found = sandbox.ask(asked, files=[path], memory_bytes=1024**3, seconds=60.0)
    assert FileProfile.read(found).profile["rows"] == 2
    assert ask(sandbox, path)["rows"] == 2


def test_a_task_that_cannot_be_imported_says_so_and_harms_no_other(tmp_path: Path) -> None:
    sandbox = Sandbox(["app.datasets.no_such_module:answer", INSPECT])
    path = tmp_path / "it"
    path.write_bytes(CSV)
    try:
        with pytest.raises(RuntimeError, match=r"app\.datasets\.no_such_module:answer cannot be imported"):
            ask(sandbox, path, task="app.datasets.no_such_module:answer")
        assert ask(sandbox, path)["rows"] == 2
    finally:
        sandbox.close()


def test_every_task_that_the_service_and_its_workers_declare_is_a_function_that_needs_no_torch() -> None:
    for asking in ("app.main", "worker.jobs.profile"):
        importlib.import_module(asking)
    assert len(shared().tasks) >= 4
    for name in shared().tasks:
        module, _, function = name.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), name
    named = ", ".join(name.partition(":")[0] for name in shared().tasks)
    program = f"import sys, {named}; sys.exit(bool({{'torch', 'celery', 'worker'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_answer_is_json_and_nothing_else(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "it"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"not an array")
    with pytest.raises(InvalidData) as refused:
        ask(sandbox, path, target="y")
    json.dumps(refused.value.detail)
