"""``cherish doctor``: looks at every part that a working deployment needs and says what to do about each failure.

It changes nothing but one probe in the blob store, which it removes again. Exit code 1 when any part fails.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import redis
import typer
from obstore.exceptions import BaseError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.cli import place, surroundings
from app.cli.surroundings import PartExamined
from app.db.limits import Process
from app.db.migrate import current_revision, head_revision
from app.db.session import open_engine
from app.errors import CherishError, Unavailable
from app.sandbox.process import Sandbox
from app.settings import Settings
from app.storage.blobs import BlobStore
from contract.architectures.published import EXTRA

# a worker says that it lives every few seconds; one that has not for this long is gone
_SILENT = "30 seconds"


@dataclass(frozen=True)
class DeviceFacts:
    """What torch says of this machine."""

    torch: str
    cuda: str | None
    gpus: list[str]
    failed: str
    driver: bool
    threads: int
    transformers: bool
    timm: bool


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor() -> None:
    """Check database, roles, Redis, blobs, secrets, public address, disks, workers, sandbox and device."""
    findings = examine()
    table = Table("", "part", "found", "what to do")
    for finding in findings:
        table.add_row(
            "[green]ok[/]" if finding.ok else "[red]FAIL[/]", finding.part, escape(finding.detail), escape(finding.mend)
        )
    Console().print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine() -> list[PartExamined]:
    """All findings; a part that cannot be looked at because of another says so."""
    try:
        settings = place.operator_settings()
    except CherishError as error:
        return [PartExamined("settings", False, "no deployment to look at", error.detail), _device()]
    except ValueError as error:
        return [PartExamined("settings", False, str(error), "set the variable that it names"), _device()]
    engine = open_engine(settings, Process.OPERATOR, pool_size=1)
    try:
        database = _database(engine)
        findings = [database]
        checks: dict[str, Callable[[], PartExamined]] = {
            "migrations": lambda: _migrations(engine),
            "roles": lambda: surroundings.roles(engine, settings),
            "clock": lambda: surroundings.clock(engine),
            "encryption": lambda: surroundings.encryption(engine, settings),
            "workers": lambda: _workers(engine),
            "collector": lambda: _collector(engine),
        }
        for part, check in checks.items():
            if database.ok:
                findings.append(_guarded(part, check))
            else:
                findings.append(PartExamined(part, False, "not looked at", "mend the database first"))
    finally:
        engine.dispose()
    findings += [_redis(settings), _blobs(settings), surroundings.secrets(settings)]
    return [*findings, *surroundings.public_address(settings), surroundings.disks(settings), _sandbox(), _device()]


def _guarded(part: str, check: Callable[[], PartExamined]) -> PartExamined:
    try:
        return check()
    except SQLAlchemyError as error:
        return PartExamined(part, False, _first_line(error), "run `cherish migrate`")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _database(engine: Engine) -> PartExamined:
    try:
        with engine.connect() as connection:
            version = str(connection.scalar(text("SHOW server_version"))).split()[0]
    except Unavailable as error:
        return PartExamined("database", False, "a pooler that the settings do not name", error.detail)
    except SQLAlchemyError as error:
        mend = "is Postgres running, and is CHERISH_DATABASE_URL right? On one machine `cherish up` starts one"
        return PartExamined("database", False, _first_line(error), mend)
    if int(version.split(".")[0]) < 14:
        return PartExamined("database", False, f"Postgres {version}", "use Postgres 14 or newer; 18 is what is tested")
    return PartExamined("database", True, f"Postgres {version}")


def _migrations(engine: Engine) -> PartExamined:
    now, newest = current_revision(engine), head_revision()
    if now == newest:
        return PartExamined("migrations", True, f"schema {now}")
    return PartExamined("migrations", False, f"schema {now}, this code wants {newest}", "run `cherish migrate`")


def _workers(engine: Engine) -> PartExamined:
    with engine.connect() as connection:
        query = f"SELECT count(*) FROM worker_heartbeats WHERE seen_at > now() - interval '{_SILENT}'"  # noqa: S608
        alive = int(connection.scalar(text(query)) or 0)
    if alive:
        return PartExamined("workers", True, f"{alive} alive")
    return PartExamined("workers", False, f"none heard of for {_SILENT}", "start one: `cherish work cpu` (or gpu)")


def _collector(engine: Engine) -> PartExamined:
    with engine.connect() as connection:
        row = connection.execute(text("SELECT brake, unreferenced FROM deployment")).one_or_none()
    if row is None:
        return PartExamined("collector", True, "has not looked yet")
    if row.brake is not None:
        return PartExamined("collector", False, "erases nothing", row.brake)
    return PartExamined("collector", True, f"{row.unreferenced} blobs that nothing refers to")


def _redis(settings: Settings) -> PartExamined:
    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5)
    try:
        version = client.info("server")["redis_version"]
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
    except redis.RedisError as error:
        mend = "is Redis running, and is CHERISH_REDIS_URL right? Jobs wait meanwhile; none is lost"
        return PartExamined("redis", False, _first_line(error), mend)
    finally:
        client.close()
    if policy != "noeviction":
        mend = "set maxmemory-policy noeviction: an evicted message is only found again by the sweeper"
        return PartExamined("redis", False, f"Redis {version} with {policy}", mend)
    return PartExamined("redis", True, f"Redis {version}")


def _blobs(settings: Settings) -> PartExamined:
    try:
        store = BlobStore.from_url(settings.blob_url)
        store.check()
        # the collector and backups list; a key may be allowed the rest and not this
        next(store.listed(), None)
    except (CherishError, BaseError, OSError, ValueError) as error:
        mend = "is CHERISH_BLOB_URL right, is there space, and may this user write, read, list and erase there?"
        return PartExamined("blobs", False, _first_line(error), mend)
    return PartExamined("blobs", True, settings.blob_url.split("?")[0])


def _sandbox() -> PartExamined:
    """The walls that this machine gives to whoever runs this command; the service's own are in its log."""
    sandbox = Sandbox()
    try:
        walls = sandbox.walls()
    except (CherishError, RuntimeError) as error:
        return PartExamined("sandbox", False, _first_line(error), "files cannot be read here")
    finally:
        sandbox.close()
    return PartExamined("sandbox", walls.hold, walls.said, "; ".join(walls.missing.values()))


_DEVICE_SCRIPT = """
import importlib.util, json, os, torch
gpus, failed = [], ""
for at in range(torch.cuda.device_count()) if torch.cuda.is_available() else ():
    facts = torch.cuda.get_device_properties(at)
    gpus.append(f"{facts.name} with {facts.total_memory / 2**30:.0f} GiB")
    try:
        assert float(torch.ones(8, device=f"cuda:{at}").sum()) == 8.0
    except Exception as error:
        failed = f"{facts.name}: {str(error).splitlines()[0]}"
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": gpus, "failed": failed,
    "driver": os.path.exists("/proc/driver/nvidia/version"), "threads": torch.get_num_threads(),
    "transformers": importlib.util.find_spec("transformers") is not None,
    "timm": importlib.util.find_spec("timm") is not None}))
"""


def _device() -> PartExamined:
    """Asked in a process of its own: this one never loads torch."""
    done = subprocess.run(  # noqa: S603  our own interpreter and script
        [sys.executable, "-c", _DEVICE_SCRIPT], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        mend = "on a worker's machine install the extra: pip install -c constraints.txt 'cherish[worker]'"
        return PartExamined("device", False, _first_line(Exception(done.stderr.strip().split("\n")[-1])), mend)
    device = DeviceFacts(**json.loads(done.stdout))
    if device.failed:
        mend = "is the driver new enough for this CUDA, and the device not another process' alone? See nvidia-smi"
        return PartExamined("device", False, f"{device.failed} (torch {device.torch}, CUDA {device.cuda})", mend)
    if device.driver and not device.gpus:
        mend = (
            "install torch's build for CUDA (requirements-torch.txt)"
            if device.cuda is None
            else "let this process see the device (container: --gpus; systemd: DeviceAllow), or update the driver"
        )
        return PartExamined("device", False, f"an NVIDIA driver, and torch {device.torch} sees no GPU", mend)
    where = ", ".join(device.gpus) or f"no GPU, {device.threads} CPU threads"
    # a deployment works without it
    packages = {"transformers": device.transformers, "timm": device.timm}
    missing = " and ".join(name for name, there in packages.items() if not there)
    mend = f"for bases that {missing} would compute: pip install '{EXTRA}'" if missing else ""
    told = ", ".join(f"{'with' if there else 'without'} {name}" for name, there in packages.items())
    cuda = f", CUDA {device.cuda}" if device.gpus else ""
    return PartExamined("device", True, f"{where} (torch {device.torch}{cuda}, {told})", mend)
