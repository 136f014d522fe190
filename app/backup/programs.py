"""``pg_dump`` and ``pg_restore``: Postgres' own programs, from the PATH or from the embedded server's wheel.

The password goes by the environment, never by the command line, which every process of the machine can read.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, make_url, text

from app.embedded.binaries import postgres_bin
from app.embedded.places import EmbeddedError, server_owner
from app.errors import Unavailable


def server_version(connection: Connection) -> str:
    """The version of the server at the other end, such as 18.1."""
    return str(connection.scalar(text("SHOW server_version"))).split()[0]


class Programs:
    """The two programs against one database; raises Unavailable where they are missing, too old or fail."""

    def __init__(self, url: str, server: str) -> None:
        """``server`` is the version of the database's server, than whose major one the programs must not be older."""
        self._url = make_url(url)
        self._server = int(server.split(".")[0])

    def dump(self, path: Path, snapshot: str) -> None:
        """Write the database, as the exported ``snapshot`` sees it, to ``path``."""
        self._run("pg_dump", ["--format=custom", f"--snapshot={snapshot}", f"--file={path}"])

    def restore(self, path: Path) -> None:
        """Read a dump into the empty database, all or nothing."""
        self._run("pg_restore", ["--single-transaction", "--exit-on-error"], str(path))

    def _run(self, program: str, options: Sequence[str], *arguments: str) -> None:
        where = self._url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
        env = {**os.environ, "PGPASSWORD": str(self._url.password or "")}
        line = [self._installed(program), *options, "--no-owner", "--no-privileges", f"--dbname={where}", *arguments]
        ended = subprocess.run(line, env=env, capture_output=True, text=True, check=False)  # noqa: S603  no shell
        if ended.returncode != 0:
            why = ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode}"]
            raise Unavailable(f"{program} failed: {why[0]}")

    def _installed(self, program: str) -> str:
        """The first of this name that is new enough for the server."""
        seen = []
        for candidate in filter(None, (shutil.which(program), _embedded(program))):
            said = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
            version = re.search(r"(\d+)", said)
            if version is not None and int(version[1]) >= self._server:
                return candidate
            seen.append(f"{candidate} is {said.strip()!r}")
        raise Unavailable(
            f"no {program} for a server of Postgres {self._server} ({'; '.join(seen) or 'none is on the PATH'}); "
            f"install the client programs of Postgres {self._server} or newer"
        )


def _embedded(program: str) -> str | None:
    try:
        return str(postgres_bin(server_owner()) / program)
    except EmbeddedError:
        return None
