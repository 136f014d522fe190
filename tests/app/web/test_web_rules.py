"""What pages insist on: who may look, whose forms count, closed cookies, and errors that people can read."""

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import service, users
from app.audit.tables import AuditEntry
from app.identity import Role
from app.web import cookies
from tests.app.conftest import Known

HTML = {"Accept": "text/html"}


class Browser(TestClient):
    """A client that keeps cookies, asks for pages, and sends forms with the token of the page before."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(app, headers=HTML, follow_redirects=False)

    def token(self, path: str) -> str:
        return re.search(r'name="csrf" content="([^"]+)"', self.get(path).text)[1]  # type: ignore[index]  # it is there

    def fill(self, path: str, page: str, **fields: str) -> Response:
        answer: Response = self.post(path, data={"csrf": self.token(page), **fields})
        return answer

    def log_in(self, known: Known) -> "Browser":
        assert self.fill("/login", "/login", key=known.token).status_code == 303
        return self


@pytest.fixture
def browser(app: FastAPI) -> Callable[[], Browser]:
    return lambda: Browser(app)


PAGES = [
    "/jobs",
    "/jobs/new",
    "/explorations",
    "/explorations/new",
    "/catalogue",
    "/checkpoints",
    "/datasets",
    "/earnings",
    "/consents",
    "/money",
    "/keys",
    "/people",
    "/webhooks",
    "/audit",
    "/admin",
    "/admin/accounts",
    "/admin/ledger",
    "/admin/disputes",
]


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_logged_in_is_sent_to_the_login_and_back(browser: Callable[[], Browser], path: str) -> None:
    answer = browser().get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


def test_a_key_in_a_header_does_not_open_pages(buyer: Known) -> None:
    assert buyer.client.get("/jobs", headers=HTML, follow_redirects=False).status_code == 303


def test_the_login_leads_back_only_to_this_site(browser: Callable[[], Browser], buyer: Known) -> None:
    inside = browser().fill("/login", "/login", key=buyer.token, next="/money")
    outside = [
        browser().fill("/login", "/login", key=buyer.token, next=to) for to in ("//evil.example", "https://evil")
    ]
    assert inside.headers["location"] == "/money"
    assert [each.headers["location"] for each in outside] == ["/jobs", "/jobs"]


def test_cookies_are_closed_to_scripts_and_other_sites_and_hold_no_key(
    browser: Callable[[], Browser], buyer: Known
) -> None:
    answer = browser().fill("/login", "/login", key=buyer.token)
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("cherish_session="))
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert buyer.token not in cookie


def test_a_form_without_its_token_changes_nothing(browser: Callable[[], Browser], buyer: Known) -> None:
    here = browser().log_in(buyer)
    stolen = browser().log_in(buyer).token("/keys")
    assert here.post("/keys", data={"name": "x"}).status_code == 403
    assert here.post("/keys", data={"name": "x", "csrf": stolen + "x"}).status_code == 403
    assert here.fill("/keys", "/keys", name="mine").status_code == 201


def test_a_session_ends_with_its_key(browser: Callable[[], Browser], buyer: Known) -> None:
    here = browser().log_in(buyer)
    key = buyer.client.get("/v1/me").json()["key_id"]
    assert here.get("/jobs").status_code == 200
    assert here.fill(f"/keys/{key}/revoke", "/keys").status_code == 303
    assert here.get("/jobs").status_code == 303


def test_a_cookie_that_was_altered_or_has_ended_is_nobodys(buyer: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    value = cookies.issue("s", buyer.account.id, buyer.account.id)
    assert cookies.read("s", value) is not None
    assert cookies.read("t", value) is None
    assert cookies.read("s", value[:-4] + "AAAA") is None
    assert cookies.read("s", "no base64!") is None
    monkeypatch.setattr(cookies, "SECONDS", -1)
    assert cookies.read("s", cookies.issue("s", buyer.account.id, buyer.account.id)) is None


def test_a_user_logs_in_with_a_password_and_out_for_good(
    browser: Callable[[], Browser], buyer: Known, session: Session
) -> None:
    users.create_user(session, buyer.account, "ada@harbour.example", "Ada", "a long enough phrase")
    session.commit()
    here = browser()
    assert here.fill("/login", "/login", email="ada@harbour.example", password="wrong").status_code == 401
    assert (
        here.fill("/login", "/login", email="ada@harbour.example", password="a long enough phrase").status_code == 303
    )
    assert here.get("/jobs").status_code == 200
    kept = here.cookies["cherish_session"]
    assert here.fill("/logout", "/jobs").status_code == 303
    here.cookies.set("cherish_session", kept)
    assert here.get("/jobs").status_code == 303
    done = session.scalars(select(AuditEntry).where(AuditEntry.user_id.is_not(None))).all()
    assert [entry.action for entry in done if entry.action != "log_out"] == ["sign_in"]
    assert {entry.account_id for entry in done} == {buyer.account.id}


def test_each_role_has_its_pages(browser: Callable[[], Browser], known: Callable[..., Known]) -> None:
    allowed = {
        Role.BUYER: {"/jobs", "/jobs/new", "/explorations", "/explorations/new", "/datasets", "/checkpoints"},
        Role.PROVIDER: {"/datasets", "/earnings", "/consents"},
        Role.ADMIN: {"/jobs", "/admin", "/admin/accounts", "/admin/ledger", "/admin/disputes"},
    }
    everybody = {"/catalogue", "/money", "/keys", "/people", "/webhooks", "/audit"}
    for role, own in allowed.items():
        pages = own | everybody
        here = browser().log_in(known(role))
        assert {path for path in PAGES if here.get(path).status_code == 200} == pages
        assert {here.get(path).status_code for path in set(PAGES) - pages} == {403}


def test_a_key_with_few_scopes_opens_few_pages(browser: Callable[[], Browser], known: Callable[..., Known]) -> None:
    here = browser().log_in(known(Role.BUYER, scopes=["datasets:read"]))
    assert here.get("/datasets").status_code == 200
    assert here.get("/money").status_code == 403


def test_what_belongs_to_others_is_not_found(
    browser: Callable[[], Browser], known: Callable[..., Known], upload: Callable[..., dict[str, str]]
) -> None:
    owner, other = known(Role.PROVIDER), known(Role.PROVIDER)
    dataset = upload(owner, b"a,label\n1,x\n2,y\n")["id"]
    assert browser().log_in(owner).get(f"/datasets/{dataset}").status_code == 200
    assert browser().log_in(other).get(f"/datasets/{dataset}").status_code == 404


def test_names_are_text_and_never_markup(
    browser: Callable[[], Browser], provider: Known, upload: Callable[..., dict[str, str]]
) -> None:
    upload(provider, b"a,label\n1,x\n2,y\n", name="<script>alert(1)</script>")
    text = browser().log_in(provider).get("/datasets").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_pages_allow_no_inline_code_and_no_other_site(browser: Callable[[], Browser]) -> None:
    policy = browser().get("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "//" not in policy


def test_errors_are_pages_for_browsers_and_problems_for_programs(client: TestClient) -> None:
    page = client.get("/nothing", headers=HTML)
    problem = client.get("/nothing")
    under = client.get("/v1/nothing", headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert {problem.headers["content-type"], under.headers["content-type"]} == {"application/problem+json"}


def test_an_unforeseen_error_is_a_page_that_names_the_request_and_nothing_of_the_inside(
    app: FastAPI, buyer: Known, browser: Callable[[], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("the inside of the service")

    here = browser().log_in(buyer)
    monkeypatch.setattr(service, "list_keys", break_down)
    answer = here.get("/keys", headers={"X-Request-ID": "request-17"})
    assert answer.status_code == 500
    assert "Internal error" in answer.text
    assert "request-17" in answer.text
    assert "inside of the service" not in answer.text


def test_a_refused_order_is_shown_again_with_the_reason(browser: Callable[[], Browser], buyer: Known) -> None:
    here = browser().log_in(buyer)
    answer = here.fill("/jobs", "/jobs/new", datasets_text="ds_1", pool="10.00", currency="EUR", label="kept")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'value="kept"' in answer.text


def test_what_pages_change_is_in_the_audit_log(browser: Callable[[], Browser], buyer: Known) -> None:
    here = browser().log_in(buyer)
    here.fill("/keys", "/keys", name="nightly")
    entries = buyer.client.get("/v1/audit").json()["items"]
    assert [each["action"] for each in entries[:2]] == ["create_key", "log_in"]
    assert entries[0]["detail"] == {"name": "nightly"}
    assert buyer.token not in str(entries)
