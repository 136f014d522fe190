"""An organisation that demands second factors: a password alone begins nothing but setting one up."""

import re
from collections.abc import Callable

import pyotp
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.accounts import people, policy, users
from app.accounts.tables import Passkey
from app.errors import Unauthorized
from tests.app.conftest import Known

EMAIL, PASSWORD = "ada@harbour.example", "a quiet harbour at dawn"
PAIR = {"email": EMAIL, "password": PASSWORD}
PATH, FACTOR = "/v1/sign-in-policy", "/v1/me/second-factor"


@pytest.fixture
def ada(buyer: Known, session: Session) -> Known:
    users.create_user(session, buyer.account, EMAIL, "Ada", PASSWORD)
    session.commit()
    return buyer


def signed_in(app: FastAPI) -> TestClient:
    browser = TestClient(app)
    told = browser.post("/v1/sessions", json=PAIR)
    assert told.status_code == 201, told.text
    browser.headers["X-CSRF-Token"] = told.json()["csrf_token"]
    return browser


def test_a_session_without_one_is_good_for_setting_one_up_and_for_nothing_else(app: FastAPI, ada: Known) -> None:
    before = signed_in(app)
    assert before.get("/v1/me").status_code == 200
    assert ada.client.get(PATH).json() == {"second_factor_required": False}
    assert ada.client.put(PATH, json={"second_factor_required": True}).json() == {"second_factor_required": True}
    refused = before.get("/v1/me")
    assert (refused.status_code, refused.json()["errors"][0]["type"]) == (403, "second_factor_required"), "at once"
    browser = signed_in(app)
    assert browser.get("/v1/sessions/current").json()["second_factor_required"] is True
    for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys"), ("PUT", PATH), ("PUT", "/v1/me/password")):
        assert browser.request(method, path, json={}).status_code == 403, path
    begun = browser.post(FACTOR, json={"password": PASSWORD})
    authenticator = pyotp.parse_uri(begun.json()["uri"])
    assert isinstance(authenticator, pyotp.TOTP)
    codes = browser.post(f"{FACTOR}/confirm", json={"code": authenticator.now()}).json()["codes"]
    assert browser.get("/v1/me").status_code == 200, "this session has shown it"
    other = TestClient(app)
    assert other.post("/v1/sessions", json=PAIR).status_code == 401
    assert other.post("/v1/sessions", json=PAIR | {"code": codes[0]}).status_code == 201
    assert other.get("/v1/me").status_code == 200
    assert ada.client.get("/v1/me").status_code == 200, "keys are programs'"


def test_pages_lead_to_where_one_is_set_up(app: FastAPI, ada: Known) -> None:
    ada.client.put(PATH, json={"second_factor_required": True})
    browser = TestClient(app, headers={"Accept": "text/html"})

    def csrf(path: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', browser.get(path).text)
        assert found is not None
        return found[1]

    form = PAIR | {"csrf": csrf("/login")}
    assert browser.post("/login", data=form, follow_redirects=False).status_code == 303
    for path in ("/jobs", "/keys", "/signing-in", "/people", "/"):
        told = browser.get(path, follow_redirects=False)
        assert (told.status_code, told.headers.get("location")) == (303, "/second-factor"), path
    assert browser.get("/second-factor").status_code == 200
    assert (
        browser.post("/signing-in/policy", data={"csrf": csrf("/second-factor")}, follow_redirects=False).headers[
            "location"
        ]
        == "/second-factor"
    )
    assert ada.client.get(PATH).json() == {"second_factor_required": True}
    assert browser.post("/logout", data={"csrf": csrf("/second-factor")}, follow_redirects=False).status_code == 303


def test_whose_second_factor_is_a_passkey_gets_nowhere_with_a_password(
    app: FastAPI, ada: Known, session: Session, known: Callable[..., Known]
) -> None:
    found = people.user_by_email(session, EMAIL)
    assert found is not None
    session.add(Passkey(user_id=found[0].id, name="laptop", credential_id="AQID", public_key=b"", sign_count=0))
    session.commit()
    assert signed_in(app).get("/v1/me").status_code == 200, "nobody demands it"
    ada.client.put(PATH, json={"second_factor_required": True})
    told = TestClient(app).post("/v1/sessions", json=PAIR)
    assert (told.status_code, told.json()["errors"][0]["type"]) == (401, "passkey")
    session.expire_all()
    with pytest.raises(Unauthorized, match="yours is a passkey"):
        policy.insist_on_passkey(session, found[0])
