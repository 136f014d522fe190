"""Whose browser it is, and whether a form came from a page of ours: checked before any page is."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.accounts import service, sessions, users
from app.accounts.tables import UserSession
from app.errors import Forbidden, Unauthorized
from app.http import browsers
from app.http.browsers import SESSION_COOKIE
from app.identity import SCOPES, Caller, Role
from app.settings import Settings
from app.web import cookies, visitors
from app.web.visitors import VISIT_COOKIE, Visitor

PASSWORD = "a quiet harbour at dawn"


@pytest.fixture
def request_with(settings: Settings) -> Any:
    app = FastAPI()
    app.state.settings = settings

    def make(method: str = "GET", /, **sent: str) -> Request:
        line = "; ".join(f"{name}={value}" for name, value in sent.items())
        headers = [(b"cookie", line.encode())] if line else []
        return Request({"type": "http", "method": method, "path": "/x", "headers": headers, "app": app})

    return make


@pytest.fixture
def by_key(buyer: Any, session: Session, settings: Settings) -> tuple[Any, str]:
    """A key of the buyer's and the cookie of a login with it."""
    key, _ = service.issue_key(session, settings, buyer.account, "browser")
    return key, cookies.issue(visitors.secret_of(settings), buyer.account.id, key.id)


def test_a_cookie_stands_for_a_key_s_login_until_the_key_is_revoked(
    by_key: tuple[Any, str], buyer: Any, session: Session, settings: Settings
) -> None:
    key, cookie = by_key
    caller = visitors.identify(session, settings, cookie)
    assert caller is not None
    assert (caller.account_id, caller.key_id, caller.user_id) == (buyer.account.id, key.id, None)
    service.revoke_key(session, caller.account_id, key.id)
    assert visitors.identify(session, settings, cookie) is None


def test_a_cookie_stands_for_a_user_s_session_until_that_has_ended(
    buyer: Any, session: Session, settings: Settings
) -> None:
    user = users.create_user(session, buyer.account, "ada@harbour.example", "Ada", PASSWORD)
    token = sessions.login(session, settings, sessions.user_of_pair(session, "ada@harbour.example", PASSWORD))
    caller = visitors.identify(session, settings, token)
    assert caller is not None
    assert (caller.user_id, caller.key_id) == (user.id, None)
    sessions.logout(session, settings, token)
    assert visitors.identify(session, settings, token) is None


@pytest.mark.parametrize("cookie", ["", "x", "cherish_unheard", "W10.x.y"])
def test_any_other_cookie_is_nobody_s(session: Session, settings: Settings, cookie: str) -> None:
    assert visitors.identify(session, settings, cookie) is None


def test_a_visitor_is_remembered_with_its_organisation_for_error_pages(
    by_key: tuple[Any, str], buyer: Any, session: Session, settings: Settings, request_with: Any
) -> None:
    request = request_with(**{SESSION_COOKIE: by_key[1]})
    visitor = visitors.current(request, session, settings)
    assert visitor is not None
    assert (visitor.name, visitor.role) == (buyer.account.name, Role.BUYER)
    assert request.state.visitor is visitor
    assert visitors.current(request_with(), session, settings) is None


def test_a_visitor_may_what_its_scopes_say() -> None:
    visitor = Visitor(Caller(uuid.uuid4(), Role.BUYER, frozenset({"datasets:read"}), uuid.uuid4()), "Harbour")
    assert visitor.may("datasets:read")
    assert not visitor.may("datasets:write")


def test_a_form_s_token_belongs_to_the_cookie_of_its_browser(settings: Settings, request_with: Any) -> None:
    token = visitors.form_token(request_with(**{VISIT_COOKIE: "me"}), Response(), settings)
    visitors.checked_form(request_with("POST", **{VISIT_COOKIE: "me"}), settings, token)
    for cookie, sent in (("other", token), ("me", ""), ("me", token[:-1])):
        with pytest.raises(Forbidden, match="reload the page and send it again"):
            visitors.checked_form(request_with("POST", **{VISIT_COOKIE: cookie}), settings, sent)
    with pytest.raises(Forbidden):
        visitors.checked_form(request_with("POST"), settings, token)


def test_a_login_outdates_the_forms_of_before(settings: Settings, request_with: Any) -> None:
    before = visitors.form_token(request_with(**{VISIT_COOKIE: "me"}), Response(), settings)
    with pytest.raises(Forbidden):
        visitors.checked_form(request_with("POST", **{VISIT_COOKIE: "me", SESSION_COOKIE: "ticket"}), settings, before)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_needs_no_token(settings: Settings, request_with: Any, method: str) -> None:
    visitors.checked_form(request_with(method), settings, "")


def test_a_browser_without_a_cookie_is_given_one_that_its_form_belongs_to(
    settings: Settings, request_with: Any
) -> None:
    response = Response()
    token = visitors.form_token(request_with(), response, settings)
    sent = response.headers["set-cookie"]
    assert sent.startswith(f"{VISIT_COOKIE}=")
    assert "httponly" in sent.lower()
    value = sent.split(";")[0].partition("=")[2]
    visitors.checked_form(request_with("POST", **{VISIT_COOKIE: value}), settings, token)
    kept = Response()
    visitors.form_token(request_with(**{VISIT_COOKIE: value}), kept, settings)
    assert "set-cookie" not in kept.headers


def test_a_page_names_whom_it_is_for_and_the_scope_that_is_missing(
    by_key: tuple[Any, str], session: Session, settings: Settings, request_with: Any
) -> None:
    request = request_with(**{SESSION_COOKIE: by_key[1]})

    def check(scope: str, *roles: Role, of: Request = request) -> Any:
        return visitors.visiting(scope, *roles).dependency(of, session, settings, "")

    assert check("datasets:read").role is Role.BUYER
    assert check("valuations:write", Role.BUYER, Role.ADMIN).role is Role.BUYER
    with pytest.raises(Forbidden, match="this page is for providers or admins, and you are logged in as a buyer"):
        check("datasets:read", Role.PROVIDER, Role.ADMIN)
    with pytest.raises(Forbidden, match="needs the scope accounts:write"):
        check("accounts:write")
    with pytest.raises(Unauthorized, match="log in"):
        check("datasets:read", of=request_with())


def test_a_session_is_begun_with_a_key_or_a_password_and_ends_the_visit(settings: Settings) -> None:
    caller = Caller(uuid.uuid4(), Role.BUYER, SCOPES[Role.BUYER], uuid.uuid4())
    response = Response()
    visitors.log_in_key(response, settings, caller)
    given, ended = response.headers.getlist("set-cookie")
    assert given.startswith(f"{SESSION_COOKIE}=")
    assert ended.startswith(f'{VISIT_COOKIE}="";')
    ticket = cookies.read(visitors.secret_of(settings), given.split(";")[0].partition("=")[2])
    assert ticket == cookies.Ticket(caller.account_id, caller.key_id)
    with pytest.raises(Unauthorized, match="a session is begun with a key"):
        visitors.log_in_key(
            Response(), settings, Caller(caller.account_id, Role.BUYER, frozenset(), None, uuid.uuid4())
        )


def test_logging_out_ends_a_user_s_session_on_the_server_too(
    buyer: Any, session: Session, settings: Settings, request_with: Any
) -> None:
    users.create_user(session, buyer.account, "ada@harbour.example", "Ada", PASSWORD)
    token = sessions.login(session, settings, sessions.user_of_pair(session, "ada@harbour.example", PASSWORD))
    response = Response()
    visitors.log_in_user(response, settings, token)
    assert response.headers.getlist("set-cookie")[0].startswith(f"{SESSION_COOKIE}={token};")
    out = Response()
    visitors.log_out(request_with(**{SESSION_COOKIE: token}), out, session, settings)
    assert out.headers["set-cookie"].startswith(f'{SESSION_COOKIE}="";')
    assert out.headers["clear-site-data"] == '"cache", "storage"'
    assert visitors.identify(session, settings, token) is None


def test_the_token_of_a_signed_in_browser_is_bound_to_its_session(settings: Settings, request_with: Any) -> None:
    request = request_with(**{SESSION_COOKIE: "ticket", VISIT_COOKIE: "me"})
    token = visitors.form_token(request, Response(), settings)
    assert browsers.same_token(visitors.secret_of(settings), "ticket", token)
    assert not browsers.same_token(visitors.secret_of(settings), "me", token)


def test_a_page_that_is_read_is_a_use_of_its_session(
    buyer: Any, session: Session, settings: Settings, request_with: Any
) -> None:
    ada = users.create_user(session, buyer.account, "ada@harbour.example", "Ada", PASSWORD)
    token = sessions.login(session, settings, ada)
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    session.execute(update(UserSession).values(created_at=long_ago))
    session.expire_all()
    assert visitors.current(request_with(**{SESSION_COOKIE: token}), session, settings) is not None
    assert session.scalar(select(UserSession.last_used_at)) is not None
