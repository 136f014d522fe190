"""Where the dispatch benchmarks run: an embedded Postgres and Redis with everything on disk as in a deployment, the
relay and sweeper as their own process, and worker processes; what each of them used of the processor.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.db.registry import load_tables
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from app.settings import Settings
from benchmarks.store import ROOT


@dataclass
class Place:
    """A running place; ``processes`` by role ("relay", "workers", "postgres", "redis")."""

    home: Path
    settings: Settings
    factory: sessionmaker[Session]
    servers: dict[str, psutil.Process]
    running: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict)
    # settings of workers that are not everybody's
    of_workers: dict[str, str] = field(default_factory=dict)

    def start(self, role: str, *module: str) -> None:
        """``python -m <module>`` as one more process of a role."""
        env = os.environ | {
            "CHERISH_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "CHERISH_REDIS_URL": self.settings.redis_url.get_secret_value(),
            "CHERISH_BLOB_URL": self.settings.blob_url,
            "CHERISH_LOG_LEVEL": "WARNING",
            "OMP_NUM_THREADS": "1",
        }
        env |= self.of_workers if role == "workers" else {}
        with (self.home / f"{role}.log").open("ab") as log:
            command = [sys.executable, "-m", *module]
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
        self.running.setdefault(role, []).append(process)

    def end(self, role: str) -> None:
        """SIGTERM to the processes of a role, and their end."""
        for process in self.running.get(role, []):
            process.send_signal(signal.SIGTERM)
        for process in self.running.pop(role, []):
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def processor_seconds(self) -> dict[str, float]:
        """Processor seconds used so far by role, children included."""
        used = {role: cpu_seconds(server) for role, server in self.servers.items()}
        for role, processes in self.running.items():
            used[role] = sum(cpu_seconds(psutil.Process(each.pid)) for each in processes)
        return used

    def scalar(self, statement: str, **values: object) -> Any:
        """The one value that a statement answers with; what it changes is committed."""
        with transaction(self.factory) as session:
            return session.execute(text(statement), values).scalar_one()


def cpu_seconds(process: psutil.Process) -> float:
    """Processor seconds of a process and of all that descend from it."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        # children that ended are in their parent's account
        total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def place() -> Iterator[Place]:
    """A place of its own, durable as a deployment is, gone afterwards."""
    home = Path(tempfile.gettempdir()) / f"cherish-dispatch-{uuid.uuid4().hex[:8]}"
    postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
    found = None
    try:
        database = postgres.start()
        engine = make_engine(database, pool_size=5)
        load_tables().create_all(engine)
        settings = Settings(database_url=database, redis_url=redis.start(), blob_url=f"file://{home}/blobs")
        pids = {role: server.child.pid for role, server in (("postgres", postgres), ("redis", redis)) if server.child}
        servers = {role: psutil.Process(pid) for role, pid in pids.items()}
        found = Place(home, settings, make_session_factory(engine), servers)
        yield found
    finally:
        for role in list(found.running) if found else []:
            found.end(role)
        redis.destroy()
        postgres.destroy()
        shutil.rmtree(home, ignore_errors=True)
