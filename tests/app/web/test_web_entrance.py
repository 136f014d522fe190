"""Ways in: signing up with or without approval, a forgotten password that tells nobody who is here, changing it."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import users
from app.accounts.tables import Account
from app.audit.tables import AuditEntry
from app.identity import AccountStatus
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]

Open = Callable[[], Browser]
PHRASE, OTHER = "a quiet harbour at dawn", "seven copper kettles sing"
FIELDS = {
    "organisation": "北京大学人民医院", "role": "buyer", "name": "Ada", "email": "ada@harbour.example",
    "password": PHRASE,
}  # fmt: skip


@pytest.fixture
def set_to(app: FastAPI) -> Callable[..., None]:
    def change(**settings: Any) -> None:
        app.state.settings = app.state.settings.model_copy(update=settings)

    return change


@pytest.fixture
def letters(set_to: Callable[..., None], tmp_path: Path) -> Callable[[], list[Any]]:
    """The letters that were sent, oldest first."""
    set_to(mail="file", mail_folder=str(tmp_path / "mail"))

    def read() -> list[Any]:
        files = sorted((tmp_path / "mail").glob("*.eml"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    return read


def token_in(letter: Any) -> str:
    return re.search(r"invitation\?token=(\S+)", letter.get_content())[1]  # type: ignore[index]  # it is there


def test_where_registration_is_closed_the_page_says_whom_to_ask(browser: Open) -> None:
    here = browser()
    assert "operator of this market adds them" in here.get("/signup").text
    assert here.fill("/signup", "/signup", **FIELDS).status_code == 403
    assert "/signup" not in here.get("/").text


def test_who_signs_up_waits_for_approval_and_is_told_so_at_the_login(
    browser: Open, set_to: Callable[..., None], session: Session
) -> None:
    set_to(registration="approval")
    here = browser()
    assert "/signup" in here.get("/").text
    answer = here.fill("/signup", "/signup", **FIELDS)
    assert answer.status_code == 202
    assert "Waiting for approval" in answer.text
    refused = here.fill("/login", "/login", email=FIELDS["email"], password=PHRASE)
    assert refused.status_code == 403
    assert "approv" in refused.text
    session.scalars(select(Account).where(Account.name == FIELDS["organisation"])).one().status = AccountStatus.ACTIVE
    session.commit()
    assert here.fill("/login", "/login", email=FIELDS["email"], password=PHRASE).headers["location"] == "/jobs"


def test_where_registration_is_open_who_signs_up_is_in(browser: Open, set_to: Callable[..., None]) -> None:
    set_to(registration="open")
    here = browser()
    answer = here.fill("/signup", "/signup", **FIELDS | {"role": "provider"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets")
    shown = here.get("/datasets").text
    assert "Ada, 北京大学人民医院" in shown


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"organisation": ""}, "organisation"),
        ({"role": "admin"}, "role"),
        ({"name": ""}, "name"),
        ({"email": "x"}, "email"),
    ],
)
def test_a_mistake_is_said_of_its_field_and_everything_else_stays(
    browser: Open, set_to: Callable[..., None], session: Session, wrong: dict[str, str], field: str
) -> None:
    set_to(registration="open")
    answer = browser().fill("/signup", "/signup", **FIELDS | wrong)
    assert answer.status_code == 422
    assert field in re.search(r'data-fields="([^"]*)"', answer.text)[1]  # type: ignore[index]  # it is there
    kept = FIELDS["organisation"] if field != "organisation" else FIELDS["email"]
    assert f'value="{kept}"' in answer.text
    assert PHRASE not in answer.text
    assert session.scalars(select(Account).where(Account.name == FIELDS["organisation"])).all() == []


def test_a_forgotten_password_is_set_by_a_letter_once_and_ends_all_sessions(
    browser: Open, buyer: Known, session: Session, letters: Callable[[], list[Any]]
) -> None:
    users.create_user(session, buyer.account, FIELDS["email"], "Ada", PHRASE)
    session.commit()
    inside = browser()
    assert inside.fill("/login", "/login", email=FIELDS["email"], password=PHRASE).status_code == 303
    here = browser()
    known = here.fill("/forgotten", "/forgotten", email=FIELDS["email"])
    unknown = here.fill("/forgotten", "/forgotten", email="nobody@harbour.example")
    assert known.status_code == unknown.status_code == 200
    same = [re.sub(r'content="[^"]*"|value="[^"]*"|\S+@harbour.example', "", each.text) for each in (known, unknown)]
    assert same[0] == same[1], "neither says whether the address is known"
    (letter,) = letters()
    assert letter["To"] == FIELDS["email"]
    here.fill("/forgotten", "/forgotten", email=FIELDS["email"])
    assert len(letters()) == 1, "nobody's mailbox is filled"
    assert inside.get("/jobs").status_code == 200, "asking changes nothing"

    token = token_in(letter)
    assert here.fill("/invitation", "/invitation", token=token, password=OTHER).status_code == 303
    assert inside.get("/jobs").status_code == 303
    assert here.fill("/invitation", "/invitation", token=token, password=PHRASE).status_code == 404
    assert here.fill("/login", "/login", email=FIELDS["email"], password=PHRASE).status_code == 401
    assert here.fill("/login", "/login", email=FIELDS["email"], password=OTHER).status_code == 303
    recorded = str([entry.detail for entry in session.scalars(select(AuditEntry))])
    assert token not in recorded
    assert OTHER not in recorded


def test_programs_ask_for_the_letter_too(
    app: FastAPI, client: Any, buyer: Known, session: Session, letters: Callable[[], list[Any]]
) -> None:
    users.create_user(session, buyer.account, FIELDS["email"], "Ada", PHRASE)
    session.commit()
    for address in (FIELDS["email"], "nobody@harbour.example"):
        answer = client.post("/v1/password-resets", json={"email": address})
        assert (answer.status_code, answer.json()) == (202, {"reset_minutes": 60.0})
    (letter,) = letters()
    assert token_in(letter)


def test_an_invitation_is_mailed_and_shown(browser: Open, buyer: Known, letters: Callable[[], list[Any]]) -> None:
    here = browser().log_in(buyer)
    shown = here.fill("/people", "/people", name="Bo", email="bo@harbour.example").text
    (letter,) = letters()
    assert letter["To"] == "bo@harbour.example"
    assert token_in(letter) in shown
    assert here.fill("/invitation", "/invitation", token=token_in(letter), password=OTHER).status_code == 303


def test_a_user_changes_the_password_with_the_present_one_and_a_key_has_none(
    browser: Open, buyer: Known, session: Session
) -> None:
    users.create_user(session, buyer.account, FIELDS["email"], "Ada", PHRASE)
    session.commit()
    here = browser()
    here.fill("/login", "/login", email=FIELDS["email"], password=PHRASE)
    assert here.fill("/password", "/password", present=OTHER, password=OTHER).status_code == 401
    assert here.get("/jobs").status_code == 200
    answer = here.fill("/password", "/password", present=PHRASE, password=OTHER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert here.fill("/login", "/login", email=FIELDS["email"], password=OTHER).status_code == 303
    assert browser().log_in(buyer).get("/password").status_code == 403
