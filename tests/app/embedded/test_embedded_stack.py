"""The whole stack, real parts: one start, one clean end, and nothing left behind when the supervisor is killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.cli import doctor
from app.embedded.places import EmbeddedError
from app.embedded.stack import EmbeddedStack, running_stack


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not holds():
        time.sleep(0.05)
    return holds()


def make_home() -> Path:
    return Path(tempfile.gettempdir()) / f"cherish-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def stack() -> Iterator[EmbeddedStack]:
    stack = EmbeddedStack(make_home(), workers=1, durable=False)
    stack.start()
    yield stack
    stack.destroy()


def test_every_part_runs_and_the_api_is_ready(stack: EmbeddedStack) -> None:
    assert set(stack.children) == {"postgres", "redis", "api", "relay", "sweeper", "worker-1"}
    assert httpx.get(f"{stack.api_url}/readyz", trust_env=False, timeout=60).status_code == 200


def test_the_only_port_is_the_apis_on_this_machine(stack: EmbeddedStack) -> None:
    listening = {
        connection.laddr
        for name in stack.children
        for pid in stack.processes(name)
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert [f"http://{address.ip}:{address.port}" for address in listening] == [stack.api_url]


def test_neither_the_api_nor_the_process_that_reads_its_files_loads_torch(stack: EmbeddedStack) -> None:
    for pid in stack.processes("api"):
        assert "libtorch" not in Path("/proc", str(pid), "maps").read_text()


def test_files_with_secrets_are_their_owners_alone(stack: EmbeddedStack) -> None:
    private = ["secrets.json", "stack.json", "postgres.password", "lock", "logs/api.log"]
    assert {name: (stack.home / name).stat().st_mode & 0o077 for name in private} == dict.fromkeys(private, 0)


def test_a_second_stack_in_the_same_folder_is_explained_and_harms_nothing(stack: EmbeddedStack) -> None:
    with pytest.raises(EmbeddedError, match=rf"already in use by process {os.getpid()}"):
        EmbeddedStack(stack.home).start()
    assert httpx.get(f"{stack.api_url}/readyz", trust_env=False, timeout=60).status_code == 200
    state = running_stack(stack.home)
    assert state is not None
    assert state.api_url == stack.api_url


def test_a_port_in_use_is_explained(stack: EmbeddedStack, tmp_path: Path) -> None:
    port = int(stack.api_url.rpartition(":")[2])
    with pytest.raises(EmbeddedError, match=rf"port {port} .*another with --port"):
        EmbeddedStack(tmp_path / "home", port=port).start()


def test_the_doctor_finds_all_well(stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHERISH_HOME", str(stack.home))
    monkeypatch.delenv("CHERISH_DATABASE_URL", raising=False)
    assert eventually(lambda: all(finding.ok for finding in doctor.examine())), doctor.examine()


def test_a_killed_api_comes_back_on_the_same_address(stack: EmbeddedStack) -> None:
    before = stack.children["api"]
    stack.kill("api")
    assert eventually(lambda: stack.children.get("api", before) != before)
    # the supervisor holds the socket: the request waits until the new process takes it
    assert httpx.get(f"{stack.api_url}/readyz", trust_env=False, timeout=60).status_code == 200


def test_a_killed_postgres_comes_back_and_the_api_with_it(stack: EmbeddedStack) -> None:
    before = stack.children["postgres"]
    stack.kill("postgres")
    assert eventually(lambda: stack.children.get("postgres", before) != before)
    assert eventually(lambda: httpx.get(f"{stack.api_url}/readyz", trust_env=False, timeout=60).status_code == 200)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGKILL])
def test_up_leaves_no_process_behind_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    home = make_home()
    environment = {**os.environ, "CHERISH_HOME": str(home), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "app.cli", "up", "--workers", "1", "--port", "0"]
    with (tmp_path / "up.log").open("w") as log:
        up = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        said = (tmp_path / "up.log").read_text
        assert eventually(lambda: "ready; Ctrl-C ends it" in said() or up.poll() is not None, 120), said()
        assert "keys.json" in said()
        assert "cherish_" not in said(), "keys are shown on a terminal alone"
        family = psutil.Process(up.pid).children(recursive=True)
        assert len(family) > 10
        up.send_signal(number)
        code = up.wait(timeout=60)
        assert eventually(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), 20)
        if number is not signal.SIGKILL:
            assert code == 0
            assert "ended" in said()
            assert not (home / "stack.json").exists()
    finally:
        up.kill()
        # and it starts again at once, whatever the end was
        again = EmbeddedStack(home, workers=0, durable=False)
        again.start()
        again.destroy()
