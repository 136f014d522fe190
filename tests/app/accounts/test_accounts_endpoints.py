"""Accounts and keys over HTTP: who may do what, and that a token is shown once and kept nowhere."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.accounts import tokens
from app.accounts.callers import required_scope
from app.accounts.tables import ApiKey
from app.http.tables import IdempotentAnswer
from app.identity import SCOPES, Role


def test_an_administrator_creates_accounts_whose_key_works(admin: Any, client: TestClient) -> None:
    made = admin.client.post("/v1/accounts", json={"name": "Harbour Hospital", "role": "provider"})
    assert made.status_code == 201, made.text
    me = client.get("/v1/me", headers={"Authorization": f"Bearer {made.json()['token']}"}).json()
    assert (me["id"], me["name"], me["role"]) == (made.json()["id"], "Harbour Hospital", "provider")
    assert set(me["scopes"]) == SCOPES[Role.PROVIDER]
    assert admin.client.get(made.headers["Location"]).json()["name"] == "Harbour Hospital"
    listed = admin.client.get("/v1/accounts").json()["items"]
    assert [item["name"] for item in listed] == ["Harbour Hospital", admin.account.name]
    again = admin.client.post("/v1/accounts", json={"name": "Harbour Hospital", "role": "buyer"})
    assert again.status_code == 409
    assert "choose another" in again.json()["detail"]


def test_only_administrators_create_and_see_accounts(provider: Any, buyer: Any) -> None:
    for caller in (provider, buyer):
        assert caller.client.post("/v1/accounts", json={"name": "x", "role": "admin"}).status_code == 403
        assert caller.client.get("/v1/accounts").status_code == 403


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({}, "needs a key"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "needs a key"),
        ({"Authorization": "Bearer nonsense"}, "form or checksum is wrong"),
        ({"Authorization": f"Bearer {tokens.new_token()}"}, "no such key"),
    ],
)
def test_without_a_valid_key_one_is_told_what_is_wrong(client: TestClient, header: dict[str, str], says: str) -> None:
    refused = client.get("/v1/me", headers=header)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    assert says in refused.json()["detail"]


def test_a_key_with_the_right_prefix_and_a_wrong_secret_is_refused(provider: Any, client: TestClient) -> None:
    prefix = tokens.prefix_of(provider.token)
    body = f"cherish_{prefix}_{'0' * 32}"
    forged = f"{body}_{tokens._checksum(body)}"
    refused = client.get("/v1/me", headers={"Authorization": f"Bearer {forged}"})
    assert (refused.status_code, "no such key" in refused.json()["detail"]) == (401, True)


def test_the_database_holds_no_token(provider: Any, session: Session) -> None:
    made = provider.client.post("/v1/keys", json={"name": "nightly"}, headers={"Idempotency-Key": "one"}).json()
    for token in (provider.token, made["token"]):
        secret = token.split("_")[2]
        for table in ("api_keys", "idempotent_answers"):
            for row in session.execute(text(f"SELECT t::text, t.* FROM {table} t")):  # noqa: S608  our own names
                assert all(secret not in str(value) and secret.encode() not in _raw(value) for value in row)


def _raw(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else b""


def test_a_replayed_key_comes_without_its_token(provider: Any, session: Session) -> None:
    sent = {"json": {"name": "nightly"}, "headers": {"Idempotency-Key": "one"}}
    first, second = provider.client.post("/v1/keys", **sent), provider.client.post("/v1/keys", **sent)
    assert first.json()["token"].startswith("cherish_")
    assert second.json() == first.json() | {"token": None}
    assert second.headers["Idempotency-Replayed"] == "true"
    assert session.scalar(select(IdempotentAnswer.status)) == 201


def test_keys_are_listed_without_tokens_and_revoked_at_once(provider: Any, client: TestClient) -> None:
    made = provider.client.post("/v1/keys", json={"name": "nightly"}).json()
    listed = provider.client.get("/v1/keys").json()["items"]
    assert [item["name"] for item in listed] == ["nightly", "test"]
    assert all("token" not in item for item in listed)
    header = {"Authorization": f"Bearer {made['token']}"}
    assert client.get("/v1/me", headers=header).status_code == 200
    for _ in range(2):
        assert provider.client.delete(f"/v1/keys/{made['id']}").status_code == 204
    refused = client.get("/v1/me", headers=header)
    assert (refused.status_code, "was revoked" in refused.json()["detail"]) == (401, True)


def test_anothers_key_does_not_exist(provider: Any, buyer: Any) -> None:
    made = provider.client.post("/v1/keys", json={"name": "nightly"}).json()
    assert buyer.client.delete(f"/v1/keys/{made['id']}").status_code == 404
    assert provider.client.get("/v1/keys").json()["items"][0]["revoked_at"] is None


def test_an_expired_key_is_refused(provider: Any, client: TestClient, session: Session) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    made = provider.client.post("/v1/keys", json={"name": "brief", "expires_at": later.isoformat()}).json()
    header = {"Authorization": f"Bearer {made['token']}"}
    assert client.get("/v1/me", headers=header).status_code == 200
    session.execute(update(ApiKey).where(ApiKey.name == "brief").values(expires_at=later - timedelta(hours=2)))
    session.commit()
    refused = client.get("/v1/me", headers=header)
    assert (refused.status_code, "expired" in refused.json()["detail"]) == (401, True)
    past = provider.client.post("/v1/keys", json={"name": "x", "expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "/expires_at")
    assert provider.client.post("/v1/keys", json={"name": "x", "expires_at": "2099-01-01T00:00:00"}).status_code == 422


def test_a_key_does_only_what_its_scopes_say_and_cannot_grow(known: Callable[..., Any]) -> None:
    narrow = known(Role.PROVIDER, scopes=["datasets:read", "keys:write", "accounts:read"])
    assert narrow.client.get("/v1/datasets").status_code == 200
    refused = narrow.client.post("/v1/datasets", json={"name": "x", "target": "y"})
    assert (refused.status_code, "datasets:write" in refused.json()["detail"]) == (403, True)
    grown = narrow.client.post("/v1/keys", json={"name": "x", "scopes": ["datasets:write"]})
    assert (grown.status_code, "cannot hand them on" in grown.json()["detail"]) == (422, True)
    same = narrow.client.post("/v1/keys", json={"name": "x"}).json()
    assert same["scopes"] == ["accounts:read", "datasets:read", "keys:write"]


def test_no_role_carries_another_roles_scopes(provider: Any) -> None:
    refused = provider.client.post("/v1/keys", json={"name": "x", "scopes": ["accounts:write"]})
    assert refused.status_code == 422


def test_use_is_noted_coarsely(provider: Any, session: Session) -> None:
    provider.client.get("/v1/me")
    first = session.scalar(select(ApiKey.last_used_at))
    provider.client.get("/v1/me")
    session.expire_all()
    assert session.scalar(select(ApiKey.last_used_at)) == first is not None
    session.execute(update(ApiKey).values(last_used_at=first - timedelta(minutes=6)))
    session.commit()
    provider.client.get("/v1/me")
    session.expire_all()
    assert session.scalar(select(ApiKey.last_used_at)) > first - timedelta(minutes=1)


def test_every_operation_needs_a_scope_that_somebody_can_have(app: Any) -> None:
    scopes = frozenset().union(*SCOPES.values())
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/") and operation.get("security"):
                assert required_scope(method.upper(), path) in scopes, (method, path)
