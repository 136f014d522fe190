"""The embedded Postgres and Redis: private, healed after crashes, and never touching what is not theirs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from app.embedded.places import SYSTEM_FOLDER, EmbeddedError
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not holds():
        time.sleep(0.02)
    return holds()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder under a deep path with spaces: 120 characters and more."""
    yield from make_home()


def make_home() -> Iterator[Path]:
    top = Path(tempfile.gettempdir()) / f"cherish test {uuid.uuid4().hex}"
    top.mkdir(mode=0o755)
    deep = top / ("a folder with spaces " * 3).strip() / ("and a deep one " * 3).strip()
    deep.mkdir(mode=0o755, parents=True)
    assert len(str(deep)) > 120
    yield deep / ".cherish"
    shutil.rmtree(top)


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home, durable=False)
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def lasting() -> Iterator[EmbeddedPostgres]:
    """A server for the tests that only look at it; it is running."""
    for home in make_home():
        server = EmbeddedPostgres(home, durable=False)
        server.start()
        yield server
        server.destroy()


def data_folder(server: EmbeddedPostgres) -> Path:
    return server._data_folder()


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()  # type: ignore[call-overload]  a literal in each call
    return row[0] if row else None


def write_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def test_it_is_postgres_18_and_keeps_what_was_committed(server: EmbeddedPostgres) -> None:
    url = server.start()
    assert str(ask(url, "SHOW server_version")).startswith("18.")
    write_row(url)
    server.stop()
    assert ask(server.start(), "SELECT count(*) FROM kept") == 1


def test_it_listens_on_its_private_socket_and_nowhere_else(lasting: EmbeddedPostgres) -> None:
    url = lasting.url
    assert ask(url, "SHOW listen_addresses") == ""
    assert lasting.child is not None
    assert psutil.Process(lasting.child.pid).net_connections("inet") == []
    sockets = Path(url.partition("host=")[2])
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert data_folder(lasting).stat().st_mode & 0o777 == 0o700
    assert (sockets.parent / sockets.name).lstat().st_mode & 0o170000 == 0o040000


def test_it_never_runs_as_root(lasting: EmbeddedPostgres) -> None:
    assert lasting.child is not None
    assert lasting.child.pid is not None
    assert psutil.Process(lasting.child.pid).uids().effective != 0


def test_no_connection_without_the_password(lasting: EmbeddedPostgres) -> None:
    url = lasting.url
    user, _, rest = url.partition("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user.rpartition(':')[0]}:wrong@{rest}")


def test_no_secret_stands_in_any_command_line(lasting: EmbeddedPostgres) -> None:
    password = lasting.url.rpartition("@")[0].rpartition(":")[2]
    assert lasting.child is not None
    assert lasting.child.pid is not None
    minder = psutil.Process(lasting.child.pid).parent()
    assert minder is not None
    assert password not in " ".join([*minder.cmdline(), *psutil.Process(lasting.child.pid).cmdline()])


def test_a_killed_server_recovers_what_was_committed(server: EmbeddedPostgres) -> None:
    url = server.start()
    write_row(url)
    assert server.child is not None
    assert server.child.pid is not None
    os.kill(server.child.pid, signal.SIGKILL)
    assert eventually(lambda: not server.running)
    assert ask(server.start(), "SELECT count(*) FROM kept") == 1


def test_a_stale_lock_file_is_healed_even_when_its_number_is_another_process_now(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    lock_file = data_folder(server) / "postmaster.pid"
    lock_file.write_text(f"{os.getpid()}\n{data_folder(server)}\n1\n5432\n/tmp\n\n1 1\nready\n")
    assert ask(server.start(), "SELECT 1") == 1


def test_a_half_made_cluster_is_made_again(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    server.destroy()
    data = data_folder(server)
    half_made = data.with_name(f"{data.name}.new-0badc0de")
    (half_made / "cluster").mkdir(parents=True)
    (half_made / "cluster" / "PG_VERSION").write_text("18")
    assert ask(server.start(), "SELECT 1") == 1
    assert not half_made.exists()


def test_an_empty_folder_in_its_place_is_used(server: EmbeddedPostgres) -> None:
    server.start()
    server.destroy()
    data_folder(server).mkdir()
    assert ask(server.start(), "SELECT 1") == 1


def test_a_folder_that_cherish_did_not_make_is_left_alone(server: EmbeddedPostgres) -> None:
    server.start()
    data = data_folder(server)
    server.stop()
    (data / "cherish.json").unlink()
    with pytest.raises(EmbeddedError, match=r"holds no cherish\.json.*move it away"):
        server.start()
    assert (data / "PG_VERSION").exists()


def test_a_cluster_of_another_version_is_explained(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (data_folder(server) / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match="made by Postgres 16"):
        server.start()


def test_a_password_that_is_not_the_clusters_is_explained(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    server.stop()
    (home / "postgres.password").write_text("another")
    with pytest.raises(EmbeddedError, match="do not belong together"):
        server.start()


def test_a_second_server_on_the_same_folder_is_explained(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    with pytest.raises(EmbeddedError, match=rf"in use by process {os.getpid()}"):
        EmbeddedPostgres(home).start()
    assert server.running


def test_two_folders_do_not_disturb_each_other(server: EmbeddedPostgres, home: Path) -> None:
    other = EmbeddedPostgres(home.with_name("other"), durable=False)
    try:
        write_row(server.start())
        assert ask(other.start(), "SELECT to_regclass('kept')") is None
    finally:
        other.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give the server to another user")
def test_root_in_a_folder_that_others_cannot_enter_keeps_the_data_elsewhere(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / ".cherish", durable=False)
    try:
        assert ask(server.start(), "SELECT 1") == 1
        assert data_folder(server).parent == SYSTEM_FOLDER
        assert closed.stat().st_mode & 0o777 == 0o700
        server.stop()
        assert ask(server.start(), "SELECT 1") == 1
    finally:
        data = data_folder(server)
        server.destroy()
    assert not data.exists()


def test_both_servers_end_when_their_starter_is_killed_and_start_again_at_once(home: Path) -> None:
    script = f"""
import sys, time
sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
home = Path({str(home)!r})
postgres, cache = EmbeddedPostgres(home, durable=False), EmbeddedRedis(home)
postgres.start(), cache.start()
print(postgres.child.pid, cache.child.pid, flush=True)
time.sleep(600)
"""
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pids = [int(word) for word in starter.stdout.readline().split()]
    servers = [p for pid in pids for p in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    assert len(servers) > 4
    starter.kill()
    starter.communicate()
    postgres, cache = EmbeddedPostgres(home, durable=False), EmbeddedRedis(home)
    try:
        assert ask(postgres.start(), "SELECT 1") == 1
        assert redis.Redis.from_url(cache.start()).ping()
        assert not any(process.is_running() for process in servers)
    finally:
        postgres.destroy()
        cache.destroy()


def test_redis_is_private_keeps_nothing_and_evicts_nothing(home: Path) -> None:
    server = EmbeddedRedis(home)
    try:
        url = server.start()
        with redis.Redis.from_url(url) as client:
            assert client.config_get("port") == {"port": "0"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("save") == {"save": ""}
            client.set("key", "value")
        socket = Path(url.removeprefix("unix://"))
        assert socket.stat().st_mode & 0o777 == 0o700
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        server.stop()
        with redis.Redis.from_url(server.start()) as client:
            assert client.get("key") is None
    finally:
        server.destroy()
