"""Second factors over HTTP: from the first secret to a sign-in that asks for a code, and how often it may be tried."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import factors, people, users
from app.accounts.factor_endpoints import router
from app.audit.tables import AuditEntry
from app.settings import Settings
from tests.app.accounts.conftest import EMAIL, PAIR, PASSWORD
from tests.app.conftest import Known

PATH = "/v1/me/second-factor"


@pytest.fixture
def enrolled(browser: TestClient) -> tuple[pyotp.TOTP, list[str]]:
    begun = browser.post(PATH, json={"password": PASSWORD})
    assert begun.status_code == 201, begun.text
    authenticator = pyotp.parse_uri(begun.json()["uri"])
    assert isinstance(authenticator, pyotp.TOTP)
    assert authenticator.secret == begun.json()["secret"]
    told = browser.post(f"{PATH}/confirm", json={"code": authenticator.now()})
    assert told.status_code == 200, told.text
    return authenticator, told.json()["codes"]


def test_after_it_is_confirmed_a_password_alone_signs_nobody_in(
    app: FastAPI, browser: TestClient, enrolled: tuple[pyotp.TOTP, list[str]]
) -> None:
    _, codes = enrolled
    state = browser.get(PATH).json()
    assert state["recovery_codes"] == 10
    assert state["confirmed_at"] is not None
    other = TestClient(app)
    asked = other.post("/v1/sessions", json=PAIR)
    assert (asked.status_code, [fault["type"] for fault in asked.json()["errors"]]) == (401, ["second_factor"])
    assert "set-cookie" not in asked.headers
    wrong = other.post("/v1/sessions", json=PAIR | {"password": "another quiet harbour", "code": codes[0]})
    assert (wrong.status_code, wrong.json().get("errors")) == (401, None), "a code does not stand in for a password"
    assert other.post("/v1/sessions", json=PAIR | {"code": "000000"}).status_code == 401
    assert other.post("/v1/sessions", json=PAIR | {"code": codes[0]}).status_code == 201
    assert other.post("/v1/sessions", json=PAIR | {"code": codes[0]}).status_code == 401, "used"
    assert other.get("/v1/me").status_code == 200


def test_codes_are_tried_a_few_times_an_hour(
    app: FastAPI, enrolled: tuple[pyotp.TOTP, list[str]], settings: Settings
) -> None:
    _, codes = enrolled
    other = TestClient(app)
    told = [other.post("/v1/sessions", json=PAIR | {"code": f"{at:06}"}) for at in range(settings.codes_per_hour)]
    assert [answer.status_code for answer in told] == [401] * (settings.codes_per_hour - 1) + [429], "one confirmed it"
    assert int(told[-1].headers["Retry-After"]) > 60
    assert "w=3600" in told[-1].headers["RateLimit-Policy"]
    assert other.post("/v1/sessions", json=PAIR | {"code": codes[0]}).status_code == 429, "a right one waits, too"


def test_it_is_turned_off_with_password_and_code(
    app: FastAPI, browser: TestClient, enrolled: tuple[pyotp.TOTP, list[str]]
) -> None:
    _, codes = enrolled
    refused = browser.post(f"{PATH}/remove", json={"password": PASSWORD, "code": "000000"})
    assert refused.status_code == 401
    renewed = browser.post(f"{PATH}/recovery-codes", json={"password": PASSWORD, "code": codes[0]})
    assert renewed.status_code == 200, renewed.text
    assert not set(renewed.json()["codes"]) & set(codes)
    removed = browser.post(f"{PATH}/remove", json={"password": PASSWORD, "code": renewed.json()["codes"][0]})
    assert removed.status_code == 204, removed.text
    assert TestClient(app).post("/v1/sessions", json=PAIR).status_code == 201


def test_a_key_has_none_and_every_route_is_asked(ada: Known) -> None:
    for route in router.routes:
        method = next(iter(route.methods))  # type: ignore[attr-defined]  # routes of FastAPI have them
        body = {} if method == "GET" else {"json": {"password": PASSWORD, "code": "123456"}}
        if route.path == PATH and method == "POST":  # type: ignore[attr-defined]  # same
            body = {"json": {"password": PASSWORD}}
        if route.path.endswith("/confirm"):  # type: ignore[attr-defined]  # same
            body = {"json": {"code": "123456"}}
        assert ada.client.request(method, route.path, **body).status_code == 403  # type: ignore[attr-defined, arg-type]


def test_no_secret_of_it_is_in_the_audit_log(
    browser: TestClient, enrolled: tuple[pyotp.TOTP, list[str]], session: Session
) -> None:
    authenticator, codes = enrolled
    browser.post(f"{PATH}/recovery-codes", json={"password": PASSWORD, "code": codes[0]})
    entries = session.scalars(select(AuditEntry)).all()
    assert {"begin_second_factor", "confirm_second_factor", "renew_recovery_codes"} <= {each.action for each in entries}
    kept = str([each.detail for each in entries])
    assert not any(secret in kept for secret in (authenticator.secret, PASSWORD, *codes))


def test_a_letter_for_a_forgotten_password_does_not_go_around_it(
    app: FastAPI, session: Session, settings: Settings, enrolled: tuple[pyotp.TOTP, list[str]]
) -> None:

    found = people.user_by_email(session, EMAIL)
    assert found is not None
    token = users.forgotten(session, settings, found[0], datetime.now(UTC) + timedelta(hours=1))
    session.commit()
    other, chosen = TestClient(app), "yet another quiet harbour"
    assert other.post("/v1/invitations/accept", json={"token": token, "password": chosen}).status_code == 200
    told = other.post("/v1/sessions", json={"email": EMAIL, "password": chosen})
    assert (told.status_code, told.json()["errors"][0]["type"]) == (401, "second_factor")


def test_the_operator_takes_a_lost_one_away(
    session: Session,
    browser: TestClient,
    enrolled: tuple[pyotp.TOTP, list[str]],
    app: FastAPI,
) -> None:

    found = people.user_by_email(session, EMAIL)
    assert found is not None
    assert factors.forget(session, found[0])
    session.commit()
    assert not factors.forget(session, found[0])
    assert browser.get("/v1/me").status_code == 401, "every session has ended"
    assert TestClient(app).post("/v1/sessions", json=PAIR).status_code == 201
