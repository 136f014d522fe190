"""Fixtures of the service's tests: the application on the test's own transaction, and accounts that may call it."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from app.accounts import service
from app.accounts.tables import Account
from app.identity import Role
from app.main import create_app
from app.settings import Settings


@pytest.fixture
def settings(postgres_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of the test run's servers and a blob folder of the test's own."""
    return Settings(
        database_url=postgres_url,  # type: ignore[arg-type]  # pydantic makes the secrets
        redis_url=redis_url,  # type: ignore[arg-type]  # same
        blob_url=f"file://{tmp_path}/blobs",
        log_level="WARNING",
        # all tests call from one address, and Redis counts on from one to the next
        sign_ins_per_minute=100_000,
        # the files of these tests have a few rows each; tests/attacks holds the default
        least_rows_valued=2,
    )


@pytest.fixture
def app(settings: Settings, session: Session) -> Iterator[FastAPI]:
    """The application, started; its sessions live in the test's transaction, their commits are savepoints."""
    app = create_app(settings)
    with TestClient(app):
        app.state.session_factory = app.state.reading_factory = sessionmaker(
            session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False
        )
        yield app


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """Nobody's client: it sends no key."""
    return TestClient(app)


@dataclass(frozen=True)
class Known:
    """An account with a key: ``client`` sends it."""

    account: Account
    token: str
    client: TestClient


@pytest.fixture
def known(app: FastAPI, session: Session, settings: Settings) -> Callable[..., Known]:
    """A factory: ``known(Role.BUYER, "name", scopes=[...])`` makes an account, a key and a client that sends it."""

    def make(role: Role, name: str | None = None, **key: Any) -> Known:
        make.count += 1  # type: ignore[attr-defined]  # a counter on the function
        account = service.create_account(session, name or f"{role.value} {make.count}", role)  # type: ignore[attr-defined]
        _, token = service.issue_key(session, settings, account, "test", **key)
        session.commit()
        return Known(account, token, TestClient(app, headers={"Authorization": f"Bearer {token}"}))

    make.count = 0  # type: ignore[attr-defined]  # same
    return make


@pytest.fixture
def provider(known: Callable[..., Known]) -> Known:
    return known(Role.PROVIDER)


@pytest.fixture
def buyer(known: Callable[..., Known]) -> Known:
    return known(Role.BUYER)


@pytest.fixture
def admin(known: Callable[..., Known]) -> Known:
    return known(Role.ADMIN)


@pytest.fixture
def upload() -> Callable[..., dict[str, Any]]:
    """A factory: ``upload(known, b"a,label\\n...")`` creates a dataset, uploads the bytes and returns the answer."""

    def make(owner: Known, content: bytes, target: str = "label", name: str = "data") -> dict[str, Any]:
        created = owner.client.post("/v1/datasets", json={"name": name, "target": target})
        assert created.status_code == 201, created.text
        stored = owner.client.put(f"/v1/datasets/{created.json()['id']}/content", content=content)
        assert stored.status_code == 200, stored.text
        answer: dict[str, Any] = stored.json()
        return answer

    return make


@pytest.fixture
def publish(upload: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A factory: ``publish(known, b"a,label\\n...", licence={...})`` uploads a dataset and publishes it."""

    def make(owner: Known, content: bytes, target: str = "label", name: str = "data", **terms: Any) -> dict[str, Any]:
        dataset = upload(owner, content, target, name)
        told = owner.client.post(f"/v1/datasets/{dataset['id']}/publish", json={"licence": {"spdx": "CC0-1.0"}} | terms)
        assert told.status_code == 200, told.text
        answer: dict[str, Any] = told.json()
        return answer

    return make


@pytest.fixture
def npz() -> Callable[..., bytes]:
    """A factory: ``npz(X=..., y=...)`` is an NPZ file's bytes."""

    def make(**arrays: Any) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    return make
