"""The audit log: each change leaves one row in its own transaction; none can be altered, only the right ones seen."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audit import service
from app.audit.tables import AuditEntry
from tests.app.conftest import Known


def entries(session: Session, *accounts: Known) -> list[AuditEntry]:
    statement = select(AuditEntry).where(AuditEntry.account_id.in_([each.account.id for each in accounts]))
    return list(session.scalars(statement.order_by(AuditEntry.id)))


def test_a_change_is_recorded_with_who_what_where_from_and_the_request(provider: Known, session: Session) -> None:
    made = provider.client.post("/v1/keys", json={"name": "nightly"}, headers={"X-Request-ID": "request-17"})
    (entry,) = entries(session, provider)
    assert entry.account_id == provider.account.id
    assert entry.key_id is not None
    assert (entry.action, entry.object, entry.request_id) == ("create_key", made.json()["id"], "request-17")
    assert (entry.address, entry.detail, entry.user_id) == ("testclient", {"name": "nightly"}, None)
    assert provider.client.delete(f"/v1/keys/{made.json()['id']}").status_code == 204
    assert [(each.action, each.object) for each in entries(session, provider)][1] == ("revoke_key", made.json()["id"])


def test_reading_refusals_and_replays_leave_nothing(provider: Known, session: Session) -> None:
    sent = {"json": {"name": "nightly"}, "headers": {"Idempotency-Key": "one"}}
    for _ in range(2):
        provider.client.post("/v1/keys", **sent)
    provider.client.get("/v1/keys")
    provider.client.post("/v1/keys", json={"name": ""})
    provider.client.post("/v1/accounts", json={"name": "x", "role": "buyer"})
    assert [each.action for each in entries(session, provider)] == ["create_key"]


def test_no_secret_is_recorded(provider: Known, client: TestClient, session: Session) -> None:
    invited = provider.client.post("/v1/users", json={"email": "bob@harbour.example", "name": "Bob"}).json()
    token, password = invited["invitation_token"], "a quiet harbour at dawn"
    client.post("/v1/invitations/accept", json={"token": token, "password": password})
    made = provider.client.post("/v1/keys", json={"name": f"instead of {provider.token}"}).json()
    assert [each.action for each in entries(session, provider)] == ["invite_user", "create_key"]
    for (row,) in session.execute(text("SELECT t::text FROM audit_log t")):
        for secret in (token, made["token"], provider.token):
            assert secret.split("_")[2] not in row
        assert password not in row


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"a": "x" * 501}, {"a": "x" * 500 + "… (501 characters)"}),
        ({"new_password": "p", "api_token": ["t"]}, {"new_password": "***", "api_token": "***"}),
        ({"a": {"b": {"secret": 1, "c": "nul\0"}}}, {"a": {"b": {"secret": "***", "c": "nul"}}}),
        ({"a": list(range(60))}, {"a": list(range(50))}),
    ],
)
def test_details_are_masked_and_bounded(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert {name: service.loggable(name, value) for name, value in given.items()} == kept


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_the_database_refuses_to_change_or_delete_it(provider: Known, session: Session, statement: str) -> None:
    provider.client.post("/v1/keys", json={"name": "nightly"})
    with pytest.raises(IntegrityError, match="append-only"), session.begin_nested():
        session.execute(text(statement))
    assert [each.action for each in entries(session, provider)] == ["create_key"]


def test_change_and_entry_are_one_transaction(
    provider: Known, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the log cannot be written")

    monkeypatch.setattr(service.repository, "add", refuse)
    answer = TestClient(provider.client.app, headers=dict(provider.client.headers)).post
    assert answer("/v1/keys", json={"name": "nightly"}).status_code == 500
    assert [each["name"] for each in provider.client.get("/v1/keys").json()["items"]] == ["test"]


def test_an_organisation_sees_what_it_did_and_what_was_done_to_it(
    admin: Known, provider: Known, buyer: Known, client: TestClient
) -> None:
    provider.client.post("/v1/keys", json={"name": "nightly"})
    buyer.client.post("/v1/keys", json={"name": "weekly"})
    path = f"/v1/admin/accounts/acc_{provider.account.id.hex}/limits"
    admin.client.patch(path, json={"max_running_jobs": 3})

    def seen(caller: Known, query: str = "") -> list[str]:
        return [each["action"] for each in caller.client.get(f"/v1/audit{query}").json()["items"]]

    assert seen(provider) == ["change_limits", "create_key"]
    assert seen(buyer) == ["create_key"]
    assert seen(admin)[:3] == ["change_limits", "create_key", "create_key"]
    assert seen(admin, "?action=change_limits") == ["change_limits"]
    assert seen(admin, f"?account_id=acc_{buyer.account.id.hex}") == ["create_key"]
    assert seen(buyer, f"?account_id=acc_{provider.account.id.hex}") == []
    assert seen(admin, "?since=2099-01-01T00:00:00Z") == []
    assert len(seen(admin, f"?until=2099-01-01T00:00:00Z&account_id=acc_{admin.account.id.hex}")) == 1
    assert client.get("/v1/audit").status_code == 401


def test_the_log_is_read_page_by_page_with_the_filters_of_its_cursor(known: Callable[..., Known], admin: Known) -> None:
    for number in range(3):
        admin.client.post("/v1/keys", json={"name": f"key {number}"})
    first = admin.client.get("/v1/audit?action=create_key&limit=2").json()
    rest = admin.client.get(f"/v1/audit?action=create_key&limit=2&cursor={first['next_cursor']}").json()
    assert [each["detail"]["name"] for each in first["items"] + rest["items"]] == ["key 2", "key 1", "key 0"]
    assert rest["next_cursor"] is None
    assert admin.client.get(f"/v1/audit?cursor={first['next_cursor']}").status_code == 422
