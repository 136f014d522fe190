"""The whole of Cherish on one machine: Postgres, Redis, API, relay, sweeper and workers under one supervisor.

``with Stack(home, workers=2) as stack`` starts everything, waits until ``/readyz`` says yes, restarts what crashes
(with a growing delay, and saying so), and ends everything in order. Each child has its own minder, so that nothing
outlives this process, ``kill -9`` included. The supervisor does no work of the product itself and opens one port, the
API's.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from app.db.migrate import upgrade
from app.db.session import make_engine
from app.embedded import credentials
from app.embedded.child import Child, Ladder
from app.embedded.places import EmbeddedError, FolderLock, home_folder, server_owner
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis

_SOURCE = Path(__file__).parents[2]
_STATE = "stack.json"
_LOCK = "lock"
_READY_PATIENCE = 120.0
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# a child that ran this long before it ended starts again with the first delay
_STEADY_SECONDS = 60.0
_PYTHON_STOP: Ladder = ((signal.SIGTERM, 15.0),)
_WORKER_STOP: Ladder = ((signal.SIGTERM, 30.0), (signal.SIGQUIT, 5.0))
_ORPHAN: Ladder = ((signal.SIGTERM, 2.0),)


class Stack:
    """One stack in one folder. ``port`` 0 takes a free one; ``env`` adds settings (``CHERISH_...``) for the children.

    ``say`` is told in one line each what happens; it may be called from another thread.
    """

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 2,
        port: int = 0,
        durable: bool = True,
        env: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if workers < 0:
            raise EmbeddedError(f"the number of workers is {workers}; it must be 0 or more")
        self.home = home
        self._workers = workers
        self._port = port
        self._extra = dict(env or {})
        self._say = say or (lambda _: None)
        self._durable = durable
        self._lock: FolderLock | None = None
        self._listener: socket.socket | None = None
        self._parts: dict[str, _Part] = {}
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._guard = threading.RLock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return once the API is ready; raises EmbeddedError, leaving nothing behind."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self.home = home_folder(self.home, server_owner())
        lock = FolderLock(self.home / _LOCK, f"the Cherish stack of {self.home}")
        lock.acquire(patience=10.0)
        self._lock = lock
        self._stopping.clear()
        self._listener = _listen(self._port)
        self.api_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        secret = credentials.load_or_make(self.home)
        (self.home / "blobs").mkdir(mode=0o700, exist_ok=True)
        self._postgres = EmbeddedPostgres(self.home, durable=self._durable, say=self._say)
        self._redis = EmbeddedRedis(self.home)
        self._say("starting Postgres and Redis")
        database_url, redis_url = self._postgres.start(), self._redis.start()
        self._settings = {
            **self._extra,
            "CHERISH_DATABASE_URL": database_url,
            "CHERISH_REDIS_URL": redis_url,
            "CHERISH_BLOB_URL": (self.home / "blobs").as_uri(),
            "CHERISH_PUBLIC_URL": self.api_url,
            "CHERISH_KEY_PEPPER": secret["key_pepper"],
            "CHERISH_SIGNING_SECRET": secret["signing_secret"],
        }
        self._migrate(database_url)
        self._say(f"starting the API and {self._workers} worker{'' if self._workers == 1 else 's'}")
        self._parts = {
            "postgres": _Part("postgres", self._postgres.start, lambda: self._postgres.child),
            "redis": _Part("redis", self._redis.start, lambda: self._redis.child),
            **{child.name: _Part(child.name, child.start, partial(_itself, child)) for child in self._programs()},
        }
        for name, part in self._parts.items():
            if name not in ("postgres", "redis"):
                part.start()
        self._wait_ready()
        credentials.write_private(
            self.home / _STATE, {"pid": os.getpid(), "api_url": self.api_url, "env": self._settings}
        )
        self._watcher = threading.Thread(target=self._watch, name="cherish-supervisor", daemon=True)
        self._watcher.start()

    def settings_env(self) -> dict[str, str]:
        """The ``CHERISH_*`` variables of this stack, secrets included: what a process needs to take part in it."""
        return dict(self._settings)

    @property
    def children(self) -> dict[str, int]:
        """Name -> process id of every child that runs now: postgres, redis, api, relay, sweeper, worker-1, ..."""
        alive = {name: part.child for name, part in self._parts.items() if part.child and part.child.running}
        return {name: child.pid for name, child in alive.items() if child.pid is not None}

    def processes(self, name: str) -> list[int]:
        """The ids of a child and all that descend from it (a worker's spawned child, a server's backends)."""
        child = self._part(name).child
        return child.processes() if child else []

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a child and its descendants; the supervisor restarts what it ended."""
        child = self._part(name).child
        if child:
            child.signal(number)

    def pause(self, name: str) -> None:
        """Freeze a child and its descendants (SIGSTOP)."""
        self.kill(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a frozen child go on."""
        self.kill(name, signal.SIGCONT)

    def take_down(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a child and keep it down until ``bring_up``."""
        with self._guard:
            part = self._part(name)
            part.held = True
            if part.child:
                part.child.signal(number)
                part.child.stop()

    def bring_up(self, name: str) -> None:
        """Start a child that was taken down; Redis comes back empty."""
        with self._guard:
            part = self._part(name)
            part.held = False
            part.start()

    def stop(self) -> None:
        """End everything in order: API, workers, sweeper and relay, Redis, Postgres. Harmless when stopped."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        workers = [name for name in self._parts if name.startswith("worker-")]
        for group in (["api"], workers, ["sweeper", "relay"]):
            children = [part.child for name in group if (part := self._parts.get(name)) and part.child]
            for child in children:
                child.request_stop()
            for child in children:
                child.stop()
        for server in (getattr(self, "_redis", None), getattr(self, "_postgres", None)):
            if server is not None:
                server.stop()
        self._parts = {}
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._lock is not None:
            (self.home / _STATE).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def destroy(self) -> None:
        """Stop, and remove the database with everything in it (tests)."""
        self.stop()
        self._postgres.destroy()
        self._redis.destroy()

    def _part(self, name: str) -> "_Part":
        try:
            return self._parts[name]
        except KeyError:
            raise EmbeddedError(f"no child is named {name!r}; there are {', '.join(self._parts) or 'none'}") from None

    def _migrate(self, database_url: str) -> None:
        engine = make_engine(database_url, pool_size=1)
        try:
            upgrade(engine)
        finally:
            engine.dispose()

    def _programs(self) -> list[Child]:
        """Our own children: API, relay, sweeper, workers."""
        if self._listener is None:
            raise EmbeddedError("the API's port is not open; call start()")
        listener = self._listener.fileno()
        serve = [sys.executable, "-m", "app.cli", "serve", f"--fd={listener}"]
        found = [
            self._program("api", serve, stop=_PYTHON_STOP, inherit=(listener,)),
            self._program("relay", [sys.executable, "-m", "app.outbox", "relay"], stop=_PYTHON_STOP),
            self._program("sweeper", [sys.executable, "-m", "app.outbox", "sweeper"], stop=_PYTHON_STOP),
        ]
        threads = str(max(1, len(os.sched_getaffinity(0)) // max(1, self._workers)))
        limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        for number in range(1, self._workers + 1):
            command = [sys.executable, "-m", "worker", "cpu"]
            found.append(self._program(f"worker-{number}", command, stop=_WORKER_STOP, env=limits))
        return found

    def _program(
        self,
        name: str,
        argv: list[str],
        *,
        stop: Ladder,
        env: Mapping[str, str] | None = None,
        inherit: tuple[int, ...] = (),
    ) -> Child:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return Child(
            name,
            argv,
            log=self.home / "logs" / f"{name}.log",
            env={
                **inherited,
                **self._settings,
                **(env or {}),
                "PYTHONPATH": str(_SOURCE),
                "PYTHONUNBUFFERED": "1",
            },
            cwd=self.home,
            stop=stop,
            orphan=_ORPHAN,
            inherit=inherit,
        )

    def _wait_ready(self) -> None:
        until = time.monotonic() + _READY_PATIENCE
        api = self._parts["api"].child
        answer = "no answer"
        with httpx.Client(base_url=self.api_url, timeout=5.0, trust_env=False) as client:
            while time.monotonic() < until:
                for part in self._parts.values():
                    if part.child and not part.child.running:
                        raise EmbeddedError(
                            f"{part.name} ended while starting; the end of {part.child.log}:\n{part.child.log_tail()}"
                        )
                try:
                    response = client.get("/readyz")
                except httpx.TransportError as error:
                    answer = str(error)
                else:
                    if response.status_code == 200:
                        return
                    answer = f"{response.status_code}: {response.text[:500]}"
                time.sleep(0.1)
        tail = api.log_tail() if api else ""
        raise EmbeddedError(
            f"the API was not ready after {_READY_PATIENCE:.0f} s ({answer}); the end of its log:\n{tail}"
        )

    def _watch(self) -> None:
        """Restart what ended, each child with its own growing delay, until told to stop."""
        while not self._stopping.wait(0.1):
            with self._guard:
                for part in self._parts.values():
                    if self._stopping.is_set():
                        return
                    part.look_after(self._say)


class _Part:
    """A child and when to start it again."""

    def __init__(self, name: str, start: Callable[[], object], child: "Callable[[], Child | None]") -> None:
        self.name = name
        self._start = start
        self._child = child
        self.held = False
        self._started = time.monotonic()
        self._delay = _FIRST_DELAY
        self._due: float | None = None

    @property
    def child(self) -> Child | None:
        return self._child()

    def start(self) -> None:
        self._started = time.monotonic()
        self._due = None
        self._start()

    def look_after(self, say: Callable[[str], None]) -> None:
        """Start the child again when its delay has passed; a failure to start counts as another crash."""
        child = self.child
        if self.held or (child is not None and child.running):
            return
        now = time.monotonic()
        if self._due is None:
            if now - self._started > _STEADY_SECONDS:
                self._delay = _FIRST_DELAY
            code = child.poll() if child else None
            log = f"; see {child.log}" if child else ""
            say(f"{self.name} ended (code {code}); starting it again in {self._delay:g} s{log}")
            self._due = now + self._delay
            self._delay = min(self._delay * 2, _LONGEST_DELAY)
        elif now >= self._due:
            try:
                self.start()
            except (EmbeddedError, OSError) as error:
                say(f"{self.name} could not be started: {error}")


def _itself(child: Child) -> Child:
    return child


@dataclass(frozen=True)
class StackState:
    """A stack that runs: its supervisor, where its API is, and the ``CHERISH_*`` variables of its children."""

    pid: int
    api_url: str
    env: dict[str, str]


def running_stack(home: Path) -> StackState | None:
    """The stack that runs in ``home``, or None."""
    state = credentials.read_private(home / _STATE) if home.is_dir() else None
    if state is None or not FolderLock(home / _LOCK, "the stack").held():
        return None
    return StackState(**state)


def _listen(port: int) -> socket.socket:
    """The API's socket on 127.0.0.1, held by the supervisor so that the address outlives a crash of the API."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    until = time.monotonic() + 5.0
    while True:
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1024)
            return listener
        except OSError as error:
            # the API of a killed supervisor may be ending still
            if time.monotonic() >= until:
                listener.close()
                raise EmbeddedError(
                    f"port {port} on 127.0.0.1 cannot be opened ({error.strerror}); give another with --port, "
                    "or leave it out for a free one"
                ) from error
            with contextlib.suppress(InterruptedError):
                time.sleep(0.2)
