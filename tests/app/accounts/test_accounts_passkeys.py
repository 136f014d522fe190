"""Passkeys over HTTP: registered by who knows the password, good for one site, each challenge once."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import factors, passkeys, people, users
from app.audit.tables import AuditEntry
from app.settings import Settings
from tests.app.accounts.conftest import EMAIL, PASSWORD
from tests.app.accounts.soft_authenticator import SoftAuthenticator
from tests.app.conftest import Known

PATH, ASK, ENTER = "/v1/me/passkeys", "/v1/sessions/passkey/options", "/v1/sessions/passkey"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": "http://localhost:8000"})


@pytest.fixture
def device(browser: TestClient) -> SoftAuthenticator:
    """A device with which Ada can sign in."""
    made = SoftAuthenticator()
    options = browser.post(f"{PATH}/options", json={"password": PASSWORD}).json()["public_key"]
    told = browser.post(PATH, json={"name": "laptop", "credential": made.create(options)})
    assert told.status_code == 201, told.text
    return made


def asked(app: FastAPI) -> "tuple[TestClient, dict[str, str]]":
    client = TestClient(app)
    return client, client.post(ASK).json()["public_key"]


def test_a_device_signs_its_user_in_without_password_and_code(
    app: FastAPI, device: SoftAuthenticator, ada: Known, session: Session
) -> None:
    client, options = asked(app)
    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"
    told = client.post(ENTER, json={"credential": device.get(options)})
    assert told.status_code == 201, told.text
    assert told.json()["email"] == EMAIL
    assert client.get("/v1/me").json()["name"] == ada.account.name
    ada.client.put("/v1/sign-in-policy", json={"second_factor_required": True})
    assert client.get("/v1/me").status_code == 200, "it is a second factor by itself"
    signed = session.scalars(select(AuditEntry).where(AuditEntry.action == "sign_in")).all()
    assert len(signed) == 2


def test_each_answer_is_taken_once_and_only_to_a_challenge_of_ours(app: FastAPI, device: SoftAuthenticator) -> None:
    client, options = asked(app)
    answer = device.get(options)
    assert client.post(ENTER, json={"credential": answer}).status_code == 201
    assert client.post(ENTER, json={"credential": answer}).status_code == 401, "used"
    assert client.post(ENTER, json={"credential": device.get({"challenge": "AQID"})}).status_code == 401
    for broken in ({}, {"id": 7}, {"id": "AQID"}, {"id": answer["id"]}, answer | {"response": None}):
        assert client.post(ENTER, json={"credential": broken}).status_code == 401


def test_a_challenge_has_one_purpose_and_an_end(
    app: FastAPI, browser: TestClient, device: SoftAuthenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = browser.post(f"{PATH}/options", json={"password": PASSWORD}).json()["public_key"]
    assert TestClient(app).post(ENTER, json={"credential": device.get(options)}).status_code == 401
    client, options = asked(app)
    monkeypatch.setattr(passkeys, "SECONDS", -1)
    assert client.post(ENTER, json={"credential": device.get(options)}).status_code == 401


@pytest.mark.parametrize(
    "wrong", [{"origin": "http://localhost.evil.example"}, {"host": "evil.example"}, {"verifies": False}]
)
def test_a_device_that_answers_another_site_or_without_its_owner_is_refused(
    app: FastAPI, browser: TestClient, device: SoftAuthenticator, wrong: "dict[str, object]"
) -> None:
    for name, value in wrong.items():
        setattr(device, name, value)
    client, options = asked(app)
    assert client.post(ENTER, json={"credential": device.get(options)}).status_code == 401
    device.name = b"another"
    options = browser.post(f"{PATH}/options", json={"password": PASSWORD}).json()["public_key"]
    refused = browser.post(PATH, json={"name": "x", "credential": device.create(options)})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/credential")


def test_a_copy_of_a_device_that_counts_is_noticed(app: FastAPI, device: SoftAuthenticator) -> None:
    for count, status in ((5, 201), (4, 401), (6, 201)):
        device.count = count
        client, options = asked(app)
        assert client.post(ENTER, json={"credential": device.get(options)}).status_code == status, count


def test_registering_and_removing_need_the_password(
    app: FastAPI, browser: TestClient, device: SoftAuthenticator
) -> None:
    assert browser.post(f"{PATH}/options", json={"password": "another quiet harbour"}).status_code == 401
    [listed] = browser.get(PATH).json()["items"]
    assert (listed["name"], listed["last_used_at"]) == ("laptop", None)
    gone = f"{PATH}/{listed['id']}/remove"
    assert browser.post(gone, json={"password": "another quiet harbour"}).status_code == 401
    assert browser.post(gone, json={"password": PASSWORD}).status_code == 204
    assert browser.post(gone, json={"password": PASSWORD}).status_code == 404
    client, options = asked(app)
    assert client.post(ENTER, json={"credential": device.get(options)}).status_code == 401


def test_an_answer_to_one_user_s_options_registers_nothing_for_another(
    app: FastAPI, browser: TestClient, session: Session, ada: Known
) -> None:
    users.create_user(session, ada.account, "bob@harbour.example", "Bob", PASSWORD)
    session.commit()
    other = TestClient(app)
    pair = {"email": "bob@harbour.example", "password": PASSWORD}
    other.headers["X-CSRF-Token"] = other.post("/v1/sessions", json=pair).json()["csrf_token"]
    options = browser.post(f"{PATH}/options", json={"password": PASSWORD}).json()["public_key"]
    told = other.post(PATH, json={"name": "x", "credential": SoftAuthenticator().create(options)})
    assert told.status_code == 422


def test_a_key_has_none(ada: Known) -> None:
    assert ada.client.get(PATH).status_code == 403
    assert ada.client.post(f"{PATH}/options", json={"password": PASSWORD}).status_code == 403


def test_they_end_with_the_user_and_by_the_operator(
    app: FastAPI, device: SoftAuthenticator, session: Session, ada: Known
) -> None:
    found = people.user_by_email(session, EMAIL)
    assert found is not None
    assert factors.forget(session, found[0])
    session.commit()
    client, options = asked(app)
    assert client.post(ENTER, json={"credential": device.get(options)}).status_code == 401


def test_an_address_in_place_of_a_host_s_name_is_said(app: FastAPI) -> None:
    app.state.settings = app.state.settings.model_copy(update={"public_url": "http://127.0.0.1:8000"})
    told = TestClient(app).post(ASK)
    assert (told.status_code, "CHERISH_PUBLIC_URL" in told.json()["detail"]) == (409, True)
