"""The page of one's sessions: what browsers are called, and logging them out."""

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.accounts import users
from app.web.members.own_sessions import called
from tests.app.conftest import Known

PAIR = {"email": "ada@harbour.example", "password": "a quiet harbour at dawn"}

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
    "Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (CHROME, ("Chrome", "Linux")),
        (CHROME + " Edg/140.0", ("Edge", "Linux")),
        (PHONE, ("Safari", "iPhone")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", ("Firefox", "Windows")),
        ("python-httpx/0.28", ("python-httpx/0.28", "")),
        ("", ("", "")),
    ],
)
def test_browsers_are_called_by_name(told: str, shown: tuple[str, str]) -> None:
    assert called(told) == shown


def send(browser: TestClient, page: str, path: str, **fields: str) -> "tuple[int, str]":
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get(page).text)
    assert found is not None
    told = browser.post(path, data=fields | {"csrf": found[1]}, follow_redirects=False)
    return told.status_code, told.headers.get("location") or told.text


def logged_in(app: FastAPI, name: str) -> TestClient:
    browser = TestClient(app, headers={"Accept": "text/html", "User-Agent": name})
    assert send(browser, "/login", "/login", **PAIR)[0] == 303
    return browser


@pytest.fixture
def here(app: FastAPI, buyer: Known, session: Session) -> TestClient:
    users.create_user(session, buyer.account, PAIR["email"], "Ada", PAIR["password"])
    session.commit()
    return logged_in(app, CHROME)


def test_one_is_logged_out_from_the_page_and_the_one_at_hand_has_no_button(app: FastAPI, here: TestClient) -> None:
    phone = logged_in(app, PHONE)
    shown = here.get("/sessions").text
    assert "Chrome on Linux" in shown
    assert "Safari on iPhone" in shown
    ends = re.findall(r'action="(/sessions/ses_[0-9a-f]{32}/end)"', shown)
    assert len(ends) == 1
    assert send(here, "/sessions", ends[0]) == (303, "/sessions")
    assert "Safari on iPhone" not in here.get("/sessions").text
    assert phone.get("/jobs", follow_redirects=False).status_code in (303, 401)


def test_everywhere_else_and_a_colleague_are_logged_out(app: FastAPI, here: TestClient) -> None:
    others = [logged_in(app, PHONE), logged_in(app, "program/1")]
    assert send(here, "/sessions", "/sessions/end-others") == (303, "/sessions")
    assert "end-others" not in here.get("/sessions").text
    assert {each.get("/jobs", follow_redirects=False).status_code for each in others} <= {303, 401}
    ends = re.search(r'action="(/people/usr_[0-9a-f]{32}/end-sessions)"', here.get("/people").text)
    assert ends is not None
    assert send(here, "/people", ends[1]) == (303, "/people")
    assert here.get("/jobs", follow_redirects=False).status_code in (303, 401)


def test_a_key_has_no_such_page(app: FastAPI, buyer: Known) -> None:
    browser = TestClient(app, headers={"Accept": "text/html"})
    assert send(browser, "/login", "/login", key=buyer.token)[0] == 303
    assert browser.get("/sessions").status_code == 403
    assert 'href="/sessions"' not in browser.get("/keys").text
