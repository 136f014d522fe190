"""Programs of a topology's hosts: started, watched and started again when they end by themselves, as an init system
would do."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.embedded.places import Owner


@dataclass
class Program:
    """One program on a host; ``wanted`` is whether it is to run."""

    name: str
    command: list[str]
    env: Mapping[str, str]
    folder: Path
    owner: Owner | None = None
    wanted: bool = True
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """Where it writes."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Begin, in a session of its own."""
        whom = {} if self.owner is None else {"user": self.owner.uid, "group": self.owner.gid, "extra_groups": []}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=dict(self.env), cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
                **whom,  # type: ignore[call-overload]
            )  # fmt: skip

    def pids(self) -> list[int]:
        """The program and all that descends from it."""
        if self.process is None or self.process.poll() is not None:
            return []
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.process.pid)
            return [found.pid, *(each.pid for each in found.children(recursive=True))]
        return []

    def end(self, how: signal.Signals = signal.SIGTERM, seconds: float = 60.0) -> None:
        """End it for good, by a signal to the program alone; what is left after that is killed."""
        self.wanted = False
        left = self.pids()
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """Starts again what ended by itself."""

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def run(self, program: Program) -> Program:
        """Start a program and look after it."""
        program.start()
        self.programs[program.name] = program
        return program

    def close(self) -> None:
        """Nothing is started any more."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(0.2):
            for each in list(self.programs.values()):
                if each.wanted and each.process is not None and each.process.poll() is not None:
                    each.start()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something; AssertionError names it where it does not come."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} within {seconds:.0f} s did not come")
        time.sleep(0.1)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
