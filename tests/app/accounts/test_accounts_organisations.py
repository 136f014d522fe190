"""Organisations over HTTP: registering, users and their invitations, keys rotated with an overlap."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.accounts import sessions
from app.accounts.tables import ApiKey
from app.identity import SCOPES, Role
from app.settings import Settings
from tests.app.conftest import Known

FORM = {
    "name": "Harbour Hospital",
    "role": "provider",
    "email": "ada@harbour.example",
    "user_name": "Ada",
    "password": "a quiet harbour at dawn",
}


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update={"registration": getattr(request, "param", "closed")})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_where_registration_is_closed_nobody_registers(client: TestClient) -> None:
    refused = client.post("/v1/registrations", json=FORM)
    assert (refused.status_code, "ask the operator" in refused.json()["detail"]) == (403, True)


@pytest.mark.parametrize("settings", ["open"], indirect=True)
def test_where_registration_is_open_an_organisation_can_act_and_its_user_sign_in(
    client: TestClient, session: Session, settings: Settings
) -> None:
    made = client.post("/v1/registrations", json=FORM)
    assert (made.status_code, made.json()["status"]) == (201, "active")
    assert client.get("/v1/me", headers=bearer(made.json()["token"])).json()["role"] == "provider"
    token = sessions.login(session, settings, sessions.user_of_pair(session, FORM["email"], FORM["password"]))
    assert sessions.caller_of_session(session, settings, token).role is Role.PROVIDER
    for again, says in [(FORM, "exists already"), (FORM | {"name": "Other"}, "belongs to a user")]:
        refused = client.post("/v1/registrations", json=again)
        assert (refused.status_code, says in refused.json()["detail"]) == (409, True)
    assert client.post("/v1/registrations", json=FORM | {"role": "admin"}).status_code == 422


@pytest.mark.parametrize("settings", ["open"], indirect=True)
def test_registering_and_accepting_again_under_one_key_is_once(client: TestClient) -> None:
    key = {"Idempotency-Key": "ours"}
    made, again = (client.post("/v1/registrations", json=FORM, headers=key) for _ in range(2))
    assert (made.status_code, again.status_code) == (201, 201)
    assert again.json() == made.json() | {"token": None}
    # the same key of somebody else is another key, and the same person's other words are a mistake
    other = FORM | {"name": "Other", "email": "other@harbour.example"}
    assert client.post("/v1/registrations", json=other, headers=key).status_code == 201
    assert client.post("/v1/registrations", json=FORM | {"password": "another harbour"}, headers=key).status_code == 422
    assert client.post("/v1/registrations", content=b"[1]", headers=key).status_code == 422
    assert client.post("/v1/registrations", content=b"{", headers=key).status_code == 422
    own = bearer(made.json()["token"])
    invited = client.post("/v1/users", json={"email": "bob@harbour.example", "name": "Bob"}, headers=own).json()
    body = {"token": invited["invitation_token"], "password": FORM["password"]}
    first, second = (client.post("/v1/invitations/accept", json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()


@pytest.mark.parametrize("settings", ["approval"], indirect=True)
def test_where_registration_needs_approval_keys_work_from_the_approval_on(client: TestClient, admin: Known) -> None:
    made = client.post("/v1/registrations", json=FORM).json()
    assert made["status"] == "pending"
    refused = client.get("/v1/me", headers=bearer(made["token"]))
    assert (refused.status_code, "waits for an administrator" in refused.json()["detail"]) == (403, True)
    waiting = admin.client.get("/v1/accounts?status=pending").json()["items"]
    assert [each["id"] for each in waiting] == [made["id"]]
    for _ in range(2):
        assert admin.client.post(f"/v1/admin/accounts/{made['id']}/approve").json()["status"] == "active"
    assert client.get("/v1/me", headers=bearer(made["token"])).status_code == 200
    assert admin.client.get("/v1/accounts?status=pending").json()["items"] == []


def test_a_suspended_organisations_key_is_told_why_until_it_is_reinstated(admin: Known, buyer: Known) -> None:
    path = f"/v1/admin/accounts/acc_{buyer.account.id.hex}"
    told = admin.client.post(f"{path}/suspend", json={"reason": "invoices are open"})
    assert (told.status_code, told.json()["status"]) == (200, "suspended")
    refused = buyer.client.get("/v1/datasets")
    assert (refused.status_code, "invoices are open" in refused.json()["detail"]) == (403, True)
    assert admin.client.post(f"{path}/approve").status_code == 409
    assert admin.client.post(f"{path}/reinstate").json()["status_reason"] is None
    assert buyer.client.get("/v1/datasets").status_code == 200
    assert admin.client.post(f"{path}/reinstate").status_code == 409
    own = f"/v1/admin/accounts/acc_{admin.account.id.hex}/suspend"
    assert admin.client.post(own, json={"reason": "a slip"}).status_code == 409


def test_an_invited_user_sets_a_password_and_signs_in_until_removed(
    provider: Known, client: TestClient, session: Session, settings: Settings
) -> None:
    body = {"email": "bob@harbour.example", "name": "Bob"}
    invited = provider.client.post("/v1/users", json=body, headers={"Idempotency-Key": "bob"}).json()
    assert invited["joined"] is False
    replayed = provider.client.post("/v1/users", json=body, headers={"Idempotency-Key": "bob"}).json()
    assert replayed["invitation_token"] is None
    accepted = client.post(
        "/v1/invitations/accept", json={"token": invited["invitation_token"], "password": FORM["password"]}
    )
    assert (accepted.status_code, accepted.json()["joined"]) == (200, True)
    token = sessions.login(session, settings, sessions.user_of_pair(session, "bob@harbour.example", FORM["password"]))
    assert sessions.caller_of_session(session, settings, token).account_id == provider.account.id
    assert [each["name"] for each in provider.client.get("/v1/users").json()["items"]] == ["Bob"]
    for _ in range(2):
        assert provider.client.delete(f"/v1/users/{invited['id']}").status_code == 204
    assert provider.client.get("/v1/users").json()["items"] == []


def test_anothers_user_does_not_exist(provider: Known, buyer: Known) -> None:
    invited = provider.client.post("/v1/users", json={"email": "bob@harbour.example", "name": "Bob"}).json()
    assert buyer.client.delete(f"/v1/users/{invited['id']}").status_code == 404
    assert buyer.client.get("/v1/users").json()["items"] == []


def test_a_key_with_fewer_scopes_invites_nobody(known: Callable[..., Known]) -> None:
    narrow = known(Role.BUYER, scopes=["keys:write", "keys:read"])
    refused = narrow.client.post("/v1/users", json={"email": "bob@harbour.example", "name": "Bob"})
    assert (refused.status_code, "lacks" in refused.json()["detail"]) == (403, True)


def test_a_rotated_key_works_through_the_overlap_and_no_longer(
    provider: Known, client: TestClient, session: Session
) -> None:
    old = provider.client.post("/v1/keys", json={"name": "nightly", "scopes": ["datasets:read", "keys:read"]}).json()
    path = f"/v1/keys/{old['id']}/rotate"
    new = provider.client.post(path, json={"overlap_seconds": 3600}).json()
    assert (new["name"], new["scopes"], new["expires_at"]) == ("nightly", ["datasets:read", "keys:read"], None)
    for key in (old, new):
        assert client.get("/v1/keys", headers=bearer(key["token"])).status_code == 200
    assert provider.client.post(path, json={}).status_code == 409
    session.execute(
        update(ApiKey).where(ApiKey.prefix == old["prefix"]).values(expires_at=ApiKey.expires_at - timedelta(hours=1))
    )
    session.commit()
    assert client.get("/v1/keys", headers=bearer(old["token"])).status_code == 401
    assert client.get("/v1/keys", headers=bearer(new["token"])).status_code == 200


def test_rotation_keeps_the_length_of_a_keys_life_and_never_prolongs_the_old_one(provider: Known) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    old = provider.client.post("/v1/keys", json={"name": "brief", "expires_at": soon.isoformat()}).json()
    new = provider.client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_seconds": 86400}).json()
    lives = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert timedelta(minutes=59) < lives <= timedelta(hours=1, seconds=5)
    keys = {each["id"]: each for each in provider.client.get("/v1/keys").json()["items"]}
    assert datetime.fromisoformat(keys[old["id"]]["expires_at"]) == soon


def test_a_key_rotates_none_that_carries_more_and_none_of_anothers(known: Callable[..., Known], buyer: Known) -> None:
    provider = known(Role.PROVIDER)
    mine = provider.client.post("/v1/keys", json={"name": "all"}).json()
    narrow = provider.client.post("/v1/keys", json={"name": "n", "scopes": ["keys:write"]}).json()
    path = f"/v1/keys/{mine['id']}/rotate"
    assert TestClient(provider.client.app, headers=bearer(narrow["token"])).post(path, json={}).status_code == 422
    assert buyer.client.post(path, json={}).status_code == 404
    provider.client.delete(f"/v1/keys/{mine['id']}")
    assert provider.client.post(path, json={}).status_code == 409


def test_limits_are_the_settings_until_an_administrator_decides_otherwise(
    admin: Known, buyer: Known, settings: Settings
) -> None:
    path = f"/v1/admin/accounts/acc_{buyer.account.id.hex}/limits"
    before = admin.client.get(path).json()
    assert before["max_running_jobs"] == settings.max_running_per_buyer
    changed = admin.client.patch(path, json={"max_running_jobs": 0, "writes_per_minute": 7}).json()
    assert changed == before | {"max_running_jobs": 0, "writes_per_minute": 7}
    assert admin.client.patch(path, json={"max_running_jobs": None}).json() == before | {"writes_per_minute": 7}
    assert buyer.client.get(path).status_code == 403
    assert set(SCOPES[Role.BUYER]).isdisjoint({"accounts:write"})
