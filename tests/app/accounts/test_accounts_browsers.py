"""Web clients of the API: a session in a cookie stands for a key, and only changes that are meant are made by it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.tables import AuditEntry
from app.identity import Role
from app.settings import Settings
from tests.app.accounts.conftest import EMAIL, PAIR, PASSWORD
from tests.app.conftest import Known


def done_by_users(session: Session) -> list[AuditEntry]:
    return list(session.scalars(select(AuditEntry).where(AuditEntry.user_id.is_not(None))))


def test_signing_in_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(client: TestClient, ada: Known) -> None:
    told = client.post("/v1/sessions", json=PAIR)
    cookie = told.headers["set-cookie"].lower()
    assert cookie.startswith("cherish_session=cherish_")
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= {part.strip() for part in cookie.split(";")}
    assert (told.json()["email"], told.json()["role"], told.json()["account_name"]) == (
        EMAIL,
        "buyer",
        ada.account.name,
    )
    assert client.cookies["cherish_session"] not in told.text


@pytest.fixture
def over_https(ada: Known, app: FastAPI, settings: Settings) -> TestClient:
    app.state.settings = settings.model_copy(update={"public_url": "https://market.example"})
    return TestClient(app, base_url="https://market.example")


def test_over_https_the_cookie_is_bound_to_this_host(over_https: TestClient) -> None:
    told = over_https.post("/v1/sessions", json=PAIR)
    cookie = told.headers["set-cookie"]
    assert cookie.startswith("__Host-cherish_session=cherish_")
    assert {"Secure", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "domain" not in cookie.lower()
    over_https.headers["X-CSRF-Token"] = told.json()["csrf_token"]
    assert over_https.get("/v1/sessions/current").json()["email"] == EMAIL
    ended = over_https.delete("/v1/sessions/current")
    assert ended.headers["set-cookie"].startswith('__Host-cherish_session="";')
    assert "Secure" in ended.headers["set-cookie"], "browsers drop such a cookie only so"


def test_over_https_a_cookie_that_another_host_of_the_domain_could_set_is_not_taken(
    over_https: TestClient, app: FastAPI
) -> None:
    token = over_https.post("/v1/sessions", json=PAIR).cookies["__Host-cherish_session"]
    planted = TestClient(app, base_url="https://market.example", cookies={"cherish_session": token})
    assert planted.get("/v1/sessions/current").status_code == 401
    assert (
        planted.get("/jobs", headers={"Accept": "text/html"}, follow_redirects=False).headers["location"]
        == "/login?next=/jobs"
    )


def test_over_https_cookies_of_language_and_theme_are_bound_to_this_host_too(
    over_https: TestClient, app: FastAPI
) -> None:
    cookie = over_https.get("/language/de", follow_redirects=False).headers["set-cookie"]
    assert cookie.startswith("__Host-language=de;")
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    html = {"Accept": "text/html"}
    own = {"__Host-language": "de", "__Host-theme": "dark"}
    page = TestClient(app, base_url="https://market.example", cookies=own).get("/login", headers=html).text
    assert re.search('<html lang="de"[^>]* data-theme="dark"', page)
    planted = {"language": "de", "theme": "dark"}
    page = TestClient(app, base_url="https://market.example", cookies=planted).get("/login", headers=html).text
    assert '<html lang="en"' in page
    assert "data-theme" not in page


def test_the_cookie_stands_for_a_key(browser: TestClient, ada: Known) -> None:
    assert browser.get("/v1/me").json()["id"] == ada.client.get("/v1/me").json()["id"]
    made = browser.post("/v1/datasets", json={"name": "test", "target": "y", "kind": "test"})
    assert made.status_code == 201, made.text
    assert browser.get("/v1/sessions/current").json()["csrf_token"] == browser.headers["X-CSRF-Token"]


def test_a_change_by_cookie_needs_its_token_and_reading_does_not(browser: TestClient, app: FastAPI, ada: Known) -> None:
    body = {"name": "test", "target": "y", "kind": "test"}
    other = TestClient(app).post("/v1/sessions", json=PAIR).json()["csrf_token"]
    for token in ("", "x" * 24, "ä", other):
        refused = browser.post("/v1/datasets", json=body, headers={b"X-CSRF-Token": token.encode("latin-1")})
        assert refused.status_code == 403, token
        assert "X-CSRF-Token" in refused.json()["detail"]
    del browser.headers["X-CSRF-Token"]
    assert browser.post("/v1/datasets", json=body).status_code == 403
    assert browser.delete("/v1/sessions/current").status_code == 403
    assert browser.get("/v1/datasets").json()["items"] == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://testserver"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_another_site_cannot_sign_somebody_in(
    client: TestClient, ada: Known, headers: dict[str, str], status: int
) -> None:
    assert client.post("/v1/sessions", json=PAIR, headers=headers).status_code == status


def test_what_is_wrong_with_a_pair_is_not_told_over_http_either(client: TestClient, ada: Known) -> None:
    told = []
    for email, password in ((EMAIL, "another harbour"), ("nobody@harbour.example", PASSWORD)):
        answer = client.post("/v1/sessions", json={"email": email, "password": password})
        problem = answer.json()
        del problem["request_id"]
        assert "set-cookie" not in answer.headers
        told.append((answer.status_code, problem))
    assert told[0] == told[1]
    assert told[0][0] == 401


def test_a_key_has_no_session(ada: Known) -> None:
    for method in ("GET", "DELETE"):
        assert ada.client.request(method, "/v1/sessions/current").status_code == 403


def test_signing_out_ends_the_session_on_the_server_too(browser: TestClient, app: FastAPI) -> None:
    kept = browser.cookies["cherish_session"]
    assert browser.delete("/v1/sessions/current").status_code == 204
    assert "cherish_session" not in browser.cookies
    again = TestClient(app, cookies={"cherish_session": kept})
    assert again.get("/v1/me").status_code == 401


def test_a_new_password_ends_every_session_of_the_user(browser: TestClient, app: FastAPI, ada: Known) -> None:
    other = TestClient(app)
    other.post("/v1/sessions", json=PAIR)
    fresh = "another quiet harbour"
    assert browser.put("/v1/me/password", json={"present": "wrong", "password": fresh}).status_code == 401
    assert other.get("/v1/me").status_code == 200
    assert browser.put("/v1/me/password", json={"present": PASSWORD, "password": fresh}).status_code == 204
    assert other.get("/v1/me").status_code == 401
    assert other.post("/v1/sessions", json=PAIR).status_code == 401
    assert other.post("/v1/sessions", json=PAIR | {"password": fresh}).status_code == 201
    assert ada.client.put("/v1/me/password", json={"present": fresh, "password": PASSWORD}).status_code == 404


def test_signing_in_and_out_are_in_the_audit_log_once_each_and_without_the_password(
    browser: TestClient, session: Session
) -> None:
    browser.delete("/v1/sessions/current")
    entries = done_by_users(session)
    # all in one transaction here, so at one moment
    assert sorted(entry.action for entry in entries) == ["end_current_session", "sign_in"]
    assert all(PASSWORD not in str(entry.detail) for entry in entries)


def test_passwords_are_tried_a_few_times_a_minute_for_one_address_of_mail(
    ada: Known, app: FastAPI, settings: Settings, known: Callable[..., Any]
) -> None:
    app.state.settings = settings.model_copy(update={"sign_ins_per_minute": 3})
    wrong = {"email": f"{known(Role.BUYER).account.id.hex}@harbour.example", "password": "another harbour"}
    # each from another machine: what is counted is whom they try to be
    tried = [
        TestClient(app, client=(f"192.0.2.{number}", 1)).post("/v1/sessions", json=wrong).status_code
        for number in range(4)
    ]
    assert tried == [401, 401, 401, 429]
