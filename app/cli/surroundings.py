"""What surrounds a deployment, as ``cherish doctor`` looks at it: database roles and their rights, the clock, secrets,
the public address with its certificate and proxy, encryption on the way to the servers, room on disks.

Nothing here changes anything, and no finding holds a secret.
"""

import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Engine, make_url, text

from app.db.roles import DatabaseRole, passwords, rights
from app.settings import Settings

_LOOPBACK = frozenset({"", "localhost", "127.0.0.1", "::1"})
# a signature of S3 is refused from fifteen minutes on, a code of an authenticator from one
_SKEW_SECONDS = 30.0
_CERTIFICATE_DAYS = 14.0
_PATIENCE_SECONDS = 5.0
_POWERS = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls")


@dataclass(frozen=True)
class PartExamined:
    """What one part looks like; ``mend`` says what to do where it is not ``ok``, or could be better."""

    part: str
    ok: bool
    detail: str
    mend: str = ""


def roles(engine: Engine, settings: Settings) -> PartExamined:
    """Whether each process' role exists and may do what it needs and nothing else."""
    with engine.connect() as connection:
        owner = connection.scalar(text("SELECT tableowner FROM pg_tables WHERE tablename = 'alembic_version'"))
        if owner is None:
            return PartExamined("roles", False, "no table is there", "run `cherish migrate`")
        names = {role.named(owner): role for role in DatabaseRole}
        known = connection.execute(
            text(f"SELECT rolname, {', '.join(_POWERS)} FROM pg_roles WHERE rolname = ANY(:names)"),  # noqa: S608  our own words
            {"names": list(names)},
        ).all()
        if not known:
            return PartExamined(
                "roles",
                settings.environment == "development",
                f"every process connects as {owner}, who owns all tables",
                "give `cherish migrate` the three CHERISH_…_DATABASE_PASSWORD, and each process its own "
                "CHERISH_DATABASE_URL",
            )
        granted = connection.execute(text(_GRANTED), {"names": [row.rolname for row in known]}).all()
        tables = list(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
    held = {(name, table, right) for name, table, right in granted}
    needed = {
        (row.rolname, table, right) for row in known for table in tables for right in rights(names[row.rolname], table)
    }
    wrong = [f"{row.rolname} has {power}" for row in known for power in _POWERS if getattr(row, power)]
    wrong += [f"{name} may {right} {table}" for name, table, right in sorted(held - needed)]
    wrong += [f"{name} may not {right} {table}" for name, table, right in sorted(needed - held)]
    wrong += [f"{name} is missing" for name in sorted(set(names) - {row.rolname for row in known})]
    if wrong:
        told = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        mend = "run `cherish migrate` as the owner with the roles' passwords: it takes all rights and gives them anew"
        return PartExamined("roles", False, told, mend)
    return PartExamined("roles", True, ", ".join(sorted(row.rolname for row in known)))


_GRANTED = """
SELECT r.name, t.tablename, p.what
FROM pg_tables t, unnest(CAST(:names AS text[])) r(name), unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) p(what)
WHERE t.schemaname = 'public' AND has_table_privilege(r.name, format('%I.%I', t.schemaname, t.tablename), p.what)
"""  # noqa: E501  one list


def clock(engine: Engine) -> PartExamined:
    """How far this machine's clock is from the database's, by which leases and deadlines are told."""
    with engine.connect() as connection:
        begun = time.time()
        there = float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
        away = (begun + time.time()) / 2 - there
    told = f"{away:+.1f} s beside the database's"
    if abs(away) > _SKEW_SECONDS:
        return PartExamined(
            "clock", False, told, "run chrony or systemd-timesyncd on both; S3 refuses wrong signatures"
        )
    return PartExamined("clock", True, told)


def secrets(settings: Settings) -> PartExamined:
    """Whether the secrets are a deployment's own, each another."""
    if settings.environment == "development":
        if _is_local(urlsplit(settings.public_url).hostname):
            return PartExamined("secrets", True, "those of a development machine")
        mend = "set CHERISH_ENVIRONMENT=production, which refuses default, empty and short secrets"
        return PartExamined("secrets", False, f"development, and called {settings.public_url}", mend)
    named = {"KEY_PEPPER": settings.key_pepper, "SIGNING_SECRET": settings.signing_secret}
    if settings.certificate_key is not None:
        named["CERTIFICATE_KEY"] = settings.certificate_key
    by_value: dict[str, list[str]] = {}
    for name, secret in named.items():
        by_value.setdefault(secret.get_secret_value(), []).append(f"CHERISH_{name}")
    for role, password in passwords(settings).items():
        by_value.setdefault(password, []).append(f"CHERISH_{role.value.upper()}_DATABASE_PASSWORD")
    same = [" and ".join(names) for names in by_value.values() if len(names) > 1]
    if same:
        mend = "draw one of each: openssl rand -base64 32 (docs/operations.md says what a change ends)"
        return PartExamined("secrets", False, f"{'; '.join(same)} are the same", mend)
    return PartExamined("secrets", True, f"{len(by_value)}, each another")


def public_address(settings: Settings) -> Iterator[PartExamined]:
    """Whether clients reach the service by its public address, over TLS, and through a proxy that is known."""
    url = urlsplit(settings.public_url)
    if _is_local(url.hostname):
        yield PartExamined("public address", True, f"{settings.public_url}, of this machine alone")
        return
    if url.scheme != "https":
        mend = "put a proxy with TLS in front, and name its address in CHERISH_PUBLIC_URL"
        yield PartExamined("public address", False, f"{settings.public_url} is not encrypted", mend)
        return
    yield _certificate(str(url.hostname), url.port or 443)
    yield _answer(settings.public_url)
    if settings.trusted_proxies:
        yield PartExamined("proxy", True, f"{settings.trusted_proxies} may name callers")
    else:
        mend = "set CHERISH_TRUSTED_PROXIES to the proxy's address: until then all limits count the proxy as one caller"
        yield PartExamined("proxy", False, "what ends TLS is not named", mend)


def _certificate(host: str, port: int) -> PartExamined:
    try:
        with (
            socket.create_connection((host, port), _PATIENCE_SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as held,
        ):
            ends = ssl.cert_time_to_seconds(str((held.getpeercert() or {})["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        mend = f"give the proxy a certificate for {host} with its whole chain; SSL_CERT_FILE names an authority's own"
        return PartExamined("TLS", False, error.verify_message, mend)
    except OSError as error:
        mend = "is the proxy running, and does this machine reach it? Run this where clients are"
        return PartExamined("TLS", False, f"{host}:{port} is not reached: {error}", mend)
    days = (ends - time.time()) / 86_400
    enough = days > _CERTIFICATE_DAYS
    return PartExamined("TLS", enough, f"the certificate holds for {days:.0f} days", "" if enough else "renew it")


def _answer(public_url: str) -> PartExamined:
    """Errors name the public address, so one tells whether what is called is this service, as it is meant to be."""
    try:
        context = ssl.create_default_context()
        told = httpx.get(f"{public_url}/v1/doctor", verify=context, trust_env=False, timeout=_PATIENCE_SECONDS)
        kind = str(told.json()["type"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        mend = "the proxy answers by itself: pass all paths on, and let the service's own errors through"
        return PartExamined("public address", False, f"no answer of the service: {type(error).__name__}", mend)
    if not kind.startswith(public_url):
        mend = "give every API process the same CHERISH_PUBLIC_URL"
        return PartExamined(
            "public address", False, f"the service there calls itself {kind.split('/problems/')[0]}", mend
        )
    return PartExamined("public address", True, public_url)


def encryption(engine: Engine, settings: Settings) -> PartExamined:
    """Whether what is on the way to Postgres and Redis on other machines is encrypted."""
    url = make_url(settings.database_url.get_secret_value())
    postgres = _is_local(url.host)
    if not postgres:
        with engine.connect() as connection:
            postgres = bool(connection.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")))
    redis = urlsplit(settings.redis_url.get_secret_value())
    clear = [] if postgres else ["Postgres"]
    if redis.scheme == "redis" and not _is_local(redis.hostname):
        clear.append("Redis")
    if not clear:
        return PartExamined("encryption", True, "to Postgres and Redis, or on this machine")
    mend = "unless the network between is yours alone: sslmode=verify-full in CHERISH_DATABASE_URL, rediss:// for Redis"
    return PartExamined("encryption", True, f"none to {' and '.join(clear)}", mend)


def disks(settings: Settings) -> PartExamined:
    """Whether the folder of temporary files, and that of blobs where it is one, have room for the largest upload."""
    folders = [Path(tempfile.gettempdir())]
    if settings.blob_url.startswith("file://"):
        folders.append(Path(settings.blob_url.removeprefix("file://").split("?")[0]))
    told, short = [], []
    for folder in folders:
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return PartExamined(
                "disks", False, f"{folder}: {error.strerror}", "make the folder, for this user to write"
            )
        told.append(f"{free / 1e9:.1f} GB free in {folder}")
        if free < settings.max_upload_bytes:
            short.append(str(folder))
    if short:
        mend = f"an upload may have {settings.max_upload_bytes / 1e9:.1f} GB (CHERISH_MAX_UPLOAD_BYTES): make room"
        return PartExamined("disks", False, ", ".join(told), mend)
    memory = [str(folder) for folder in folders if _in_memory(folder)]
    mend = f"{', '.join(memory)} is memory: let TMPDIR name a disk" if memory else ""
    return PartExamined("disks", True, ", ".join(told), mend)


def _in_memory(folder: Path) -> bool:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return False
    kinds = {fields[1]: fields[2] for line in mounts.read_text().splitlines() if len(fields := line.split()) > 2}
    place = folder.resolve()
    nearest = next((str(each) for each in (place, *place.parents) if str(each) in kinds), "/")
    return kinds.get(nearest) in ("tmpfs", "ramfs")


def _is_local(host: str | None) -> bool:
    return (host or "") in _LOOPBACK or str(host).startswith(("/", "127."))
