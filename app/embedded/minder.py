"""The process between the supervisor and one server: it starts the server, and ends it when the supervisor ends.

Run as a script in isolated mode (``python -I -S minder.py SPEC``), standard library only, so that it is small, starts
in a few hundredths of a second and cannot be broken by the application that it watches. It holds the read end of a
pipe whose write end only the supervisor has: when the supervisor ends, for whatever reason, the pipe ends and the
server is stopped. Should the minder itself be killed, the kernel sends the server ``death_signal``. Processes that the
server leaves behind (of its pools) are adopted by the minder and killed before it ends. It never restarts anything.

SPEC is the JSON object of a ``MinderSpec``.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"
_HEEDED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class MinderSpec(NamedTuple):
    """What a minder is to do; a named tuple, because it is made faster than a dataclass in a process this small.

    ``lifeline`` and ``report`` are file descriptors; ``keep`` those held open for as long as the server lives, for
    example a lock's. ``stop`` and ``orphan`` are ladders: pairs of a signal's number and the seconds to wait after it;
    the last rung is always SIGKILL. ``uid`` and ``gid`` are None where the user stays.
    """

    argv: list[str]
    lifeline: int
    report: int
    keep: Sequence[int]
    uid: int | None
    gid: int | None
    death_signal: int
    stop: Sequence[Sequence[float]]
    orphan: Sequence[Sequence[float]]


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _become(spec: MinderSpec, minder: int) -> NoReturn:
    """In the forked child: own session, own user, own death signal, then the server's program."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in _HEEDED:
            signal.signal(number, signal.SIG_DFL)
        # a signal sent since the fork is delivered here, and ends us as it would have ended the server
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        if spec.uid is not None and spec.gid is not None:
            os.setgroups([])
            os.setgid(spec.gid)
            os.setuid(spec.uid)
        # after the change of user, which clears it
        _prctl(_PR_SET_PDEATHSIG, spec.death_signal)
        if os.getppid() != minder:
            os._exit(1)
        os.execv(spec.argv[0], spec.argv)  # noqa: S606  no shell is wanted
    except BaseException as error:
        os.write(2, f"minder: cannot run {spec.argv[0]}: {error}\n".encode())
        os._exit(127)


def _adopted() -> list[int]:
    """Processes whose parent is now this one (Linux: the minder is a sub-reaper)."""
    adopted = []
    for name in os.listdir("/proc") if _LINUX else []:
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # the program's name may hold spaces and parentheses, so the fields are read from its end on
                fields = file.read().rpartition(b")")[2].split()
                if int(fields[1]) == os.getpid() and fields[0] != b"Z":
                    adopted.append(int(name))
    return adopted


class Minder:
    """Waits for three things: the server's end, a signal to stop, the supervisor's end."""

    def __init__(self, spec: MinderSpec) -> None:
        self.spec = spec
        self.status: int | None = None
        self.rungs: list[Sequence[float]] = []
        self.deadline: float | None = None
        self.orphaned = False

    def run(self) -> int:
        wake_read, wake_write = os.pipe()
        for descriptor in (wake_read, wake_write):
            os.set_blocking(descriptor, False)
        for descriptor in (self.spec.lifeline, self.spec.report, *self.spec.keep):
            os.set_inheritable(descriptor, False)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in _HEEDED:
            signal.signal(number, lambda *_: None)

        minder = os.getpid()
        # until the new process has put the default actions back it must not lose a signal to our handlers
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        self.child = os.fork()
        if self.child == 0:
            _become(self.spec, minder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        os.write(self.spec.report, f"{self.child}\n".encode())
        os.close(self.spec.report)

        poller = select.poll()
        poller.register(self.spec.lifeline, select.POLLIN)
        poller.register(wake_read, select.POLLIN)
        while self.status is None:
            timeout = None if self.deadline is None else max(0.0, self.deadline - time.monotonic()) * 1000
            for descriptor, _ in poller.poll(timeout):
                if descriptor == wake_read:
                    self._signals(os.read(wake_read, 512))
                elif not os.read(descriptor, 64):
                    poller.unregister(descriptor)
                    self.orphaned = True
                    self._descend(self.spec.orphan)
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self._next_rung()
            self._reap()
        self._clear_up()
        return self.status

    def _signals(self, numbers: bytes) -> None:
        if signal.SIGQUIT in numbers:
            self._descend([])
        elif {signal.SIGTERM, signal.SIGINT} & set(numbers) and self.deadline is None:
            self._descend(self.spec.stop)

    def _descend(self, ladder: Sequence[Sequence[float]]) -> None:
        self.rungs = list(ladder)
        self._next_rung()

    def _next_rung(self) -> None:
        number, seconds = self.rungs.pop(0) if self.rungs else (signal.SIGKILL, 1.0)
        self.deadline = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.child, signal.SIGKILL)
            else:
                os.kill(self.child, int(number))
                # a stopped process would never read its signal
                os.kill(self.child, signal.SIGCONT)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.child:
                    self.status = status

    def _clear_up(self) -> None:
        """Kill processes that the server left behind, for at most five seconds."""
        with contextlib.suppress(OSError):
            os.killpg(self.child, signal.SIGKILL)
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            left = _adopted()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._reap()
            if not left:
                return
            time.sleep(0.02)


def main() -> int:
    status = Minder(MinderSpec(**json.loads(sys.argv[1]))).run()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
