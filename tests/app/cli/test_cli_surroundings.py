"""What ``cherish doctor`` says of roles, clock, secrets, public address, encryption and disks; each with its mend."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.cli import surroundings
from app.cli.surroundings import PartExamined
from app.db.limits import Process
from app.db.roles import DatabaseRole, grant
from app.db.session import open_engine
from app.settings import Settings
from tests.topology.servers import certificate

_LONG = "0123456789abcdef0123456789abcdef"
_PASSWORDS = {role: f"{role.value}-secret" for role in DatabaseRole}


def production(**given: Any) -> Settings:
    named = {
        "environment": "production", "key_pepper": _LONG + "1", "signing_secret": _LONG + "2",
        "certificate_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "public_url": "https://market.example",
    }  # fmt: skip
    return Settings(**(named | given))


@pytest.fixture
def owner(own_settings: Settings) -> Iterator[Engine]:
    engine = open_engine(own_settings, Process.OPERATOR, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)"))
    yield engine
    with engine.begin() as connection:
        name = connection.scalar(text("SELECT current_user"))
        for role in DatabaseRole:
            if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": role.named(name)}):
                connection.execute(text(f"DROP OWNED BY {role.named(name)}"))
    engine.dispose()


def test_roles_that_have_what_they_need_are_well(owner: Engine) -> None:
    grant(owner, _PASSWORDS)
    assert surroundings.roles(owner, production()) == PartExamined(
        "roles", True, "cherish_api, cherish_housekeeping, cherish_worker"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("GRANT UPDATE ON ledger_transfers TO cherish_worker", "cherish_worker may UPDATE ledger_transfers"),
        ("GRANT SELECT ON api_keys TO cherish_housekeeping", "cherish_housekeeping may SELECT api_keys"),
        ("REVOKE INSERT ON datasets FROM cherish_api", "cherish_api may not INSERT datasets"),
    ],
)
def test_a_right_too_many_or_too_few_is_named(owner: Engine, change: str, said: str) -> None:
    grant(owner, _PASSWORDS)
    with owner.begin() as connection:
        connection.execute(text(change))
    found = surroundings.roles(owner, production())
    assert not found.ok
    assert found.detail == said
    grant(owner, _PASSWORDS)
    assert surroundings.roles(owner, production()).ok, "what mends it is what it says"


def test_a_role_with_powers_over_the_server_is_named(owner: Engine) -> None:
    grant(owner, _PASSWORDS)
    with owner.begin() as connection:
        connection.execute(text("ALTER ROLE cherish_api CREATEDB"))
    assert surroundings.roles(owner, production()).detail == "cherish_api has rolcreatedb"
    grant(owner, _PASSWORDS)


def test_a_database_without_tables_is_to_be_migrated(own_settings: Settings) -> None:
    engine = open_engine(own_settings, Process.OPERATOR, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    assert "cherish migrate" in surroundings.roles(engine, production()).mend
    engine.dispose()


def test_a_clock_that_is_off_is_said_with_which_way(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(own_settings, Process.OPERATOR, pool_size=1)
    assert surroundings.clock(engine).ok
    there = time.time
    monkeypatch.setattr(time, "time", lambda: there() - 90.0)
    found = surroundings.clock(engine)
    assert not found.ok
    assert found.detail.startswith("-90.")
    engine.dispose()


def test_secrets_are_each_another_and_never_told() -> None:
    assert surroundings.secrets(production()).ok
    found = surroundings.secrets(production(signing_secret=_LONG + "1", api_database_password=_LONG + "1"))
    assert not found.ok
    names = ("CHERISH_KEY_PEPPER", "CHERISH_SIGNING_SECRET", "CHERISH_API_DATABASE_PASSWORD")
    assert all(name in found.detail for name in names)
    assert _LONG not in found.detail + found.mend


def test_development_is_for_a_machine_of_ones_own() -> None:
    assert surroundings.secrets(Settings()).ok
    found = surroundings.secrets(Settings(public_url="https://market.example"))
    assert (found.ok, "CHERISH_ENVIRONMENT=production" in found.mend) == (False, True)


def test_a_public_address_without_tls_is_to_get_a_proxy() -> None:
    [found] = surroundings.public_address(production(public_url="http://market.example"))
    assert (found.ok, "TLS" in found.mend) == (False, True)
    [local] = surroundings.public_address(Settings())
    assert local.ok


class Behind(BaseHTTPRequestHandler):
    """What a proxy passes calls on to: errors are of the service that calls itself ``named``."""

    named = ""

    def do_GET(self) -> None:
        body = f'{{"type": "{self.named}/problems/not-found"}}'.encode()
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server with TLS, and the certificate that whoever trusts it names."""
    public, private = certificate(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), Behind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", public
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_public_address_is_called_as_clients_call_it(
    edge: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, public = edge
    # here no address is this machine's alone
    monkeypatch.setattr(surroundings, "_LOOPBACK", frozenset())
    monkeypatch.setattr(surroundings, "_is_local", lambda _host: False)
    settings = production(public_url=url)
    refused = next(surroundings.public_address(settings))
    assert (refused.part, refused.ok, "SSL_CERT_FILE" in refused.mend) == ("TLS", False, True)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    monkeypatch.setattr(Behind, "named", url)
    found = {each.part: each for each in surroundings.public_address(settings)}
    # its certificate is one of a day
    assert re.search(r"holds for [01] days", found["TLS"].detail)
    assert not found["TLS"].ok
    assert found["public address"].ok
    assert "CHERISH_TRUSTED_PROXIES" in found["proxy"].mend
    named = production(public_url=url, trusted_proxies="10.0.0.1")
    assert {each.part: each.ok for each in surroundings.public_address(named)}["proxy"]
    monkeypatch.setattr(surroundings, "_CERTIFICATE_DAYS", 0.1)
    assert all(each.ok for each in surroundings.public_address(named))
    monkeypatch.setattr(Behind, "named", "https://another.example")
    other = {each.part: each for each in surroundings.public_address(named)}["public address"]
    assert "calls itself https://another.example" in other.detail


def test_an_address_that_nothing_answers_is_said() -> None:
    found = surroundings._certificate("127.0.0.1", 1)
    assert (found.ok, "is not reached" in found.detail) == (False, True)


def test_what_is_not_encrypted_on_the_way_is_said(own_settings: Settings) -> None:
    engine = open_engine(own_settings, Process.OPERATOR, pool_size=1)
    here = own_settings.model_copy(update={"redis_url": Settings(redis_url="redis://127.0.0.1:6379/0").redis_url})
    assert surroundings.encryption(engine, here).mend == ""
    far = Settings(database_url="postgresql://u:p@db.example/c", redis_url="redis://:p@redis.example:6379/0")
    found = surroundings.encryption(engine, far)
    assert found.detail == "none to Postgres and Redis"
    assert "sslmode=verify-full" in found.mend
    engine.dispose()


def test_a_disk_without_room_for_an_upload_is_said(tmp_path: Path) -> None:
    named = Settings(blob_url=f"file://{tmp_path}")
    assert surroundings.disks(named).ok
    found = surroundings.disks(Settings(blob_url=f"file://{tmp_path}", max_upload_bytes=10**18))
    assert (found.ok, "CHERISH_MAX_UPLOAD_BYTES" in found.mend) == (False, True)
    assert not surroundings.disks(Settings(blob_url=f"file://{tmp_path}/absent")).ok


def test_a_folder_in_memory_is_said() -> None:
    if not Path("/dev/shm").is_dir():  # noqa: S108  looked at, not written
        pytest.skip("no file system in memory here")
    assert surroundings._in_memory(Path("/dev/shm"))  # noqa: S108  same
    assert not surroundings._in_memory(Path(__file__).parent)
