"""The servers of a topology, over TCP and with passwords: Postgres, Redis, pgbouncer, an S3 server (moto) and nginx.

Postgres and Redis are those of the wheels, or Debian's where ``CHERISH_TOPOLOGY_POSTGRES`` names the folder of its
programs and ``CHERISH_TOPOLOGY_REDIS`` the server's program.
"""

import base64
import datetime as dt
import hashlib
import ipaddress
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.embedded import binaries
from app.embedded.places import Owner, server_owner
from tests.topology.programs import Program, Supervisor, free_port, listens, until

BUCKET = "cherish"
PASSWORD = "owner-of-the-schema-7f3a"


@dataclass(frozen=True)
class Servers:
    """Ports on 127.0.0.1."""

    postgres: int
    pooler: int | None
    redis: int
    store: int


def start(home: Path, supervisor: Supervisor, passwords: dict[str, str], redis_password: str) -> Servers:
    """All servers, ready; the roles' ``passwords`` are for the pooler, which knows no others."""
    owner = server_owner()
    postgres = _postgres(home, supervisor, owner)
    store = _store(home, supervisor)
    redis = _redis(home, supervisor, redis_password)
    pooler = _pooler(home, supervisor, owner, postgres, passwords) if shutil.which("pgbouncer") else None
    return Servers(postgres, pooler, redis, store)


def production_secrets() -> dict[str, str]:
    """New secrets of a deployment, as long as production wants them."""
    return {
        "CHERISH_KEY_PEPPER": secrets.token_urlsafe(48),
        "CHERISH_SIGNING_SECRET": secrets.token_urlsafe(48),
        "CHERISH_CERTIFICATE_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def _owned(folder: Path, owner: Owner) -> Path:
    folder.mkdir(mode=0o700)
    if owner.dropped:
        os.chown(folder, owner.uid, owner.gid)
    return folder


def _postgres(home: Path, supervisor: Supervisor, owner: Owner) -> int:
    named = os.environ.get("CHERISH_TOPOLOGY_POSTGRES")
    programs = Path(named) if named else binaries.postgres_bin(owner)
    folder, port = _owned(home / "postgres", owner), free_port()
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    whom = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner.dropped else {}
    if owner.dropped:
        os.chown(secret, owner.uid, owner.gid)
    command = [str(programs / "initdb"), "-D", str(data), "-U", "cherish", "--auth=scram-sha-256", f"--pwfile={secret}"]
    subprocess.run(
        [*command, "--encoding=UTF8", "--no-locale", "--no-sync"],
        check=True, capture_output=True, cwd=folder, env={"PATH": os.environ["PATH"]}, **whom,  # type: ignore[call-overload]
    )  # fmt: skip
    settings = [
        f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off",
        "max_connections=200",
    ]  # fmt: skip
    words = [str(programs / "postgres"), "-D", str(data)]
    command = words + [word for setting in settings for word in ("-c", setting)]
    supervisor.run(Program("postgres", command, {"PATH": os.environ["PATH"]}, folder, owner if owner.dropped else None))
    until("Postgres", lambda: _is_up(port))
    with psycopg.connect(owner_url(port, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE cherish")
    return port


def _is_up(port: int) -> bool:
    """Whether Postgres has started; it listens a moment before."""
    try:
        psycopg.connect(owner_url(port, "postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def owner_url(port: int, database: str = "cherish") -> str:
    """As the owner of the schema."""
    return f"postgresql://cherish:{PASSWORD}@127.0.0.1:{port}/{database}"


def _redis(home: Path, supervisor: Supervisor, password: str) -> int:
    program = os.environ.get("CHERISH_TOPOLOGY_REDIS") or str(binaries.redis_server(server_owner()))
    folder, port = home / "redis", free_port()
    folder.mkdir(mode=0o700)
    digest = hashlib.sha256(password.encode()).hexdigest()
    lines = [
        f"port {port}", "bind 127.0.0.1", 'save ""', "appendonly no", "maxmemory-policy noeviction",
        "user default off",
        f"user cherish on #{digest} ~* &* +@all -@admin -@dangerous +info +config|get +flushall",
    ]  # fmt: skip
    (folder / "redis.conf").write_text("\n".join(lines) + "\n")
    command = [program, str(folder / "redis.conf")]
    supervisor.run(Program("redis", command, {"PATH": os.environ["PATH"]}, folder))
    until("Redis", lambda: listens(port))
    return port


def _store(home: Path, supervisor: Supervisor) -> int:
    folder, port = home / "store", free_port()
    folder.mkdir()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = {"PATH": os.environ["PATH"], "MOTO_S3_CUSTOM_ENDPOINTS": f"http://127.0.0.1:{port}"}
    supervisor.run(Program("store", command, env, folder))
    until("the S3 server", lambda: listens(port))
    httpx.put(f"http://127.0.0.1:{port}/{BUCKET}", trust_env=False, timeout=60).raise_for_status()
    return port


def _pooler(home: Path, supervisor: Supervisor, owner: Owner, postgres: int, passwords: dict[str, str]) -> int:
    folder, port = _owned(home / "pgbouncer", owner), free_port()
    users = folder / "users.txt"
    users.write_text("".join(f'"{role}" "{password}"\n' for role, password in passwords.items()))
    lines = [
        "[databases]",
        f"cherish = host=127.0.0.1 port={postgres} dbname=cherish",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        f"auth_file = {users}",
        "pool_mode = transaction",
        # few connections of the server for many of the clients, so that they really go from hand to hand
        "default_pool_size = 4",
        "max_client_conn = 200",
        "ignore_startup_parameters = extra_float_digits,options",
    ]
    config = folder / "pgbouncer.ini"
    config.write_text("\n".join(lines) + "\n")
    if owner.dropped:
        for path in (users, config):
            os.chown(path, owner.uid, owner.gid)
    command = [str(shutil.which("pgbouncer")), str(config)]
    whom = owner if owner.dropped else None
    supervisor.run(Program("pgbouncer", command, {"PATH": os.environ["PATH"]}, folder, whom))
    until("pgbouncer", lambda: listens(port))
    return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "edge.crt", folder / "edge.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


def edge(home: Path, supervisor: Supervisor, port: int, servers: list[int]) -> Path:
    """nginx with TLS on ``port`` before the API's processes; returns its certificate."""
    folder = home / "edge"
    folder.mkdir()
    public, private = certificate(folder)
    # none is ever thought of as down: while one is replaced every call is tried at the other
    upstream = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in servers)
    config = f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; server_tokens off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream api {{ {upstream} }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {public}; ssl_certificate_key {private};
    location / {{
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 120s;
      proxy_next_upstream error timeout http_502 http_503;
    }}
  }}
}}
"""
    (folder / "nginx.conf").write_text(config)
    command = [str(shutil.which("nginx") or "/usr/sbin/nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    supervisor.run(Program("edge", command, {"PATH": os.environ["PATH"]}, folder))
    until("nginx", lambda: listens(port))
    return public
