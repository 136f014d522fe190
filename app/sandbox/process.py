"""Strangers' files are parsed in a process of their own, of limited memory and time, that holds no secret.

It runs tasks: functions from a question to an answer, both plain JSON, named ``package.module:function``. A module that
asks questions declares its task when it is imported (``declare``). No other name is ever run, whatever a question says,
and this module imports no parser and no room of the application that has one.

One small server process (``python -m app.sandbox.process TASK...``) imports the declared tasks once and forks for each
file, so reading a file costs milliseconds. The child has none of the service's environment, reads the files that it is
given and no others, writes none, reaches no network (``walls``), and ends with its answer; whatever a file does to its
parser, the service goes on and its memory does not grow. The child only reads: the caller decides what is stored.
"""

import atexit
import gc
import importlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.errors import FieldError, InvalidData, Unavailable
from app.sandbox import walls
from app.sandbox.arrow import start_without_pandas
from app.sandbox.walls import Walls

_ROOT = Path(__file__).parents[2]
_ANSWER_BYTES = 64 * 1024**2
_GRACE_SECONDS = 5.0
# address space of a forked child before it reads anything: libraries and the interpreter
_NICE = 10
_BASE_BYTES = 2 * 1024**3
# descriptors of a child besides the files that it reads
_DESCRIPTORS = 32
_WALLS = "app.sandbox.process:answer_walls"
_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*:[a-z_][a-z0-9_]*")

_Function = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class _Call:
    """What the service sends: a question and the limits under which the child answers it."""

    task: str
    question: dict[str, Any]
    files: list[str]
    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class _Reply:
    """What the child sends: the answer, or why there is none (a refusal, too little memory, a mistake of ours)."""

    answer: dict[str, Any] | None = None
    refusal: str | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    out_of_memory: bool = False
    mistake: str | None = None


class Sandbox:
    """The server process, started at the first question, and again if it has ended. Safe between threads."""

    def __init__(self, tasks: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._tasks: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        for task in (_WALLS, *tasks):
            self.declare(task)

    def declare(self, task: str) -> str:
        """Let questions name ``task``, written ``package.module:function``; returns it. Raises ValueError for no name.

        A server process that runs already does not know the task: it ends, and the next question starts another.
        """
        if not _NAME.fullmatch(task):
            raise ValueError(f"sandbox task {task!r}: write it as package.module:function")
        with self._lock:
            if task not in self._tasks:
                self._tasks.append(task)
                self._end()
        return task

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the declared tasks."""
        return tuple(task for task in self._tasks if task != _WALLS)

    def walls(self) -> Walls:
        """Which walls stand around a file that is parsed now."""
        question = {"task": _WALLS, "name": "the sandbox"}
        return Walls(tuple(self.ask(question, files=(), memory_bytes=1, seconds=60.0)["raised"]), os.geteuid() == 0)

    def ask(
        self, question: dict[str, Any], *, files: Sequence[Path], memory_bytes: int, seconds: float
    ) -> dict[str, Any]:
        """The answer of the ``task`` that the question names; ``name`` is the file's, for errors.

        The task reads ``files`` and nothing else: where one of these paths is a text of the question, the task finds in
        its place a path by which it reaches the file. Raises the InvalidData that the task raised, or one for a limit
        that it met, and ValueError for a task that was not declared.
        """
        task, name = question["task"], question["name"]
        if task not in self._tasks:
            declared = ", ".join(self.tasks) or "none"
            raise ValueError(f"sandbox task {task!r} is not declared; declared are: {declared}")
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._hand_over(theirs)
            ours.settimeout(seconds + _GRACE_SECONDS)
            call = _Call(task, question, [str(path) for path in files], memory_bytes, seconds)
            asked = time.monotonic()
            try:
                ours.sendall(json.dumps(asdict(call)).encode())
                ours.shutdown(socket.SHUT_WR)
                body = _read_all(ours)
            except (TimeoutError, BrokenPipeError, ConnectionResetError):
                body = b""
        if not body:
            raise _unanswered(name, late=time.monotonic() - asked >= seconds, seconds=seconds)
        reply = _Reply(**json.loads(body))
        if reply.answer is not None:
            return reply.answer
        if reply.out_of_memory:
            raise InvalidData(
                f"{name}: reading it takes more than the {memory_bytes} bytes of memory allowed; "
                "split the file, or use smaller types"
            )
        if reply.refusal is None:
            raise RuntimeError(f"the sandbox failed on {name}:\n{reply.mistake}")
        raise InvalidData(reply.refusal, errors=[FieldError(**fault) for fault in reply.faults])

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
        # same user, same machine: the walls of the one who parses are no use where this process stands open
        walls.hide()
        with theirs:
            # the arguments are names of the form that ``declare`` insists on
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "app.sandbox.process", *self._tasks],
                stdin=theirs.fileno(),
                env=_environment(),
                cwd="/",
            )
        self._control = ours

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            # it ends when its control socket does
            self._process.wait()
        self._control = self._process = None


_shared = Sandbox()
atexit.register(_shared.close)


def shared() -> Sandbox:
    """This process's sandbox."""
    return _shared


def declare(task: str) -> str:
    """Let this process's sandbox run ``task``, written ``package.module:function``; returns the name."""
    return _shared.declare(task)


def _unanswered(name: str, *, late: bool, seconds: float) -> InvalidData:
    """Why a child said nothing: its time was up, or something ended it."""
    if late:
        return InvalidData(f"{name}: reading it took more than {seconds:g} seconds; split the file")
    return InvalidData(
        f"{name}: reading it ended the process that read it, as some damaged files do, and files that take more memory "
        "than the machine has; write it again from its source, or split it"
    )


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


def _serve(names: list[str]) -> None:
    """The server process: fork for each connection that comes in; end when the control socket closes."""
    # nothing is loaded yet: with threads there would be no way into another namespace
    walls.surround()
    walls.hide()
    tasks = {name: _imported(name) for name in names}
    # what Arrow does at its first array it does here, once, and not in every child
    start_without_pandas()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    walls.shut()
    control = socket.socket(fileno=0)
    while True:
        message, handles, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            try:
                control.close()
                with socket.socket(fileno=handles[0]) as connection:
                    _answer(connection, tasks)
            finally:
                os._exit(0)
        for handle in handles:
            os.close(handle)


def _imported(name: str) -> _Function:
    """The function of that name. One that cannot be imported fails each of its questions, and no others."""
    module, _, function = name.partition(":")
    try:
        task: _Function = getattr(importlib.import_module(module), function)
    except Exception as error:
        cause = error

        def broken(_question: dict[str, Any]) -> dict[str, Any]:
            raise RuntimeError(f"sandbox task {name} cannot be imported") from cause

        return broken
    return task


def _answer(connection: socket.socket, tasks: Mapping[str, _Function]) -> None:
    call = _Call(**json.loads(_read_all(connection)))
    _confine(call.memory_bytes, call.seconds, len(call.files))
    try:
        question = _enclosed(call)
        reply = _Reply(answer=tasks[call.task](question))
    except InvalidData as error:
        faults = [{"pointer": e.pointer, "detail": e.detail, "type": e.type} for e in error.errors]
        reply = _Reply(refusal=error.detail, faults=faults)
    except MemoryError:
        reply = _Reply(out_of_memory=True)
    except Exception:
        reply = _Reply(mistake=traceback.format_exc())
    connection.sendall(json.dumps(asdict(reply)).encode())


def answer_walls(_question: dict[str, Any]) -> dict[str, Any]:
    """The walls around the process that answers."""
    return {"raised": list(walls.raised())}


def _enclosed(call: _Call) -> dict[str, Any]:
    """Go behind the walls with the call's files open; its question, with paths that lead to them from there."""
    opened = {path: os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in call.files}
    walls.enter(_code(), list(opened.values()))
    return {name: _moved(value, opened) for name, value in call.question.items()}


def _moved(value: Any, opened: Mapping[str, int]) -> Any:
    if isinstance(value, dict):
        return {name: _moved(member, opened) for name, member in value.items()}
    if isinstance(value, list):
        return [_moved(member, opened) for member in value]
    return f"/proc/self/fd/{opened[value]}" if isinstance(value, str) and value in opened else value


def _code() -> list[str]:
    """Where modules are loaded from. The folder of the sources may hold a deployment's secrets beside them."""
    folders = {entry for entry in sys.path if entry and Path(entry) not in (_ROOT, Path("/"))}
    return [str(_ROOT / "app"), str(_ROOT / "contract"), *sorted(folders)]


def _confine(memory_bytes: int, seconds: float, files: int) -> None:
    """Limits that the child cannot lift again. The alarm ends it even while it sleeps in a system call."""
    # calls that wait for an answer go before the reading of files
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes + _BASE_BYTES, memory_bytes + _BASE_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS + files if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS + files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    _serve(sys.argv[1:])
