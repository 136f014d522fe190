"""`cherish up` as a process of its own, whose parts are found among its descendants and broken by signals alone.

The supervisor knows nothing of this: what is killed here is killed as a kernel or an operator would do it. The port and
the folder stay the same when it is started again after its own end.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from app.embedded.stack import EmbeddedStack, running_stack

SOURCE = Path(__file__).parents[2]
_MODULES = {
    "api": ["app.cli", "serve"],
    "relay": ["app.housekeeping", "relay"],
    "sweeper": ["app.housekeeping", "sweeper"],
}
# every limit of time grows by this factor, for a machine that has little processor time left
FACTOR = float(os.environ.get("CHERISH_FAULTS_PATIENCE", "1"))
_PATIENCE = 240.0 * FACTOR


class Upped:
    """One stack; ``temporary`` is where its processes keep files for a moment."""

    def __init__(self, home: Path, settings: dict[str, str]) -> None:
        self.home = home
        self.temporary = home.with_name(f"{home.name}-tmp")
        self.log = home.with_name(f"{home.name}.log")
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        # servers run as another user under root
        self.home.mkdir(mode=0o755, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.env = os.environ | settings | {"CHERISH_HOME": str(home), "TMPDIR": str(self.temporary)}
        self.api_url = ""
        self._told: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, and wait until the API is ready."""
        command = [sys.executable, "-m", "app.cli", "up", "--port", str(self._port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.env, cwd=SOURCE, stdout=log, stderr=log, start_new_session=True
            )
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends and self._process.poll() is None:
            if (state := running_stack(self.home)) is not None:
                self.api_url, self._told = state.api_url, state.env
                return
            time.sleep(0.2)
        raise AssertionError(f"`cherish up` is not ready; see {self.log}")

    def crash(self) -> list[str]:
        """kill -9 of the supervisor alone; what of its processes is still there after 30 s."""
        assert self._process is not None, "it is not up"
        self._process.kill()
        self._process.wait()
        return self.orphans()

    def end(self) -> int:
        """SIGTERM, as Ctrl-C does; the exit code."""
        assert self._process is not None, "it is not up"
        self._process.terminate()
        try:
            return self._process.wait(timeout=120 * FACTOR)
        finally:
            self._process.kill()

    def destroy(self) -> None:
        """Whatever happened before: no process, no folder and no database is left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        stack = EmbeddedStack(self.home, workers=0)
        stack.start()
        stack.destroy()
        self.log.unlink(missing_ok=True)

    def settings_env(self) -> dict[str, str]:
        return dict(self._told)

    def processes(self, name: str) -> list[int]:
        """A part and all that descends from it; nothing while it is being started again."""
        found = self._part(name)
        if found is None:
            return []
        with contextlib.suppress(psutil.Error):
            return [found.pid, *(each.pid for each in found.children(recursive=True))]
        return []

    @property
    def temporaries(self) -> list[Path]:
        """Where its processes keep files for a moment."""
        return [self.temporary]

    @property
    def workers(self) -> list[str]:
        """The names of the workers that run now."""
        return [f"worker-{number}" for number in range(1, 1 + len(self._workers()))]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        for pid in self.processes(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self, name: str) -> None:
        self.kill(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.kill(name, signal.SIGCONT)

    def orphans(self) -> list[str]:
        """Processes of this stack that no supervisor has, once they have had 30 s to end."""
        ends = time.monotonic() + 30 * FACTOR
        while (left := self._orphans()) and time.monotonic() < ends:
            time.sleep(0.2)
        return left

    def _orphans(self) -> list[str]:
        # an ill worker is no child of the supervisor, but of whoever tests
        own = {os.getpid()} | {each.pid for each in [*self._descendants(), *psutil.Process().children(recursive=True)]}
        if self._process is not None:
            own.add(self._process.pid)
        mark = os.fsencode(str(self.home))
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in own:
                continue
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                belongs = mark in words or mark in (entry / "environ").read_bytes()
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                # a process that began while we looked has a parent among ours
                if belongs and state != "Z" and int(parent) not in own:
                    found.append(f"process {entry.name} is an orphan: {words[:200]!r}")
        return found

    def _descendants(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def _part(self, name: str) -> psutil.Process | None:
        if name.startswith("worker-"):
            workers = self._workers()
            number = int(name.removeprefix("worker-"))
            return workers[number - 1] if number <= len(workers) else None
        for each in self._descendants():
            with contextlib.suppress(psutil.Error):
                if name in _MODULES:
                    matches = _module(each)[: len(_MODULES[name])] == _MODULES[name]
                else:
                    server = {"postgres": "postgres", "redis": "redis-server"}[name]
                    parent = each.parent()
                    matches = each.name() == server and parent is not None and parent.name() != server
                if matches:
                    return each
        return None

    def _workers(self) -> list[psutil.Process]:
        found = []
        for each in self._descendants():
            with contextlib.suppress(psutil.Error):
                if _module(each)[:1] == ["worker"]:
                    found.append(each)
        return sorted(found, key=lambda each: each.pid)


def _module(process: psutil.Process) -> list[str]:
    words = process.cmdline()
    return words[words.index("-m") + 1 :] if words[1:2] == ["-m"] else []
