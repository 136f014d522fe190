"""The whole of Cherish on one machine: Postgres, Redis, API, relay, sweeper and workers under one supervisor.

``with EmbeddedStack(home, workers=2) as stack`` starts everything, waits until ``/readyz`` answers 200, restarts
children that crash (with a growing delay, and reporting it), and ends everything in order. Each child has its own
minder, so that nothing outlives this process, ``kill -9`` included. The supervisor does no work of the product itself
and opens one port, the API's.
"""

import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from app.db import roles
from app.db.limits import Process, limits_of
from app.db.migrate import upgrade
from app.db.roles import DatabaseRole
from app.db.session import make_engine
from app.embedded import credentials
from app.embedded.child import Child, Ladder
from app.embedded.places import EmbeddedError, FolderLock, home_folder, server_owner
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from app.embedded.supervisor import Supervisor
from app.storage import scratch

_SOURCE = Path(__file__).parents[2]
_STATE = "stack.json"
_LOCK = "lock"
_READY_PATIENCE = 120.0
_PYTHON_STOP: Ladder = ((signal.SIGTERM, 15.0),)
_WORKER_STOP: Ladder = ((signal.SIGTERM, 30.0), (signal.SIGQUIT, 5.0))
_ORPHAN: Ladder = ((signal.SIGTERM, 2.0),)


class EmbeddedStack(Supervisor):
    """One stack in one folder, of ``servers`` API processes.

    ``port`` 0 takes a free one; ``env`` adds settings (``CHERISH_...``) for the children.

    ``say`` gets a line for each event; it may be called from another thread.
    """

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 2,
        servers: int = 1,
        port: int = 0,
        durable: bool = True,
        env: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if workers < 0 or servers < 1:
            raise EmbeddedError(f"{workers} workers and {servers} servers: there are 0 or more and 1 or more")
        super().__init__(say)
        self.home = home
        self._workers = workers
        self._servers = servers
        self._port = port
        self._extra = dict(env or {})
        self._postgres = EmbeddedPostgres(home, durable=durable, say=say)
        self._redis = EmbeddedRedis(home)
        self._lock: FolderLock | None = None
        self._listener: socket.socket | None = None

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
        # the file that a killed supervisor left has the address of its API, not of ours
        (self.home / _STATE).unlink(missing_ok=True)
        self._listener = _listen(self._port)
        self.api_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        secret = credentials.load_or_make(self.home)
        (self.home / "blobs").mkdir(mode=0o700, exist_ok=True)
        self._say("starting Postgres and Redis")
        database_url, redis_url = self._postgres.start(), self._redis.start()
        self._settings = {
            "CHERISH_DATABASE_URL": database_url,
            "CHERISH_REDIS_URL": redis_url,
            "CHERISH_BLOB_URL": (self.home / "blobs").as_uri(),
            "CHERISH_MAIL": "file",
            "CHERISH_MAIL_FOLDER": str(self.home / "mail"),
            "CHERISH_PUBLIC_URL": self.api_url,
            "CHERISH_KEY_PEPPER": secret.key_pepper,
            "CHERISH_SIGNING_SECRET": secret.signing_secret,
            "CHERISH_CERTIFICATE_KEY": secret.certificate_key,
            # what stops the stack waits little longer
            "CHERISH_SHUTDOWN_SECONDS": "5",
            **self._extra,
        }
        self._migrate(database_url)
        self._say(f"starting the API and {self._workers} worker{'' if self._workers == 1 else 's'}")
        self.add("postgres", self._postgres.start, lambda: self._postgres.child)
        self.add("redis", self._redis.start, lambda: self._redis.child)
        for child in self._programs():
            self.add_child(child)
            child.start()
        self._wait_ready()
        credentials.write_private(
            self.home / _STATE, {"pid": os.getpid(), "api_url": self.api_url, "env": self._settings}
        )
        self.watch()

    def settings_env(self) -> dict[str, str]:
        """The ``CHERISH_*`` variables of this stack, secrets included: what a process needs to take part in it."""
        return dict(self._settings)

    def stop(self) -> None:
        """End everything in order: API, workers, sweeper and relay, Redis, Postgres. Harmless when stopped."""
        self.stop_watching()
        self.stop_children(*(name for name in self._parts if name.startswith("api")))
        self.stop_children(*(name for name in self._parts if name.startswith("worker-")))
        self.stop_children("sweeper", "relay")
        self._redis.stop()
        self._postgres.stop()
        self._parts = {}
        # no later process of this stack would remove the scratch files of killed children
        scratch.tidy()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._lock is not None:
            (self.home / _STATE).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def destroy(self) -> None:
        """Stop, and remove the folder and the database with everything in them (tests)."""
        self.stop()
        self._postgres.destroy()
        self._redis.destroy()
        shutil.rmtree(self.home)

    def _migrate(self, database_url: str) -> None:
        engine = make_engine(database_url, pool_size=1, limits=limits_of(Process.MIGRATION))
        try:
            upgrade(engine, say=self._say)
            roles.grant(engine, self._postgres.role_passwords())
        finally:
            engine.dispose()

    def _programs(self) -> list[Child]:
        """Our own children: API, relay, sweeper, workers."""
        if self._listener is None:
            raise EmbeddedError("the API's port is not open; call start()")
        listener = self._listener.fileno()
        serve = [sys.executable, "-m", "app.cli", "serve", f"--fd={listener}"]
        # they take turns at one socket
        names = ["api", *(f"api-{number}" for number in range(2, self._servers + 1))]
        programs = [
            *(self._program(name, serve, DatabaseRole.API, stop=_PYTHON_STOP, inherit=(listener,)) for name in names),
            *(
                self._program(
                    name, [sys.executable, "-m", "app.housekeeping", name], DatabaseRole.HOUSEKEEPING, stop=_PYTHON_STOP
                )
                for name in ("relay", "sweeper")
            ),
        ]
        threads = str(max(1, len(os.sched_getaffinity(0)) // max(1, self._workers)))
        limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        for number in range(1, self._workers + 1):
            command = [sys.executable, "-m", "worker", "cpu"]
            programs.append(
                self._program(f"worker-{number}", command, DatabaseRole.WORKER, stop=_WORKER_STOP, env=limits)
            )
        return programs

    def _database_url(self, role: DatabaseRole) -> str:
        """A role's, unless the stack was told of a database of its own."""
        return self._extra.get("CHERISH_DATABASE_URL") or self._postgres.url_of(role)

    def _program(
        self,
        name: str,
        argv: list[str],
        role: DatabaseRole,
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
                "CHERISH_DATABASE_URL": self._database_url(role),
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
        api = self._part("api").child
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


@dataclass(frozen=True)
class StackState:
    """A stack that runs: its supervisor, its API's address, and the ``CHERISH_*`` variables of its children."""

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
