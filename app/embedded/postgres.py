"""Postgres 18 from its wheel, run by us: one cluster in one folder, reached over one private socket, with a password.

``EmbeddedPostgres(home).start()`` makes the cluster on first use, repairs the traces of a crash (a stale lock file, a
half-made cluster, a postmaster that is still ending), starts the server under a minder and returns its URL. It never
listens on TCP, never trusts a connection without the password, and never touches a cluster that it did not make.
"""

import contextlib
import hmac
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from app.db.roles import DatabaseRole
from app.embedded.binaries import postgres_bin
from app.embedded.child import Child
from app.embedded.places import (
    EmbeddedError,
    private_folder,
    reachable,
    socket_folder,
    system_folder,
)
from app.embedded.server import EmbeddedServer

_USER = "cherish"
_DATABASE = "cherish"
_MARKER = "cherish.json"
_MAJOR = "18"
# crash recovery replays the log since the last checkpoint; on a slow disk that takes minutes
_PATIENCE = 600.0
_CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedPostgres(EmbeddedServer):
    """One Postgres server under ``home``; ``url`` is ``postgresql://user:password@/database?host=socket-folder``.

    ``durable=False`` gives up safety in a power cut for speed (tests); a killed server loses nothing either way.
    """

    name, title = "postgres", "Postgres folder"

    def __init__(self, home: Path, *, durable: bool = True, say: Callable[[str], None] | None = None) -> None:
        super().__init__(home)
        self._durable = durable
        self._say = say or (lambda _: None)

    def _open(self) -> None:
        binaries = postgres_bin(self._owner)
        data = self._data_folder()
        password = self._password()
        self._make_cluster(binaries, data, password)
        _clear_stale_lock_file(data)
        self._sockets = socket_folder(self._home, "pg", self._owner)
        self._launch(binaries, data)
        self._make_database(password)

    @property
    def url(self) -> str:
        """The owner's URL; it holds the password. Migrations and operators use it."""
        return self._url(self._password(), _DATABASE)

    def url_of(self, role: DatabaseRole) -> str:
        """The URL of a process that runs all the time, once its role was granted its rights (``role_passwords``)."""
        return self._url(self.role_passwords()[role], _DATABASE, role.named(_USER))

    def role_passwords(self) -> dict[DatabaseRole, str]:
        """Each follows from the owner's, which does not follow from it."""
        key = self._password().encode()
        return {role: hmac.new(key, role.value.encode(), "sha256").hexdigest() for role in DatabaseRole}

    def _url(self, password: str, database: str, user: str = _USER) -> str:
        if self._sockets is None:
            raise EmbeddedError("Postgres has not been started; call start() first")
        return f"postgresql://{user}:{password}@/{database}?host={self._sockets}"

    def destroy(self) -> None:
        """Stop, and remove the cluster with everything in it (tests)."""
        self.stop()
        if self._home.is_dir():
            data = self._data_folder()
            shutil.rmtree(data)
            for name in ("postgres.lock", "postgres.password", "postgres.place"):
                (self._home / name).unlink(missing_ok=True)

    def _data_folder(self) -> Path:
        """Where the cluster lives: under home, or under /var/lib/cherish where root's server user cannot reach home."""
        place = self._home / "postgres.place"
        with contextlib.suppress(FileNotFoundError):
            return Path(place.read_text("utf-8").strip())
        if not self._owner.dropped or reachable(self._home / "postgres", self._owner):
            return self._home / "postgres"
        data = system_folder() / f"data-{uuid.uuid4().hex}"
        place.write_text(f"{data}\n", "utf-8")
        return data

    def _password(self) -> str:
        path = self._home / "postgres.password"
        with contextlib.suppress(FileNotFoundError):
            return path.read_text("ascii").strip()
        password = secrets.token_hex(24)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(password)
            file.flush()
            os.fsync(file.fileno())
        return password

    def _make_cluster(self, binaries: Path, data: Path, password: str) -> None:
        """Make the cluster beside its place and rename it, so that it is whole or absent."""
        for half_made in data.parent.glob(f"{data.name}.new-*"):
            shutil.rmtree(half_made)
        if data.exists() and not any(data.iterdir()):
            data.rmdir()
        if data.exists():
            self._check_cluster(data)
            return
        self._say("making the Postgres cluster")
        staging = private_folder(data.with_name(f"{data.name}.new-{secrets.token_hex(4)}"), self._owner)
        cluster = private_folder(staging / "cluster", self._owner)
        secret = staging / "password"
        secret.touch(mode=0o600)
        secret.write_text(password, "ascii")
        os.chown(secret, self._owner.uid, self._owner.gid)
        self._run(
            [
                str(binaries / "initdb"),
                f"--pgdata={cluster}",
                f"--username={_USER}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                *(() if self._durable else ("--no-sync",)),
            ]
        )
        (cluster / _MARKER).write_text(json.dumps({"made_by": "cherish", "major": _MAJOR}), "utf-8")
        cluster.rename(data)
        shutil.rmtree(staging)

    def _check_cluster(self, data: Path) -> None:
        owner = data.lstat().st_uid
        if owner != self._owner.uid:
            raise EmbeddedError(
                f"the Postgres folder {data} belongs to user id {owner}, but Cherish would run Postgres as "
                f"`{self._owner.name}`; run it as the user who made it, or move the folder away to begin anew"
            )
        if not (data / _MARKER).is_file():
            raise EmbeddedError(
                f"{data} is not empty and holds no {_MARKER}, so Cherish did not make it and leaves it alone; "
                "move it away and start again"
            )
        version = (data / "PG_VERSION").read_text("ascii").strip() if (data / "PG_VERSION").is_file() else "none"
        if version != _MAJOR:
            raise EmbeddedError(
                f"{data} was made by Postgres {version}, and this is Postgres {_MAJOR}, which cannot read it; "
                "dump it with the old version, or move it away to begin anew"
            )
        if not (self._home / "postgres.password").stat().st_size:
            raise EmbeddedError(f"{self._home / 'postgres.password'} is empty; restore it, or move {data} away")

    def _run(self, argv: list[str]) -> None:
        drop = self._owner.dropped
        done = subprocess.run(  # noqa: S603  our own program and arguments
            argv,
            env=_CLEAN_ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=self._owner.uid if drop else None,
            group=self._owner.gid if drop else None,
            extra_groups=[] if drop else None,
        )
        if done.returncode:
            raise EmbeddedError(f"{Path(argv[0]).name} ended with code {done.returncode}: {done.stderr.strip()}")

    def _launch(self, binaries: Path, data: Path) -> None:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "max_connections": "200",
            "log_timezone": "UTC",
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
        }
        if not self._durable:
            options |= {"fsync": "off", "full_page_writes": "off"}
        argv = [str(binaries / "postgres"), "-D", str(data)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        child = Child(
            "postgres",
            argv,
            log=self._home / "logs" / "postgres.log",
            env=_CLEAN_ENVIRONMENT,
            stop=((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)),
            orphan=((signal.SIGINT, 3.0), (signal.SIGQUIT, 2.0)),
            death_signal=signal.SIGQUIT,
            owner=self._owner,
            # the lock outlives a killed supervisor until its server has ended
            keep=(self._lock_descriptor(),),
        )
        for attempt in range(5):
            child.start()
            self.child = child
            if self._accepts(child):
                return
            # backends of a killed postmaster hold its shared memory for a moment
            time.sleep(0.5 * attempt)
        raise EmbeddedError(f"Postgres ended at once; the end of {child.log}:\n{child.log_tail()}")

    def _accepts(self, child: Child) -> bool:
        """Wait until the server answers; False when its process ended."""
        begun = time.monotonic()
        reported = False
        while child.running:
            try:
                psycopg.connect(self._url(self._password(), "postgres"), connect_timeout=5).close()
                return True
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise EmbeddedError(
                        f"Postgres refuses the password in {self._home / 'postgres.password'}: file and cluster do "
                        "not belong together; restore the file, or move both away to begin anew"
                    ) from error
            waited = time.monotonic() - begun
            if waited > _PATIENCE:
                raise EmbeddedError(f"Postgres did not become ready in {_PATIENCE:.0f} s; see {child.log}")
            if waited > 3 and not reported:
                self._say("Postgres is recovering from a crash; waiting")
                reported = True
            time.sleep(0.05)
        return False

    def _make_database(self, password: str) -> None:
        with psycopg.connect(self._url(password, "postgres"), autocommit=True) as connection:
            existing = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone()
            if existing is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))


def _clear_stale_lock_file(data: Path) -> None:
    """Remove ``postmaster.pid`` of a server that is gone, though another process may have its number by now.

    We hold the folder's lock, so a server that still runs has lost its minder; it is ended.
    """
    path = data / "postmaster.pid"
    for number in (None, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        try:
            pid = int(path.read_text("utf-8", errors="replace").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            path.unlink(missing_ok=True)
            return
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            if not _serves(pid, data):
                path.unlink(missing_ok=True)
                return
            time.sleep(0.05)


def _serves(pid: int, data: Path) -> bool:
    """Whether process ``pid`` is a server of this very folder: a postmaster's working folder is its data folder."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data)
    except FileNotFoundError:
        return False
    except PermissionError:
        return False
