"""A user sees the browsers in which it is signed in and signs any of them out; an unused one signs itself out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import own_sessions, sessions, users
from app.accounts.tables import User, UserSession
from app.errors import Unauthorized
from app.settings import Settings

PASSWORD = "a quiet harbour at dawn"
PAIR = {"email": "ada@harbour.example", "password": PASSWORD}
PATH = "/v1/me/sessions"


@pytest.fixture
def ada(buyer: Any, session: Session) -> User:
    user = users.create_user(session, buyer.account, PAIR["email"], "Ada", PASSWORD)
    session.commit()
    return user


def signed_in(app: FastAPI, pair: dict[str, str], called: str) -> TestClient:
    client = TestClient(app, headers={"User-Agent": called})
    answer = client.post("/v1/sessions", json=pair)
    assert answer.status_code == 201, answer.text
    client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return client


def used_ago(session: Session, token: str, settings: Settings, minutes: float) -> None:
    """As if the session had been begun, and last used, so long ago."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    session.execute(
        update(UserSession)
        .where(UserSession.fingerprint == sessions._fingerprint(settings, token))
        .values(created_at=then, last_used_at=then)
    )
    session.expire_all()


def test_a_user_sees_its_own_sessions_alone_and_which_is_at_hand(app: FastAPI, ada: User, provider: Any) -> None:
    del ada
    first, second = signed_in(app, PAIR, "first/1"), signed_in(app, PAIR, "second/2" + "x" * 300)
    found = second.get(PATH).json()["items"]
    assert [each["browser"][:8] for each in found] == ["second/2", "first/1"]
    assert max(len(each["browser"]) for each in found) == 200
    assert [each["current"] for each in found] == [True, False]
    assert [each["current"] for each in first.get(PATH).json()["items"]] == [False, True]
    # a key has none
    assert provider.client.get(PATH).status_code == 403


def test_one_is_ended_and_nobody_else_s(app: FastAPI, ada: User, buyer: Any, session: Session) -> None:
    del ada
    users.create_user(session, buyer.account, "bob@harbour.example", "Bob", PASSWORD)
    session.commit()
    here, there = signed_in(app, PAIR, "here"), signed_in(app, PAIR, "there")
    bob = signed_in(app, PAIR | {"email": "bob@harbour.example"}, "bob's")
    listed = {each["browser"]: each["id"] for each in here.get(PATH).json()["items"]}
    assert bob.delete(f"{PATH}/{listed['there']}").status_code == 404
    assert there.get("/v1/me").status_code == 200
    for _ in range(2):
        assert here.delete(f"{PATH}/{listed['there']}").status_code == 204
    assert there.get("/v1/me").status_code == 401
    assert [each["browser"] for each in here.get(PATH).json()["items"]] == ["here"]


def test_all_others_are_ended_at_once(app: FastAPI, ada: User) -> None:
    del ada
    here, *others = (signed_in(app, PAIR, name) for name in ("here", "there", "elsewhere"))
    assert here.delete(PATH).status_code == 204
    assert here.get("/v1/me").status_code == 200
    assert {each.get("/v1/me").status_code for each in others} == {401}


def test_whoever_may_invite_people_signs_one_of_them_out_and_nobody_of_another_organisation(
    app: FastAPI, ada: User, buyer: Any, provider: Any
) -> None:
    here = signed_in(app, PAIR, "here")
    path = f"/v1/users/usr_{ada.id.hex}/sessions"
    assert provider.client.delete(path).status_code == 404
    assert here.get("/v1/me").status_code == 200
    assert buyer.client.delete(path).status_code == 204
    assert here.get("/v1/me").status_code == 401
    assert signed_in(app, PAIR, "again").get("/v1/me").status_code == 200


def test_a_session_that_reads_nothing_for_long_ends_and_is_not_listed(
    ada: User, session: Session, settings: Settings
) -> None:
    idle = settings.session_idle_minutes
    kept, left = sessions.login(session, settings, ada), sessions.login(session, settings, ada)
    used_ago(session, kept, settings, idle - 1)
    used_ago(session, left, settings, idle + 1)
    assert sessions.caller_of_session(session, settings, kept).user_id == ada.id
    with pytest.raises(Unauthorized, match=f"not used for {idle:g} minutes"):
        sessions.caller_of_session(session, settings, left)
    caller = sessions.caller_of_session(session, settings, kept)
    assert [each.id for each in own_sessions.listed(session, settings, caller)] == [caller.session_id]


def test_reading_is_noted_once_a_minute_and_changing_is_not(ada: User, session: Session, settings: Settings) -> None:
    token = sessions.login(session, settings, ada)
    used_ago(session, token, settings, 5)
    of = select(UserSession.last_used_at).where(UserSession.user_id == ada.id)
    before = session.scalar(of)
    sessions.caller_of_session(session, settings, token)
    assert session.scalar(of) == before
    sessions.caller_of_session(session, settings, token, reading=True)
    noted = session.scalar(of)
    assert noted is not None
    assert before is not None
    assert noted > before
    session.expire_all()
    sessions.caller_of_session(session, settings, token, reading=True)
    assert session.scalar(of) == noted
