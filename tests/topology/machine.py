"""A bare host as docs/operations.md sets one up: the units of deploy/systemd, started by systemd itself.

systemd runs in namespaces of its own on a copy of this machine that is thrown away (``machine.sh``); Postgres and Redis
are beside it. Users, folders, environment files and walls are the units' own; only the API's port is another, since the
network is this machine's.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import uuid
from pathlib import Path

import httpx
import psutil

from tests.topology import servers
from tests.topology.programs import Supervisor, free_port, until

SOURCE = Path(__file__).parents[2]
UNITS = SOURCE / "deploy" / "systemd"
STARTED = ("cherish-api.service", "cherish-relay.service", "cherish-worker-cpu@1.service", "cherish-backup.timer")
_ROLES = ("api", "worker", "housekeeping")


def bootable() -> bool:
    """Whether this machine can boot another: as root, with systemd, and with leave to mount."""
    if os.geteuid() != 0 or not Path("/lib/systemd/systemd").exists() or shutil.which("unshare") is None:
        return False
    mounted = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "cgroup2", "none", "/mnt"]
    return subprocess.run(mounted, capture_output=True).returncode == 0


class Machine:
    """One host in ``home``, as the market of the fault tests wants its place."""

    def __init__(self) -> None:
        # the path of a socket must be short
        self.home = Path("/tmp") / f"cherish-machine-{uuid.uuid4().hex[:8]}"  # noqa: S108
        self.supervisor = Supervisor()
        self._port = free_port()
        self.api_url = f"http://127.0.0.1:{self._port}"
        self._passwords = {role: secrets.token_urlsafe(24) for role in _ROLES}
        self._redis_password = secrets.token_urlsafe(24)
        self._secrets = servers.production_secrets()
        self._boot: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Machine":
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
        self._write_etc(self.home / "machine" / "etc")
        (self.home / "machine" / "disk").mkdir()
        site = Path(sysconfig.get_paths()["purelib"])
        line = ["sh", str(Path(__file__).with_name("machine.sh")), self.home / "machine", sys.base_prefix, site, SOURCE]
        with (self.home / "console.log").open("wb") as log:
            self._boot = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
        until("systemd", lambda: self._first() is not None, 60)
        try:
            until("the units", lambda: all(self.unit(each, "ActiveState") == "active" for each in STARTED), 120)
            until("the API's readiness", self.is_ready, 120)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.run('journalctl', '--no-pager', '--lines=100')}") from None

    def _write_etc(self, etc: Path) -> None:
        """What an operator puts into /etc, by the examples beside the units."""
        for folder in ("systemd/system/cherish-api.service.d", "sysusers.d", "tmpfiles.d", "cherish"):
            (etc / folder).mkdir(parents=True)
        (etc / "cherish").chmod(0o700)
        for path in (*UNITS.glob("*.service"), *UNITS.glob("*.timer")):
            shutil.copy(path, etc / "systemd" / "system")
        for name in ("sysusers", "tmpfiles"):
            shutil.copy(UNITS / f"cherish.{name}.conf", etc / f"{name}.d" / "cherish.conf")
        units = etc / "systemd" / "system"
        (units / "cherish-api.service.d" / "port.conf").write_text(
            f"[Service]\nExecStart=\nExecStart=/opt/cherish/bin/cherish serve --host 127.0.0.1 --port {self._port}\n"
        )
        wanted = " ".join((*STARTED, "systemd-journald.socket", "systemd-journald.service"))
        (units / "cherish.target").write_text(f"[Unit]\nDescription=What is enabled\nWants={wanted}\n")
        for path in UNITS.glob("*.env.example"):
            lines = [self._filled(path.name, line) for line in path.read_text().splitlines()]
            (etc / "cherish" / path.name.removesuffix(".example")).write_text("\n".join(lines) + "\n")

    def _filled(self, file: str, line: str) -> str:
        """A line of an example, with what this host has for it."""
        name = line.partition("=")[0]
        if name == "CHERISH_DATABASE_URL":
            role = file.removeprefix("database-").removesuffix(".env.example")
            url = servers.owner_url(self.servers.postgres)
            if role != "owner":
                url = f"postgresql://cherish_{role}:{self._passwords[role]}@127.0.0.1:{self.servers.postgres}/cherish"
            return f"{name}={url}"
        passwords = {f"CHERISH_{role.upper()}_DATABASE_PASSWORD": word for role, word in self._passwords.items()}
        given = {"CHERISH_REDIS_URL": self._redis_url, **self._secrets, **passwords}
        return f"{name}={given[name]}" if name in given else line

    @property
    def _redis_url(self) -> str:
        return f"redis://cherish:{self._redis_password}@127.0.0.1:{self.servers.redis}/0"

    def close(self) -> None:
        """Nothing of it is left: with its first process all others end."""
        if self._boot is not None:
            for each in psutil.Process(self._boot.pid).children(recursive=True) if self._boot.poll() is None else []:
                if each.is_running():
                    each.send_signal(signal.SIGKILL)
            self._boot.kill()
            self._boot.wait()
        for each in self.supervisor.programs.values():
            each.wanted = False
        self.supervisor.close()
        for name in ("pgbouncer", "store", "redis", "postgres"):
            if (program := self.supervisor.programs.get(name)) is not None:
                program.end(signal.SIGINT if name == "postgres" else signal.SIGTERM, 20)
        shutil.rmtree(self.home, ignore_errors=True)

    def is_ready(self) -> bool:
        """Whether the API says that it and all it needs are there."""
        try:
            return httpx.get(f"{self.api_url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    # --- inside ---

    def _first(self) -> int | None:
        """The process that is number 1 inside, seen from here."""
        if self._boot is None or self._boot.poll() is not None:
            raise AssertionError(f"the machine did not start: {(self.home / 'console.log').read_text()}")
        for each in psutil.Process(self._boot.pid).children(recursive=True):
            if each.name() == "systemd":
                return each.pid
        return None

    def run(self, *words: str) -> str:
        """What a command says, as root inside."""
        line = ["nsenter", "--target", str(self._first()), "--mount", "--pid", "--cgroup", "--root", "--wd=/", *words]
        done = subprocess.run(line, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def unit(self, name: str, what: str) -> str:
        """A property of a unit, as systemd tells it."""
        try:
            return self.run("systemctl", "show", "--value", "--property", what, name).strip()
        except AssertionError:
            # systemd has not begun to listen
            return ""

    # --- what a market asks of its place ---

    @property
    def temporaries(self) -> list[Path]:
        return []

    @property
    def workers(self) -> list[str]:
        return ["cherish-worker-cpu@1.service"]

    def processes(self, name: str) -> list[int]:
        """A unit's processes, by their numbers inside."""
        group = self.unit(name, "ControlGroup")
        return [int(each) for each in self.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        self.run("systemctl", "kill", f"--signal={number.name}", name)

    def pause(self, name: str) -> None:
        self.kill(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.kill(name, signal.SIGCONT)

    def orphans(self) -> list[str]:
        return []

    def settings_env(self) -> dict[str, str]:
        """The settings of somebody beside the deployment, as the owner of the schema."""
        url = servers.owner_url(self.servers.postgres)
        return {"CHERISH_DATABASE_URL": url, "CHERISH_REDIS_URL": self._redis_url, **self._secrets}
