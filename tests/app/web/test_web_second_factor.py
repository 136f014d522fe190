"""Second factors on the pages: set up, asked for at the login, and never with the password in a page."""

import re
from datetime import UTC, datetime

import pyotp
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.accounts import users
from app.errors import Unauthorized
from app.settings import Settings
from app.web.members import half_way
from app.web.members.second_factor import router
from tests.app.conftest import Known

EMAIL, PASSWORD = "ada@harbour.example", "a quiet harbour at dawn"


@pytest.fixture
def ada(buyer: Known, session: Session) -> Known:
    users.create_user(session, buyer.account, EMAIL, "Ada", PASSWORD)
    session.commit()
    return buyer


def csrf(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def send(browser: TestClient, page: str, path: str, **fields: str) -> "tuple[int, str]":
    form = fields | {"csrf": csrf(browser.get(page).text)}
    told = browser.post(path, data=form, headers={"Accept": "text/html"}, follow_redirects=False)
    return told.status_code, told.headers.get("location") or told.text


@pytest.fixture
def browser(app: FastAPI, ada: Known) -> TestClient:
    client = TestClient(app)
    assert send(client, "/login", "/login", email=EMAIL, password=PASSWORD) == (303, "/jobs")
    return client


@pytest.fixture
def authenticator(browser: TestClient) -> pyotp.TOTP:
    status, shown = send(browser, router.prefix, router.prefix, password=PASSWORD)
    assert status == 200
    assert "<svg" in shown
    found = re.search(r'data-copy="([A-Z2-7]{32})"', shown)
    assert found is not None
    return pyotp.TOTP(found[1])


def test_a_login_asks_for_the_code_and_carries_no_password(
    app: FastAPI, browser: TestClient, authenticator: pyotp.TOTP
) -> None:
    status, shown = send(browser, "/password", "/second-factor/confirm", code=authenticator.now())
    assert status == 200
    codes = re.findall(r"\b[2-9a-z]{4}(?:-[2-9a-z]{4}){5}\b", shown.partition("data-copy")[0])
    assert len(codes) == 10
    assert "10 recovery codes are left" in browser.get("/second-factor").text
    other = TestClient(app)
    status, shown = send(other, "/login", "/login", email=EMAIL, password=PASSWORD, next="/money")
    assert status == 200
    assert "Your code" in shown
    assert PASSWORD not in shown
    assert "cherish_session" not in other.cookies
    half = re.search(r'name="half" value="([^"]+)"', shown)
    assert half is not None
    status, again = send(other, "/login", "/login", half=half[1], code="000000", next="/money")
    assert status == 401
    assert half[1] in again, "the code is asked for again"
    assert send(other, "/login", "/login", half=half[1], code=codes[0], next="/money") == (303, "/money")
    assert other.get("/second-factor").status_code == 200


def test_it_is_turned_off_on_the_page(app: FastAPI, browser: TestClient, authenticator: pyotp.TOTP) -> None:
    _, shown = send(browser, "/password", "/second-factor/confirm", code=authenticator.now())
    codes = re.findall(r"\b[2-9a-z]{4}(?:-[2-9a-z]{4}){5}\b", shown.partition("data-copy")[0])
    status, shown = send(browser, router.prefix, "/second-factor/remove", password=PASSWORD, code="000000")
    assert status == 401
    assert "wrong, too old or was used" in shown
    assert send(browser, router.prefix, "/second-factor/remove", password=PASSWORD, code=codes[0])[0] == 303
    assert send(TestClient(app), "/login", "/login", email=EMAIL, password=PASSWORD) == (303, "/jobs")


def test_half_of_a_login_ends_with_the_password_and_with_time(
    ada: Known, session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.accounts import people

    found = people.user_by_email(session, EMAIL)
    assert found is not None
    user = found[0]
    half = half_way.issue(session, settings, user.id)
    assert half_way.user_of(session, settings, half) is user
    for wrong in ("", half[:-2], half + "x", "a.b.c"):
        with pytest.raises(Unauthorized, match="log in again"):
            half_way.user_of(session, settings, wrong)
    monkeypatch.setattr(half_way, "SECONDS", -1)
    with pytest.raises(Unauthorized, match="log in again"):
        half_way.user_of(session, settings, half)
    monkeypatch.undo()
    before, user.password_hash = user.password_hash, "another"
    with pytest.raises(Unauthorized, match="log in again"):
        half_way.user_of(session, settings, half)
    user.password_hash, user.removed_at = before, datetime.now(UTC)
    session.flush()
    with pytest.raises(Unauthorized, match="log in again"):
        half_way.user_of(session, settings, half)


def test_a_key_has_no_such_page(app: FastAPI, buyer: Known) -> None:
    browser = TestClient(app)
    assert send(browser, "/login", "/login", key=buyer.token)[0] == 303
    assert browser.get("/second-factor", headers={"Accept": "text/html"}).status_code == 403
    assert "/second-factor" not in browser.get("/keys").text
