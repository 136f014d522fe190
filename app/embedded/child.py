"""One child process and its minder, seen from the supervisor: start, watch, stop, kill.

Each child runs under its own ``minder`` (see there), which stops it when this process ends for whatever reason. This
module never decides when to restart; ``stack`` does.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from app.embedded.minder import MinderSpec
from app.embedded.places import Owner

Ladder = Sequence[tuple[signal.Signals, float]]

_MINDER = Path(__file__).with_name("minder.py")


class Child:
    """A server process and its minder.

    ``stop`` and ``orphan`` are ladders: signals sent one after the other with the seconds to wait after each, SIGKILL
    being the last; the second is used when the supervisor has died. ``owner`` is the user to drop to (root only),
    ``keep`` are file descriptors that stay open until the server has ended, ``inherit`` those that the server itself
    gets (a listening socket).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path = Path("/"),
        stop: Ladder = ((signal.SIGTERM, 10.0),),
        orphan: Ladder = ((signal.SIGTERM, 3.0),),
        death_signal: signal.Signals = signal.SIGKILL,
        owner: Owner | None = None,
        keep: Sequence[int] = (),
        inherit: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._argv = [str(part) for part in argv]
        self._env = dict(env)
        self._cwd = cwd
        self._stop = [[int(number), seconds] for number, seconds in stop]
        self._orphan = [[int(number), seconds] for number, seconds in orphan]
        self._death_signal = death_signal
        self._owner = owner
        self._keep = list(keep)
        self._inherit = list(inherit)
        self._minder: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self.pid: int | None = None

    def start(self) -> None:
        """Start minder and server; returns once the server's process exists."""
        lifeline_read, lifeline_write = os.pipe()
        report_read, report_write = os.pipe()
        dropped = self._owner if self._owner is not None and self._owner.dropped else None
        spec = MinderSpec(
            argv=self._argv,
            lifeline=lifeline_read,
            report=report_write,
            keep=self._keep,
            uid=dropped.uid if dropped else None,
            gid=dropped.gid if dropped else None,
            death_signal=int(self._death_signal),
            stop=self._stop,
            orphan=self._orphan,
        )
        try:
            with _append(self.log) as log:
                self._minder = subprocess.Popen(  # noqa: S603  our own program and arguments
                    [sys.executable, "-I", "-S", str(_MINDER), json.dumps(spec._asdict())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._env,
                    cwd=self._cwd,
                    pass_fds=(lifeline_read, report_write, *self._keep, *self._inherit),
                    start_new_session=True,
                )
        except BaseException:
            os.close(lifeline_write)
            os.close(report_read)
            raise
        finally:
            os.close(lifeline_read)
            os.close(report_write)
        self._lifeline = lifeline_write
        with os.fdopen(report_read, "rb") as report:
            line = report.readline()
        self.pid = int(line) if line else None

    def poll(self) -> int | None:
        """The exit code once server and minder have both ended, else None."""
        if self._minder is None:
            return None
        code = self._minder.poll()
        if code is not None:
            self._release()
        return code

    @property
    def running(self) -> bool:
        return self._minder is not None and self.poll() is None

    def processes(self) -> list[int]:
        """The server's process and all that descend from it, oldest first; empty when it has ended."""
        return [] if self.pid is None or not self.running else _tree(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and all that descend from it (for fault tests: kill, pause, resume)."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def request_stop(self) -> None:
        """Ask the minder to send its ladder of signals; does not wait."""
        if self._minder is not None and self.poll() is None:
            self._minder.terminate()

    def stop(self) -> int | None:
        """Stop the server and wait for its end; calling it twice is harmless."""
        self.request_stop()
        if self._minder is None:
            return None
        patience = sum(seconds for _, seconds in self._stop) + 15.0
        try:
            self._minder.wait(patience)
        except subprocess.TimeoutExpired:
            self._minder.kill()
            self._minder.wait()
        return self.poll()

    def _release(self) -> None:
        """After the end: the lifeline is closed, and nothing of the server's process group lives on."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
            # only a minder that was itself killed leaves anything; the group's number cannot have been given to
            # another group while a member of it lives
            if self.pid is not None and self._minder is not None and self._minder.returncode < 0:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log, for messages."""
        try:
            text = self.log.read_text("utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def _append(path: Path) -> IO[bytes]:
    """The log, opened for appending, readable by its owner only, and started anew when it has passed 16 MiB."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > 16 * 1024**2:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")


def _tree(root: int) -> list[int]:
    """``root`` and its descendants, parents before children."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(name))
    tree = [root]
    for pid in tree:
        tree += children.get(pid, [])
    return tree
