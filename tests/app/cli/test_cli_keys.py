"""``cherish keys``: the way in to an empty deployment, keys that are listed without their secrets, and their end."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from app.accounts import repository, service
from app.cli import app as cli
from app.db.registry import load_tables
from app.db.session import make_engine, make_session_factory
from app.errors import Unauthorized
from app.identity import Role
from app.settings import Settings, get_settings

Keys = Callable[..., Result]


@pytest.fixture
def deployment(postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database, which is this process's deployment for a while."""
    name = f"keys_{uuid.uuid4().hex[:12]}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    engine = make_engine(url)
    load_tables().create_all(engine)
    engine.dispose()
    monkeypatch.setenv("CHERISH_DATABASE_URL", url)
    monkeypatch.setenv("CHERISH_REDIS_URL", redis_url)
    get_settings.cache_clear()
    yield url
    get_settings.cache_clear()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def deployed(deployment: str) -> Iterator[Session]:
    """A session on the deployment's database."""
    engine = make_engine(deployment)
    with make_session_factory(engine)() as session:
        yield session
    engine.dispose()


@pytest.fixture
def keys(deployment: str) -> Keys:
    """A call of ``cherish keys``."""
    return lambda *words: CliRunner().invoke(cli, ["keys", *words], env={"COLUMNS": "200"})


def test_the_first_administrator_comes_from_the_command_line(keys: Keys, deployed: Session) -> None:
    first, second = keys("create", "ops", "--role", "admin"), keys("create", "ops", "--role", "admin")
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    tokens = [made.stdout.strip() for made in (first, second)]
    callers = [service.authenticate(deployed, Settings(), token) for token in tokens]
    assert tokens[0] != tokens[1]
    assert {caller.role for caller in callers} == {Role.ADMIN}
    assert callers[0].account_id == callers[1].account_id, "the account is made once"


def test_an_organisation_keeps_its_role(keys: Keys, deployed: Session) -> None:
    assert keys("create", "harbour", "--role", "buyer").exit_code == 0
    refused = keys("create", "harbour", "--role", "admin")
    assert refused.exit_code != 0
    assert "is a buyer; pass --role buyer, or a new name" in refused.output + str(refused.exception)
    assert len(repository.all_keys(deployed)) == 1


def test_keys_are_listed_without_their_secrets_and_revoked_at_once(keys: Keys, deployed: Session) -> None:
    token = keys("create", "harbour", "--role", "provider", "--scope", "datasets:read", "--days", "9").stdout.strip()
    prefix = token.split("_")[1]
    listed = keys("list").stdout
    assert all(words in listed for words in (prefix, "harbour", "provider", "datasets:read", "valid until"))
    assert token not in listed
    assert token.split("_")[2] not in listed
    assert keys("revoke", prefix).exit_code == 0
    assert "revoked 2" in keys("list").stdout
    with pytest.raises(Unauthorized):
        service.authenticate(deployed, Settings(), token)
    assert "shows them all" in str(keys("revoke", "nothing").exception)
