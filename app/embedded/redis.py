"""Redis from its wheel, run by us: a doorbell for the workers on one private socket, and nothing that must last.

It never listens on TCP, never writes to disk and never evicts: Postgres is the truth, and Redis may be wiped.
"""

import contextlib
import shutil
import signal
import time
from pathlib import Path

import redis

from app.embedded.binaries import redis_server
from app.embedded.child import Child
from app.embedded.places import EmbeddedError, FolderLock, home_folder, server_owner, socket_folder


class EmbeddedRedis:
    """One Redis server under ``home``."""

    def __init__(self, home: Path) -> None:
        self._owner = server_owner()
        self._home = home
        self._lock: FolderLock | None = None
        self._sockets: Path | None = None
        self.child: Child | None = None

    def start(self) -> str:
        """Start the server, empty, and return ``unix:///...`` of its socket. Raises EmbeddedError."""
        self._home = home_folder(self._home, self._owner)
        program = redis_server(self._owner)
        if self._lock is None:
            lock = FolderLock(self._home / "redis.lock", f"the Redis of {self._home}")
            lock.acquire(patience=30.0)
            self._lock = lock
        try:
            self._sockets = socket_folder(self._home, "redis", self._owner)
            self._launch(program, self._sockets / "redis.sock")
        except BaseException:
            self.stop()
            raise
        return self.url

    @property
    def url(self) -> str:
        if self._sockets is None:
            raise EmbeddedError("Redis has not been started; call start() first")
        return f"unix://{self._sockets / 'redis.sock'}"

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def stop(self) -> None:
        """Stop the server; what it held is gone. Harmless when stopped."""
        if self.child is not None:
            self.child.stop()
            self.child = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def destroy(self) -> None:
        """Stop, and remove the lock file (tests)."""
        self.stop()
        (self._home / "redis.lock").unlink(missing_ok=True)

    def _launch(self, program: Path, socket: Path) -> None:
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "daemonize": "no",
            "appendonly": "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "dir": str(socket.parent),
        }
        argv = [str(program)]
        for name, value in options.items():
            argv += [f"--{name}", value]
        if self._lock is None or self._lock.descriptor is None:
            raise EmbeddedError("the Redis folder is not locked; call start()")
        self.child = child = Child(
            "redis",
            argv,
            log=self._home / "logs" / "redis.log",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stop=((signal.SIGTERM, 5.0),),
            orphan=((signal.SIGTERM, 2.0),),
            owner=self._owner,
            keep=(self._lock.descriptor,),
        )
        child.start()
        until = time.monotonic() + 30.0
        client = redis.Redis(unix_socket_path=str(socket))
        try:
            while child.running and time.monotonic() < until:
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    client.ping()
                    return
                time.sleep(0.02)
        finally:
            client.close()
        raise EmbeddedError(f"Redis did not start; the end of {child.log}:\n{child.log_tail()}")
