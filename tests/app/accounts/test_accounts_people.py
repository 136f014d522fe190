"""What the users' tables answer: present users only, sessions whatever their state, and never another's user."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.accounts import people
from app.accounts.tables import User, UserSession
from app.http.pages import PageRequest

NOW = datetime.now(UTC)


@pytest.fixture
def ada(session: Session, buyer: Any) -> User:
    user = User(account_id=buyer.account.id, email="ada@harbour.example", name="Ada", invitation="f" * 64)
    people.add(session, user)
    return user


def begin(session: Session, user: User, fingerprint: str, expires_at: datetime = NOW + timedelta(hours=1)) -> Any:
    row = UserSession(user_id=user.id, fingerprint=fingerprint, expires_at=expires_at)
    people.add(session, row)
    return row


def ended(session: Session, *rows: UserSession) -> list[bool]:
    for row in rows:
        session.refresh(row)
    return [row.ended_at is not None for row in rows]


def test_a_user_is_found_by_address_and_by_invitation_with_its_organisation(
    session: Session, buyer: Any, ada: User
) -> None:
    assert people.user_by_email(session, "ada@harbour.example") == (ada, buyer.account)
    assert people.user_by_email(session, "bob@harbour.example") is None
    assert people.user_by_invitation(session, "f" * 64) is ada
    assert people.user_by_invitation(session, "0" * 64) is None


def test_a_removed_user_is_found_by_nobody_and_leaves_the_address_free(session: Session, buyer: Any, ada: User) -> None:
    ada.removed_at = NOW
    session.flush()
    assert people.user_by_email(session, ada.email) is None
    assert people.user_by_invitation(session, "f" * 64) is None
    assert people.count_users(session, buyer.account.id) == 0
    people.add(session, User(account_id=buyer.account.id, email=ada.email, name="Ada again"))
    assert people.count_users(session, buyer.account.id) == 1


def test_an_organisation_lists_and_opens_only_its_own_users(
    session: Session, buyer: Any, provider: Any, ada: User
) -> None:
    page = PageRequest(10, None, b"secret")
    assert people.own_users(session, buyer.account.id, page) == ([ada], None)
    assert people.own_users(session, provider.account.id, page) == ([], None)
    assert people.own_user(session, buyer.account.id, ada.id) is ada
    assert people.own_user(session, provider.account.id, ada.id) is None


def test_ending_sessions_spares_one_at_most_and_nobody_else_s(session: Session, buyer: Any, ada: User) -> None:
    bob = User(account_id=buyer.account.id, email="bob@harbour.example", name="Bob")
    people.add(session, bob)
    one, two, other = begin(session, ada, "1"), begin(session, ada, "2"), begin(session, bob, "3")
    people.end_sessions(session, ada.id, NOW, but=two.id)
    assert ended(session, one, two, other) == [True, False, False]
    people.end_sessions(session, ada.id, NOW)
    assert ended(session, one, two, other) == [True, True, False]


def test_a_session_that_has_ended_is_still_answered_so_that_the_caller_decides(
    session: Session, buyer: Any, ada: User
) -> None:
    row = begin(session, ada, "1")
    people.end_sessions(session, ada.id, NOW)
    assert people.signed_in(session, "1") == (row, ada, buyer.account)
    assert people.signed_in(session, str(uuid.uuid4())) is None


def test_only_sessions_that_expired_before_the_moment_are_erased(session: Session, ada: User) -> None:
    begin(session, ada, "old", NOW - timedelta(days=2))
    begin(session, ada, "new", NOW - timedelta(hours=2))
    people.purge_sessions(session, NOW - timedelta(days=1))
    assert people.signed_in(session, "old") is None
    assert people.signed_in(session, "new") is not None
