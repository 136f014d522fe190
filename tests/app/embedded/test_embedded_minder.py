"""The minder's promise: a server never outlives the one who started it, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.embedded.child import Child

# a server that starts a grandchild, ignores what it is told to ignore, and says where both are
_SERVER = """
import os, signal, subprocess, sys, time
for name in sys.argv[2:]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
kid = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {kid.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def server(tmp_path: Path, *ignored: str, **options: object) -> Child:
    command = [sys.executable, "-c", _SERVER, str(tmp_path / "pids"), *ignored]
    return Child("server", command, log=tmp_path / "logs" / "server.log", env={}, **options)  # type: ignore[arg-type]


def pids(tmp_path: Path) -> list[int]:
    assert eventually((tmp_path / "pids").exists)
    return [int(word) for word in (tmp_path / "pids").read_text().split()]


def test_stop_ends_the_server_and_what_it_started(tmp_path: Path) -> None:
    child = server(tmp_path)
    child.start()
    own, kid = pids(tmp_path)
    assert child.pid == own
    assert child.processes() == [own, kid]
    assert child.stop() == 128 + signal.SIGTERM
    assert gone(own)
    assert gone(kid)


def test_a_server_that_ignores_its_signal_is_killed_when_the_ladder_ends(tmp_path: Path) -> None:
    child = server(tmp_path, "SIGTERM", stop=((signal.SIGTERM, 0.2),))
    child.start()
    own, kid = pids(tmp_path)
    assert child.stop() == 128 + signal.SIGKILL
    assert gone(own)
    assert gone(kid)


def test_a_server_stopped_in_its_first_moment_ends_by_the_first_signal(tmp_path: Path) -> None:
    for _ in range(10):
        child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], log=tmp_path / "log", env={})
        child.start()
        assert child.stop() == 128 + signal.SIGTERM


def test_a_frozen_server_can_be_stopped(tmp_path: Path) -> None:
    child = server(tmp_path)
    child.start()
    own, _ = pids(tmp_path)
    child.signal(signal.SIGSTOP)
    child.stop()
    assert gone(own)


def test_the_exit_code_is_the_servers(tmp_path: Path) -> None:
    child = Child("exits", [sys.executable, "-c", "raise SystemExit(7)"], log=tmp_path / "log", env={})
    child.start()
    assert eventually(lambda: not child.running)
    assert child.poll() == 7


def test_a_program_that_does_not_exist_ends_with_127_and_says_so(tmp_path: Path) -> None:
    child = Child("nothing", ["/no/such/program"], log=tmp_path / "log", env={})
    child.start()
    assert eventually(lambda: not child.running)
    assert child.poll() == 127
    assert "/no/such/program" in child.log_tail()


def test_a_killed_server_takes_its_children_along(tmp_path: Path) -> None:
    child = server(tmp_path)
    child.start()
    own, kid = pids(tmp_path)
    os.kill(own, signal.SIGKILL)
    assert eventually(lambda: not child.running)
    assert child.poll() == 128 + signal.SIGKILL
    assert gone(kid)


def test_a_killed_minder_takes_the_server_along(tmp_path: Path) -> None:
    child = server(tmp_path)
    child.start()
    own, _ = pids(tmp_path)
    psutil.Process(own).parent().kill()  # type: ignore[union-attr]  its minder, which runs
    assert eventually(lambda: not child.running and gone(own))


@pytest.mark.parametrize("ignored", [(), ("SIGTERM", "SIGINT", "SIGHUP")])
def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path, ignored: tuple[str, ...]) -> None:
    script = f"""
import signal, sys, time
sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from app.embedded.child import Child
command = [sys.executable, "-c", {_SERVER!r}, {str(tmp_path / "pids")!r}, *{ignored!r}]
child = Child("server", command, log=Path({str(tmp_path)!r}) / "log", env={{}}, orphan=((signal.SIGTERM, 0.3),))
child.start()
time.sleep(600)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", script])
    own, kid = pids(tmp_path)
    minder = psutil.Process(own).ppid()
    supervisor.kill()
    supervisor.wait()
    assert eventually(lambda: gone(own) and gone(kid) and gone(minder))
