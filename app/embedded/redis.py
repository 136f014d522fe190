"""Redis from its wheel, run by us: messages to the workers over one private socket, no data that must last.

It never listens on TCP, never writes to disk and never evicts: all facts are in Postgres, and Redis may be wiped.
"""

import contextlib
import signal
import time
from pathlib import Path

import redis

from app.embedded.binaries import redis_server
from app.embedded.child import Child
from app.embedded.places import EmbeddedError, socket_folder
from app.embedded.server import EmbeddedServer


class EmbeddedRedis(EmbeddedServer):
    """One Redis server under ``home``, empty at each start; ``url`` is ``unix:///...`` of its socket."""

    name, title = "redis", "Redis"

    def _open(self) -> None:
        program = redis_server(self._owner)
        self._sockets = socket_folder(self._home, "redis", self._owner)
        self._launch(program, self._sockets / "redis.sock")

    @property
    def url(self) -> str:
        if self._sockets is None:
            raise EmbeddedError("Redis has not been started; call start() first")
        return f"unix://{self._sockets / 'redis.sock'}"

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
        self.child = child = Child(
            "redis",
            argv,
            log=self._home / "logs" / "redis.log",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stop=((signal.SIGTERM, 5.0),),
            orphan=((signal.SIGTERM, 2.0),),
            owner=self._owner,
            keep=(self._lock_descriptor(),),
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
