"""The image and the compose file, checked by their structure: there is no engine here to run them."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis
import yaml
from typer.testing import CliRunner

from app.cli import app
from app.db.roles import DatabaseRole
from app.embedded.binaries import redis_server as server_binary
from app.embedded.places import server_owner
from app.http.limits import Limiter
from app.http.metrics import Metrics
from app.outbox.broker import broker_url
from app.settings import Settings

ROOT = Path(__file__).parents[1]
ROLES = ("migrate", "api", "relay", "worker", "gpu-worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8")))


@pytest.fixture(scope="module")
def dockerfile() -> list[list[str]]:
    """Each instruction with its words, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def values(dockerfile: list[list[str]], instruction: str) -> list[str]:
    return [" ".join(words[1:]) for words in dockerfile if words[0] == instruction]


def test_every_role_is_there_beside_the_two_servers(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*ROLES, "postgres", "redis"}
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert compose["services"]["gpu-worker"]["profiles"] == ["gpu"]


def test_compose_reads_the_file(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed here")
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    # the name is newer than the programs of Debian 12 are
    (tmp_path / "docker-compose.yml").write_text(re.sub(r"^name:.*$", "", text, flags=re.MULTILINE))
    named = dict.fromkeys(re.findall(r"\$\{(\w+):\?", text), "secret")
    line = [program, "--file", str(tmp_path / "docker-compose.yml"), "--profile", "gpu", "config"]
    missing = subprocess.run(line, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert missing.returncode != 0, "no secret has a default"
    said = subprocess.run(line, env={"PATH": os.environ["PATH"]} | named, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert set(yaml.safe_load(said.stdout)["services"]) == {*ROLES, "postgres", "redis"}


def test_all_roles_run_one_image_without_privileges(compose: dict[str, Any]) -> None:
    for role in ROLES:
        service = compose["services"][role]
        assert service["image"] == "cherish:latest"
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "privileged" not in service


def test_only_the_api_has_a_port_and_only_on_this_host(compose: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports == {"api": ["127.0.0.1:8000:8000"]}


def test_nothing_starts_before_the_schema_is_there(compose: dict[str, Any]) -> None:
    for role in ROLES[1:]:
        assert compose["services"][role]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert compose["services"]["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert compose["services"]["migrate"]["restart"] == "no"


def test_every_setting_in_the_compose_file_exists(compose: dict[str, Any]) -> None:
    for role in ROLES:
        for name in compose["services"][role]["environment"]:
            assert name.removeprefix("CHERISH_").lower() in Settings.model_fields


def test_secrets_have_no_defaults(compose: dict[str, Any]) -> None:
    environment = compose["services"]["api"]["environment"]
    secrets = ("CHERISH_KEY_PEPPER", "CHERISH_SIGNING_SECRET", "CHERISH_CERTIFICATE_KEY", "CHERISH_DATABASE_URL")
    for name in secrets:
        assert re.search(r"\$\{\w+:\?", environment[name])


def test_each_role_is_a_user_of_its_own_in_postgres_and_only_migrations_own_the_schema(compose: dict[str, Any]) -> None:
    users = {}
    for name in ROLES:
        variables = compose["services"][name]["environment"]
        users[name] = variables["CHERISH_DATABASE_URL"].partition("://")[2].partition(":")[0]
        given = [variable for variable in variables if variable.endswith("_DATABASE_PASSWORD")]
        assert len(given) == (len(DatabaseRole) if name == "migrate" else 0)
    worker = DatabaseRole.WORKER.named("cherish")
    assert users == {
        "migrate": "cherish",
        "api": DatabaseRole.API.named("cherish"),
        "relay": DatabaseRole.HOUSEKEEPING.named("cherish"),
        "worker": worker,
        "gpu-worker": worker,
    }


def test_redis_has_one_user_with_a_password_who_cannot_administer_it(redis_server_of_compose: str) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis.from_url(redis_server_of_compose.replace("cherish:secret@", "")).ping()
    with redis.Redis.from_url(redis_server_of_compose) as client:
        for forbidden in ("FLUSHALL", "CONFIG SET dir /tmp", "ACL LIST", "SHUTDOWN", "KEYS *"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*forbidden.split())
        # what doctor looks at, what counts calls, and what carries messages
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.info("server")["redis_version"]
    assert Limiter(redis_server_of_compose, Metrics()).spend("read", "somebody", 10) is not None
    with kombu.Connection(broker_url(redis_server_of_compose)) as connection:
        queue = connection.SimpleQueue("cpu")
        queue.put({"shard": 1})
        assert queue.get(timeout=5).payload == {"shard": 1}


@pytest.fixture
def redis_server_of_compose(compose: dict[str, Any], tmp_path: Path) -> Iterator[str]:
    """A Redis with the options of the compose file, on a port of its own."""
    program = server_binary(server_owner())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        re.sub(r"\$\{REDIS_PASSWORD:[^}]*\}", "secret", each) for each in compose["services"]["redis"]["command"]
    ]
    server = subprocess.Popen(
        [str(program), "--port", str(port), "--dir", str(tmp_path), *options[1:]], stdout=subprocess.DEVNULL
    )
    url = f"redis://cherish:secret@127.0.0.1:{port}/0"
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(redis.exceptions.ConnectionError):
                redis.Redis.from_url(url).ping()
                break
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def test_redis_forgets_and_never_evicts(compose: dict[str, Any]) -> None:
    command = compose["services"]["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--save") + 1] == ""


def test_every_volume_that_is_used_is_declared(compose: dict[str, Any]) -> None:
    used = {v.partition(":")[0] for service in compose["services"].values() for v in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_every_command_of_a_role_is_a_command_of_cherish(compose: dict[str, Any], dockerfile: list[list[str]]) -> None:
    assert values(dockerfile, "ENTRYPOINT") == ['["cherish"]']
    for role in ROLES:
        service = compose["services"][role]
        if "entrypoint" not in service:
            answer = CliRunner().invoke(app, [service["command"][0], "--help"])
            assert answer.exit_code == 0, role
    assert compose["services"]["relay"]["entrypoint"] == ["python", "-m", "app.housekeeping"]
    assert (ROOT / "app" / "housekeeping" / "__main__.py").is_file()


def test_the_image_does_not_run_as_root(dockerfile: list[list[str]]) -> None:
    user = values(dockerfile, "USER")[-1]
    assert user.partition(":")[0] not in ("root", "0", "")


def test_the_image_pins_torch_as_the_constraints_do(dockerfile: list[list[str]]) -> None:
    pinned = re.search(r"^torch==.*$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert pinned is not None
    assert "TORCH=" in values(dockerfile, "ARG"), "by itself it is installed by its hashes"
    by_hash = (ROOT / "requirements-torch.txt").read_text("utf-8")
    assert re.search(rf"^{re.escape(pinned.group())} \\$", by_hash, re.MULTILINE)
    assert "--require-hashes -r /src/requirements-torch.txt" in (ROOT / "Dockerfile").read_text("utf-8")


def test_everything_the_image_copies_exists_and_is_let_through(dockerfile: list[list[str]]) -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }
    for copied in values(dockerfile, "COPY"):
        words = shlex.split(copied)
        if not words[0].startswith("--from"):
            assert set(words[:-1]) <= let_through
            assert all((ROOT / source).exists() for source in words[:-1])


def test_the_image_refuses_to_start_with_development_secrets(dockerfile: list[list[str]]) -> None:
    assert "CHERISH_ENVIRONMENT=production" in " ".join(values(dockerfile, "ENV"))
