"""A whole deployment over TCP: an edge with TLS, two API hosts, one for housekeeping, two for workers.

No folder is shared. Every host has its own, its database role and links of its own to the servers, so that one host
can be cut off. The second API host reaches Postgres through pgbouncer in transaction mode where that is installed.
Programs that end by themselves are started again, as an init system does. The product's settings are those of
production.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.faults.market import SHORT
from tests.topology import servers
from tests.topology.links import Network, State
from tests.topology.programs import Program, Supervisor, free_port, until
from tests.topology.servers import BUCKET

SOURCE = Path(__file__).parents[2]
WORKERS = ("worker-1", "worker-2")
_HOSTS: dict[str, tuple[str, list[str]]] = {
    "api": ("api", ["-m", "app.cli", "serve", "--port"]),
    "api-2": ("api", ["-m", "app.cli", "serve", "--port"]),
    "relay": ("housekeeping", ["-m", "app.housekeeping", "relay"]),
    "sweeper": ("housekeeping", ["-m", "app.housekeeping", "sweeper"]),
    **dict.fromkeys(WORKERS, ("worker", ["-m", "worker", "cpu"])),
}
_SERVERS = ("postgres", "redis", "store", "edge", "pgbouncer")


class Topology:
    """One deployment in ``home``; ``settings`` are added to those of every host, whose programs are those of
    ``source``. ``as_owner``: of a release that knew no database roles."""

    def __init__(self, settings: Mapping[str, str] = SHORT, source: Path = SOURCE, *, as_owner: bool = False) -> None:
        # the path of a socket must be short
        self.home = Path("/tmp") / f"cherish-topology-{uuid.uuid4().hex[:8]}"  # noqa: S108
        self.network = Network()
        self.supervisor = Supervisor()
        self._extra = dict(settings)
        self.source, self._as_owner = source, as_owner
        self._ports = {name: free_port() for name in ("api", "api-2", "edge")}
        self._passwords = {role: secrets.token_urlsafe(24) for role in ("api", "worker", "housekeeping")}
        self._redis_password = secrets.token_urlsafe(24)
        self._secrets = servers.production_secrets()
        self.api_url = f"http://127.0.0.1:{self._ports['api']}"
        self.edge_url = f"https://127.0.0.1:{self._ports['edge']}"
        self.certificate = self.home / "edge" / "edge.crt"

    def __enter__(self) -> "Topology":
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.home.mkdir(mode=0o711)
        roles = {f"cherish_{role}": password for role, password in self._passwords.items()}
        self.servers = servers.start(self.home, self.supervisor, roles, self._redis_password)
        for host in _HOSTS:
            self.network.link(f"{host}:postgres", self.servers.postgres)
            self.network.link(f"{host}:redis", self.servers.redis)
            self.network.link(f"{host}:store", self.servers.store)
        self.migrate()
        for host in _HOSTS:
            self.supervisor.run(self._program(host))
        for name in ("api", "api-2"):
            until(f"the readiness of {name}", lambda name=name: self.is_ready(name), 120)  # type: ignore[misc]
        servers.edge(self.home, self.supervisor, self._ports["edge"], [self._ports["api"], self._ports["api-2"]])

    def address(self, name: str) -> str:
        """Where an API host listens, past the edge."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def is_ready(self, name: str) -> bool:
        """Whether an API host says that it and all it needs are there."""
        try:
            answer = httpx.get(f"{self.address(name)}/readyz", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def close(self) -> None:
        """End everything in order; no process and no folder is left."""
        for each in self.supervisor.programs.values():
            each.wanted = False
        self.supervisor.close()
        for name in (*reversed(_HOSTS), *reversed(_SERVERS)):
            if (program := self.supervisor.programs.get(name)) is not None:
                program.end(signal.SIGINT if name == "postgres" else signal.SIGTERM, 20)
        self.network.close()
        if os.environ.get("CHERISH_TOPOLOGY_KEEP") is None:
            shutil.rmtree(self.home, ignore_errors=True)

    # --- what a test does to it ---

    @property
    def workers(self) -> list[str]:
        """The worker hosts' programs."""
        return list(WORKERS)

    def links(self, *, host: str = "", server: str = "") -> list[str]:
        """The names of links, of one host, to one server, or both."""
        found = [name.split(":") for name in self.network.links]
        return [f"{a}:{b}" for a, b in found if host in ("", a) and server in ("", b)]

    def cut(self, state: State, *, host: str = "", server: str = "") -> None:
        """Set links that way."""
        self.network.set(state, *self.links(host=host, server=server))

    def processes(self, name: str) -> list[int]:
        """A program and all that descends from it."""
        return self.supervisor.programs[name].pids()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a program and all that descends from it."""
        for pid in self.processes(name):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def pause(self, name: str) -> None:
        """Freeze a program."""
        self.kill(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        self.kill(name, signal.SIGCONT)

    def replace(self, name: str) -> None:
        """End a program in order and start it anew, as a rolling restart does."""
        program = self.supervisor.programs[name]
        program.end()
        program.start()
        program.wanted = True

    def release(self, source: Path) -> None:
        """From now on programs that start are those of ``source``, each with its own database role; those that run
        stay what they are until ``upgrade``."""
        self.source, self._as_owner = source, False

    def upgrade(self, name: str) -> None:
        """End a program in order, and start that of the present release."""
        self.supervisor.programs[name].end()
        self.supervisor.run(self._program(name))

    # --- what the market of the fault tests asks of its place ---

    @property
    def temporaries(self) -> list[Path]:
        """Each host's folder for files of a moment."""
        return [self.home / host / "tmp" for host in _HOSTS]

    def orphans(self) -> list[str]:
        """Nothing: what ended is started again by the supervisor, and the end takes all with it."""
        return []

    def settings_env(self) -> dict[str, str]:
        """The settings of somebody beside the deployment, as the owner of the schema."""
        return self._settings("operator") | {"CHERISH_DATABASE_URL": servers.owner_url(self.servers.postgres)}

    # --- hosts ---

    def _settings(self, host: str) -> dict[str, str]:
        link = self.network.links
        store = link[f"{host}:store"].port if f"{host}:store" in link else self.servers.store
        redis = link[f"{host}:redis"].port if f"{host}:redis" in link else self.servers.redis
        return {
            "CHERISH_ENVIRONMENT": "production",
            "CHERISH_REDIS_URL": f"redis://cherish:{self._redis_password}@127.0.0.1:{redis}/0",
            "CHERISH_BLOB_URL": f"s3://{BUCKET}/blobs",
            "CHERISH_PUBLIC_URL": self.edge_url,
            "CHERISH_TRUSTED_PROXIES": "127.0.0.1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "topology",
            "AWS_SECRET_ACCESS_KEY": "topology",
            **self._secrets,
            **self._extra,
        }

    def _env(self, host: str, settings: Mapping[str, str]) -> dict[str, str]:
        folder = self.home / host
        folder.mkdir(exist_ok=True)
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        plain = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(self.source), "PYTHONUNBUFFERED": "1"}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        return plain | threads | {"HOME": str(folder), "TMPDIR": str(temporary)} | settings

    def migrate(self) -> None:
        """Bring the schema to the present release's, and the roles with it."""
        named = {f"CHERISH_{role.upper()}_DATABASE_PASSWORD": word for role, word in self._passwords.items()}
        env = self._env("migrate", self.settings_env() | named)
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "migrate"], env=env, cwd=self.source, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def _program(self, host: str) -> Program:
        role, words = _HOSTS[host]
        port = self.network.links[f"{host}:postgres"].port
        user = f"cherish_{role}:{self._passwords[role]}"
        direct = servers.owner_url(port) if self._as_owner else f"postgresql://{user}@127.0.0.1:{port}/cherish"
        settings = self._settings(host) | {"CHERISH_DATABASE_URL": direct}
        if host == "api-2" and self.servers.pooler is not None and not self._as_owner:
            settings |= {
                "CHERISH_DATABASE_URL": f"postgresql://{user}@127.0.0.1:{self.servers.pooler}/cherish",
                "CHERISH_DATABASE_DIRECT_URL": direct,
                "CHERISH_DATABASE_POOLER": "transaction",
            }
        command = [sys.executable, *words]
        if role == "api":
            command.append(str(self._ports[host]))
        return Program(host, command, self._env(host, settings), self.home / host)

    def tail(self, name: str, lines: int = 30) -> str:
        """The end of a program's log, for whoever reads a failure."""
        found = self.supervisor.programs[name].log.read_text(errors="replace").splitlines()
        return "\n".join(found[-lines:])

    def client(self) -> httpx.Client:
        """A client of the edge that knows its certificate."""
        import ssl

        context: Any = ssl.create_default_context(cafile=str(self.certificate))
        return httpx.Client(base_url=self.edge_url, verify=context, trust_env=False, timeout=30)
