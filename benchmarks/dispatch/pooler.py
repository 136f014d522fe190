"""pgbouncer in transaction mode between workers and Postgres, as docs/scaling.md advises for hundreds of workers."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from app.embedded.places import server_owner

# of Postgres, for all workers together
CONNECTIONS = 32
_CLIENTS = 2_000
_PATIENCE = 20.0


@contextmanager
def pooled(home: Path, database: str) -> Iterator[dict[str, str]]:
    """The settings of a worker that reaches ``database`` through a pooler; raises FileNotFoundError where there is no
    pgbouncer."""
    program = shutil.which("pgbouncer")
    if program is None:
        raise FileNotFoundError("pgbouncer is not installed (Debian: pgbouncer)")
    url, owner, port = make_url(database), server_owner(), _free_port()
    folder = home / "pgbouncer"
    folder.mkdir(mode=0o700)
    (folder / "users.txt").write_text(f'"{url.username}" "{url.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
{url.database} = host={url.query["host"]} port={url.port or 5432} dbname={url.database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {CONNECTIONS}
max_client_conn = {_CLIENTS}
ignore_startup_parameters = extra_float_digits,options
"""
    )
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.uid, owner.gid)
    whom = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner.dropped else {}
    with (home / "pgbouncer.log").open("ab") as log:
        command = [program, str(folder / "pgbouncer.ini")]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **whom)  # type: ignore[call-overload]
    try:
        _wait(port)
        through = url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
        yield {"CHERISH_DATABASE_URL": through, "CHERISH_DATABASE_POOLER": "transaction"}
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"pgbouncer did not listen within {_PATIENCE:.0f} s")
