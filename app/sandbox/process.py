"""Strangers' files are parsed in a process of their own, of limited memory and time, that knows no secret.

One small server process (``python -m app.sandbox.process``) imports the parsers once and forks for each file, so a
look at a file costs milliseconds. The child may not write files, has none of the service's environment, and ends with
its answer; whatever a file does to its parser, the service goes on and its memory does not grow. It reads files only:
what is stored is decided by the caller.
"""

import atexit
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.errors import FieldError, InvalidData, Unavailable

_ROOT = Path(__file__).parents[2]
_ANSWER_BYTES = 64 * 1024**2
_GRACE_SECONDS = 5.0
# what a forked child has mapped before it reads anything: libraries and the interpreter
_BASE_BYTES = 2 * 1024**3


class Enclosure:
    """The server process, started at the first question and again should it ever be gone. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def ask(self, question: dict[str, Any], *, memory_bytes: int, seconds: float) -> dict[str, Any]:
        """The answer of the ``task`` that the question names: inspect, profile, fit or tokenizer.

        Raises the InvalidData that it raised, or one for a limit that it met.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._hand_over(theirs)
            ours.settimeout(seconds + _GRACE_SECONDS)
            told = {"question": question, "memory_bytes": memory_bytes, "seconds": seconds}
            try:
                ours.sendall(json.dumps(told).encode())
                ours.shutdown(socket.SHUT_WR)
                body = _read_all(ours)
            except (TimeoutError, BrokenPipeError, ConnectionResetError):
                body = b""
        if not body:
            raise InvalidData(
                f"{question['name']}: reading it took more than {seconds:g} seconds, or ended the process that "
                "read it; split the file, or write it again"
            )
        found: dict[str, Any] = json.loads(body)
        if "answer" in found:
            return dict(found["answer"])
        if found.get("memory"):
            raise InvalidData(
                f"{question['name']}: reading it takes more than the {memory_bytes} bytes of memory allowed; "
                "split the file, or use smaller types"
            )
        if "mistake" in found:
            raise RuntimeError(f"the enclosure failed on {question['name']}:\n{found['mistake']}")
        raise InvalidData(found["detail"], errors=[FieldError(**error) for error in found["errors"]])

    def start(self) -> None:
        """Start the server process beforehand, which the first question would wait for."""
        with self._lock:
            if self._process is None:
                self._start()

    def close(self) -> None:
        """End the server process; a later question starts another."""
        with self._lock:
            self._end()

    def _hand_over(self, connection: socket.socket) -> None:
        with self._lock:
            for fresh in (False, True):
                if fresh or self._process is None or self._process.poll() is not None:
                    self._start()
                try:
                    assert self._control is not None  # noqa: S101  _start sets it
                    socket.send_fds(self._control, [b"?"], [connection.fileno()])
                except OSError:
                    continue
                return
        raise Unavailable("files cannot be read at the moment; try again", retry_after=5)

    def _start(self) -> None:
        self._end()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.sandbox.process"], stdin=theirs.fileno(), env=_environment(), cwd="/"
            )
        self._control = ours

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            # it ends when its control socket does
            self._process.wait()
        self._control = self._process = None


_shared = Enclosure()
atexit.register(_shared.close)


def shared() -> Enclosure:
    """This process's enclosure."""
    return _shared


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    # Arrow's own allocators reserve address space by the gigabyte; the limit counts address space
    return kept | {
        "PYTHONPATH": str(_ROOT),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        # its threads would not outlive the fork
        "TOKENIZERS_PARALLELISM": "false",
    }


def _read_all(connection: socket.socket) -> bytes:
    body = bytearray()
    while chunk := connection.recv(1024 * 1024):
        body += chunk
        if len(body) > _ANSWER_BYTES:
            return b""
    return bytes(body)


def _serve() -> None:
    """The server process: fork for each connection that comes in; end when the control socket closes."""
    import pyarrow as pa

    from app.datasets import inspection, profile
    from app.datasets.rows import corpora
    from app.valuations.orders import fit_task

    # what libraries import when first used is imported here, once, and not by every child (Arrow looks for pandas)
    pa.array([1.0]).to_numpy()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=0)
    while True:
        message, handles, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            try:
                control.close()
                with socket.socket(fileno=handles[0]) as connection:
                    _answer(
                        connection,
                        {
                            "inspect": inspection.answer,
                            "profile": profile.answer,
                            "fit": fit_task.answer,
                            "tokenizer": corpora.answer_tokenizer,
                        },
                    )
            finally:
                os._exit(0)
        for handle in handles:
            os.close(handle)


def _answer(connection: socket.socket, tasks: dict[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
    told = json.loads(_read_all(connection))
    _confine(told["memory_bytes"], told["seconds"])
    try:
        found: dict[str, Any] = {"answer": tasks[told["question"]["task"]](told["question"])}
    except InvalidData as error:
        faults = [{"pointer": e.pointer, "detail": e.detail, "type": e.type} for e in error.errors]
        found = {"detail": error.detail, "errors": faults}
    except MemoryError:
        found = {"memory": True}
    except Exception:
        found = {"mistake": traceback.format_exc()}
    connection.sendall(json.dumps(found).encode())


def _confine(memory_bytes: int, seconds: float) -> None:
    """Limits that the child cannot lift again. The alarm ends it even while it sleeps in a system call."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes + _BASE_BYTES, memory_bytes + _BASE_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    _serve()
