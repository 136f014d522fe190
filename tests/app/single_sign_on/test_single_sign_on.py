"""Signing in through an organisation's own provider, against one that is really served, and what goes wrong."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc.jwk import RSAKey
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts import people, users
from app.accounts.tables import UserSession
from app.audit.tables import AuditEntry
from app.identity import Role
from app.settings import Settings
from app.single_sign_on import service
from tests.app.conftest import Known
from tests.app.single_sign_on.local_provider import CLIENT, SECRET, LocalProvider, running

PATH = "/v1/identity-provider"
PASSWORD = "a quiet harbour at dawn"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_allow_private": True})


@pytest.fixture
def local() -> Iterator[LocalProvider]:
    with running() as provider:
        yield provider


@pytest.fixture
def harbour(known: Callable[..., Known], local: LocalProvider) -> Known:
    """An organisation that signs its people in there."""
    made = known(Role.PROVIDER, "Harbour")
    assert made.client.put(PATH, json=named(local)).status_code == 200
    return made


def named(local: LocalProvider, **changed: Any) -> dict[str, Any]:
    body = {"issuer": local.url, "client_id": CLIENT, "client_secret": SECRET, "domains": ["Harbour.example"]}
    return body | changed


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def leave(browser: TestClient, organisation: str = "Harbour") -> str:
    """Where the page leads that the browser is shown."""
    form = {"organisation": organisation, "next": "/money", "csrf": csrf(browser.get("/login").text)}
    shown = browser.post("/sso", data=form, headers=PAGE)
    assert shown.status_code == 200, shown.text
    found = re.search(r'href="([^"]+)" data-now', shown.text)
    assert found is not None
    return unescape(found[1])


def arrive(browser: TestClient, **query: str) -> Any:
    """The answer to what the page of the way back sends on."""
    shown = browser.get("/sso/return", params=query, headers=PAGE)
    assert shown.status_code == 200, shown.text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown.text))
    form = {name: unescape(value) for name, value in fields.items()}
    return browser.post("/sso/finish", data=form, headers=PAGE, follow_redirects=False)


def words(told: Any) -> str:
    return unescape(told.text)


def log_in(app: FastAPI, local: LocalProvider) -> tuple[TestClient, Any]:
    browser = TestClient(app)
    return browser, arrive(browser, **local.authorize(leave(browser)))


def test_an_invited_person_signs_in_and_is_known_from_then_on(
    app: FastAPI, harbour: Known, local: LocalProvider, session: Session
) -> None:
    assert harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"}).status_code == 201
    browser, told = log_in(app, local)
    assert (told.status_code, told.headers["location"]) == (303, "/money"), told.text
    assert browser.get("/v1/me").json()["name"] == "Harbour"
    assert "SameSite=strict" in told.headers["set-cookie"]
    local.email = "ada.lovelace@harbour.example"
    _, again = log_in(app, local)
    assert again.status_code == 303, "the provider's own name for the person counts, not the address"
    [user] = harbour.client.get("/v1/users").json()["items"]
    assert (user["email"], user["joined"]) == ("ada@harbour.example", True)
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "sign_in")).all()
    assert len(entries) == 2
    kept = str([each.detail for each in session.scalars(select(AuditEntry)).all()])
    assert SECRET not in kept


def test_nobody_is_let_in_who_is_neither_invited_nor_of_an_admitted_domain(
    app: FastAPI, harbour: Known, local: LocalProvider
) -> None:
    assert "not invited" in words(log_in(app, local)[1])
    assert harbour.client.put(PATH, json=named(local, admits="domain", client_secret=None)).status_code == 200
    local.email = "eve@elsewhere.example"
    assert "no address of" in words(log_in(app, local)[1])
    local.email = "ada@harbour.example"
    assert log_in(app, local)[1].status_code == 303
    local.claims = {"email_verified": False}
    local.subject = "another"
    assert "no verified address" in words(log_in(app, local)[1])


def test_a_provider_speaks_for_its_own_organisation_alone(
    app: FastAPI, harbour: Known, local: LocalProvider, known: Callable[..., Known], session: Session
) -> None:
    other = known(Role.BUYER, "Elsewhere")
    users.create_user(session, other.account, "ada@harbour.example", "Ada", PASSWORD)
    session.commit()
    harbour.client.put(PATH, json=named(local, admits="domain"))
    browser, told = log_in(app, local)
    assert told.status_code == 403
    assert browser.get("/v1/me").status_code == 401


def test_two_people_are_not_one_and_a_removed_one_is_not_let_in(
    app: FastAPI, harbour: Known, local: LocalProvider
) -> None:
    made = harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"}).json()
    assert log_in(app, local)[1].status_code == 303
    local.subject = "4712"
    assert "another person's" in words(log_in(app, local)[1])
    local.subject = "4711"
    harbour.client.delete(f"/v1/users/{made['id']}")
    assert "not invited" in words(log_in(app, local)[1])
    harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"})
    assert log_in(app, local)[1].status_code == 303


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ({"iss": "https://elsewhere.example"}, "issuer"),
        ({"aud": "somebody else"}, "audience"),
        ({"aud": [CLIENT, "b"], "azp": "b"}, "authorised party"),
        ({"nonce": "another"}, "nonce"),
        ({"exp": int(time.time()) - 600}, "time"),
        ({"exp": "never"}, "time"),
        ({"sub": ""}, "nobody"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    app: FastAPI, harbour: Known, local: LocalProvider, claims: dict[str, Any], wrong: str
) -> None:
    harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"})
    local.claims = claims
    browser, told = log_in(app, local)
    assert (told.status_code, wrong in told.text) == (403, True), told.text
    assert browser.get("/v1/me").status_code == 401


def test_a_token_that_another_has_signed_is_refused(app: FastAPI, harbour: Known, local: LocalProvider) -> None:
    harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"})
    local.signs_with = RSAKey.generate_key(2048, {"kid": "1"})
    assert "signature" in words(log_in(app, local)[1])


def test_what_comes_back_belongs_to_the_browser_that_left(app: FastAPI, harbour: Known, local: LocalProvider) -> None:
    harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"})
    mine, other = TestClient(app), TestClient(app)
    back = local.authorize(leave(mine))
    assert "not begun in this browser" in words(arrive(other, **back)), "another browser, as after a planted link"
    leave(other)
    assert "not begun in this browser" in words(arrive(other, **back)), "another attempt"
    assert "another identity provider" in words(arrive(mine, **(back | {"iss": "https://elsewhere.example"})))
    assert arrive(mine, **back).status_code == 303
    assert arrive(mine, **back).status_code == 403, "once"
    assert other.get("/sso/return?error=access_denied", headers=PAGE).status_code == 403


def test_the_provider_is_asked_before_it_is_kept_and_its_secret_never_comes_out(
    harbour: Known, local: LocalProvider, session: Session, settings: Settings
) -> None:
    told = harbour.client.get(PATH).json()
    assert told["domains"] == ["harbour.example"]
    assert told["return_url"] == service.return_url(settings) == f"{settings.public_url}/sso/return"
    assert "secret" not in str(told)
    stored = str([tuple(row) for row in session.execute(text("SELECT * FROM identity_providers"))])
    assert SECRET not in stored
    local.document = {"issuer": "https://elsewhere.example"}
    assert harbour.client.put(PATH, json=named(local)).status_code == 503
    local.document = {}
    for body, at in (
        (named(local, issuer="https://user@harbour.example"), "/issuer"),
        (named(local, domains=["not a domain"]), "/domains/0"),
        (named(local, domains=[], admits="domain"), "/domains"),
    ):
        refused = harbour.client.put(PATH, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, at)
    assert harbour.client.delete(PATH).status_code == 204
    assert harbour.client.get(PATH).status_code == 404
    without = harbour.client.put(PATH, json=named(local, client_secret=None))
    assert without.json()["errors"][0]["pointer"] == "/client_secret"


def test_a_provider_in_our_own_network_is_not_asked(
    known: Callable[..., Known], local: LocalProvider, app: FastAPI
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"webhook_allow_private": False})
    told = known(Role.BUYER, "Buyer").client.put(PATH, json=named(local))
    assert (told.status_code, told.json()["errors"][0]["pointer"]) == (422, "/issuer")
    assert local.asked == []


def test_a_key_of_fewer_scopes_does_not_decide_how_people_sign_in(
    known: Callable[..., Known], local: LocalProvider
) -> None:
    few = known(Role.PROVIDER, "Few", scopes=["keys:read", "keys:write"])
    assert few.client.put(PATH, json=named(local)).status_code == 403
    assert few.client.put("/v1/sign-in-policy", json={"second_factor_required": False}).status_code == 403


def test_the_page_names_a_provider_and_takes_it_away(
    app: FastAPI, known: Callable[..., Known], local: LocalProvider, session: Session
) -> None:
    owner = known(Role.BUYER, "Owner")
    users.create_user(session, owner.account, "ada@harbour.example", "Ada", PASSWORD)
    session.commit()
    browser = TestClient(app)
    browser.headers |= PAGE
    pair = {"email": "ada@harbour.example", "password": PASSWORD, "csrf": csrf(browser.get("/login").text)}
    assert browser.post("/login", data=pair, follow_redirects=False).status_code == 303
    form = {
        "issuer": local.url,
        "client_id": CLIENT,
        "domains": "harbour.example",
        "csrf": csrf(browser.get("/signing-in").text),
    }
    refused = browser.post("/signing-in/provider", data=form, headers=PAGE)
    assert (refused.status_code, local.url in refused.text) == (422, True)
    form["client_secret"] = SECRET
    assert browser.post("/signing-in/provider", data=form, follow_redirects=False).status_code == 303
    there = TestClient(app)
    unknown = {"organisation": "Harbour", "csrf": csrf(there.get("/login").text)}
    assert there.post("/sso", data=unknown, headers=PAGE).status_code == 404, "its name is Owner"
    assert arrive(there, **local.authorize(leave(there, "Owner"))).status_code == 303
    assert (
        browser.post("/signing-in/provider/remove", data={"csrf": form["csrf"]}, follow_redirects=False).status_code
        == 303
    )
    assert owner.client.get(PATH).status_code == 404
    found = people.user_by_email(session, "ada@harbour.example")
    assert found is not None


def invited(harbour: Known, local: LocalProvider) -> None:
    assert harbour.client.post("/v1/users", json={"email": local.email, "name": "Ada"}).status_code == 201


def sign_out(app: FastAPI, harbour: Known, token: str) -> Any:
    path = harbour.client.get(PATH).json()["sign_out_url"].split("/sso/", 1)[1]
    return TestClient(app).post(f"/sso/{path}", data={"logout_token": token})


def test_where_the_provider_is_the_only_way_in_a_password_opens_nothing_and_open_sessions_end(
    app: FastAPI, harbour: Known, local: LocalProvider, session: Session
) -> None:
    users.create_user(session, harbour.account, local.email, "Ada", PASSWORD)
    session.commit()
    pair = {"email": local.email, "password": PASSWORD}
    before = TestClient(app)
    assert before.post("/v1/sessions", json=pair).status_code == 201
    browser, _ = log_in(app, local)
    assert harbour.client.put(PATH, json=named(local, required=True)).json()["required"] is True
    assert before.get("/v1/me").status_code == 401
    refused = TestClient(app).post("/v1/sessions", json=pair)
    assert (refused.status_code, "own provider alone" in refused.text) == (401, True)
    assert browser.get("/v1/me").status_code == 200
    [session_id] = session.scalars(select(UserSession.id).where(UserSession.provider_session.is_(None)))
    assert not people.session_goes_on(session, session_id, datetime.now(UTC)), "an open stream ends, too"
    # who does not say stays with what was decided; a removed provider is no way in at all
    assert harbour.client.put(PATH, json=named(local)).json()["required"] is True
    assert harbour.client.delete(PATH).status_code == 204
    assert TestClient(app).post("/v1/sessions", json=pair).status_code == 201


def test_whom_the_provider_signs_out_is_signed_out_here(
    app: FastAPI, harbour: Known, local: LocalProvider, session: Session
) -> None:
    invited(harbour, local)
    browser, _ = log_in(app, local)
    assert sign_out(app, harbour, local.logout_token()).status_code == 200
    assert browser.get("/v1/me").status_code == 401
    [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "provider_sign_out"))
    assert (entry.subject_id, entry.detail) == (harbour.account.id, {"sessions": 1})


def test_a_session_that_the_provider_names_ends_and_no_other(
    app: FastAPI, harbour: Known, local: LocalProvider
) -> None:
    invited(harbour, local)
    local.claims = {"sid": "first"}
    first, _ = log_in(app, local)
    local.claims = {"sid": "second"}
    second, _ = log_in(app, local)
    assert sign_out(app, harbour, local.logout_token(sub=None, sid="first")).status_code == 200
    assert (first.get("/v1/me").status_code, second.get("/v1/me").status_code) == (401, 200)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"iss": "https://elsewhere.example"}, "issuer"),
        ({"aud": "somebody else"}, "audience"),
        ({"exp": 1}, "time"),
        ({"exp": None}, "time"),
        ({"events": {}}, "event"),
        ({"events": None}, "event"),
        ({"nonce": "that of an ID token"}, "nonce"),
        ({"sub": None}, "person"),
    ],
)
def test_a_logout_token_that_is_none_of_this_client_s_ends_nothing(
    app: FastAPI, harbour: Known, local: LocalProvider, changed: dict[str, Any], wrong: str
) -> None:
    invited(harbour, local)
    browser, _ = log_in(app, local)
    told = sign_out(app, harbour, local.logout_token(**changed))
    assert (told.status_code, told.headers["cache-control"]) == (400, "no-store")
    assert wrong in told.json()["error_description"]
    assert browser.get("/v1/me").status_code == 200


def test_nobody_but_the_provider_signs_anybody_out(app: FastAPI, harbour: Known, local: LocalProvider) -> None:
    invited(harbour, local)
    browser, _ = log_in(app, local)
    old = local.logout_token(iat=int(time.time()) - 3600)
    local.signs_with = RSAKey.generate_key(2048, {"kid": "1"})
    assert "signature" in sign_out(app, harbour, local.logout_token()).text
    assert sign_out(app, harbour, "no token").status_code == 400
    assert sign_out(app, harbour, old).status_code == 200, "a token that is played again ends what was open then"
    assert browser.get("/v1/me").status_code == 200
    assert TestClient(app).post(f"/sso/sign-out/acc_{uuid.uuid4().hex}", data={"logout_token": old}).status_code == 404
