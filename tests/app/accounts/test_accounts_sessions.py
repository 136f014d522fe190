"""Signing in: a right pair opens a session, everything else is told the same, and no secret is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.accounts import passwords, sessions, users
from app.accounts.tables import User, UserSession
from app.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthorized
from app.identity import SCOPES, AccountStatus, Caller, Role
from app.settings import Settings

PASSWORD = "a quiet harbour at dawn"


@pytest.fixture
def ada(buyer: Any, session: Session) -> User:
    return users.create_user(session, buyer.account, "Ada@Harbour.example", "Ada", PASSWORD)


def caller_for(user: User) -> Caller:
    return Caller(user.account_id, Role.BUYER, SCOPES[Role.BUYER], None, user.id)


def test_the_right_pair_opens_a_session_with_the_scopes_of_the_role(
    ada: User, session: Session, settings: Settings
) -> None:
    token = sessions.login(session, settings, sessions.user_of_pair(session, " ada@harbour.EXAMPLE ", PASSWORD))
    caller = sessions.caller_of_session(session, settings, token)
    assert caller == caller_for(ada)
    assert sessions.signed_in(session, settings, token).email == "ada@harbour.example"
    assert ada.last_login_at is not None


def test_what_is_wrong_with_a_pair_is_not_told(ada: User, session: Session, settings: Settings) -> None:
    invited, _ = users.invite(session, settings, caller_for(ada), "bob@harbour.example", "Bob")
    told = set()
    for email, password in [
        (ada.email, "another harbour"),
        ("nobody@harbour.example", PASSWORD),
        (invited.email, PASSWORD),
        # the stand-in that is verified against where there is no user
        ("nobody@harbour.example", "the password of a user who does not exist"),
    ]:
        with pytest.raises(Unauthorized) as refused:
            sessions.login(session, settings, sessions.user_of_pair(session, email, password))
        told.add(refused.value.detail)
    assert len(told) == 1


def test_an_unknown_user_costs_a_verification_too(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    real = passwords._hasher.verify_and_update
    monkeypatch.setattr(passwords._hasher, "verify_and_update", lambda p, h: verified.append(h) or real(p, h))
    with pytest.raises(Unauthorized):
        sessions.login(session, settings, sessions.user_of_pair(session, "nobody@harbour.example", PASSWORD))
    assert len(verified) == 1
    assert verified[0].startswith("$argon2id$")


def test_the_database_holds_neither_password_nor_token(ada: User, session: Session, settings: Settings) -> None:
    token = sessions.login(session, settings, sessions.user_of_pair(session, ada.email, PASSWORD))
    _, invitation = users.invite(session, settings, caller_for(ada), "bob@harbour.example", "Bob")
    for table in ("users", "user_sessions"):
        for (row,) in session.execute(text(f"SELECT t::text FROM {table} t")):  # noqa: S608  our own names
            for secret in (PASSWORD, token.split("_")[2], invitation.split("_")[2]):
                assert secret not in row
    assert ada.password_hash is not None
    assert ada.password_hash.startswith("$argon2id$")


def test_a_session_ends_by_logout_by_time_and_with_its_user(ada: User, session: Session, settings: Settings) -> None:
    first, second, third = (
        sessions.login(session, settings, sessions.user_of_pair(session, ada.email, PASSWORD)) for _ in range(3)
    )
    for _ in range(2):
        sessions.logout(session, settings, first)
    with pytest.raises(Unauthorized, match="has ended"):
        sessions.caller_of_session(session, settings, first)
    fingerprint = sessions._fingerprint(settings, second)
    session.execute(
        update(UserSession)
        .where(UserSession.fingerprint == fingerprint)
        .values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    )
    session.expire_all()
    with pytest.raises(Unauthorized, match="has ended"):
        sessions.caller_of_session(session, settings, second)
    sessions.caller_of_session(session, settings, third)
    users.create_user(session, _account(session, ada), "eve@harbour.example", "Eve", PASSWORD)
    users.remove(session, caller_for(ada), ada.id)
    session.expire_all()
    with pytest.raises(Unauthorized, match="has ended"):
        sessions.caller_of_session(session, settings, third)
    with pytest.raises(Unauthorized):
        sessions.login(session, settings, sessions.user_of_pair(session, "ada@harbour.example", PASSWORD))


def _account(session: Session, user: User) -> Any:
    from app.accounts import repository

    return repository.account(session, user.account_id)


def test_one_user_is_signed_in_in_so_many_browsers_and_the_first_of_them_is_signed_out(
    ada: User, buyer: Any, session: Session, settings: Settings
) -> None:
    of_two = settings.model_copy(update={"max_sessions": 2})
    grace = users.create_user(session, buyer.account, "grace@harbour.example", "Grace", PASSWORD)
    another = sessions.login(session, of_two, grace)
    first, second, third = (sessions.login(session, of_two, ada) for _ in range(3))
    with pytest.raises(Unauthorized, match="this session has ended"):
        sessions.caller_of_session(session, settings, first)
    for token in (second, third, another):
        sessions.caller_of_session(session, settings, token)
    sessions.logout(session, settings, third)
    sessions.login(session, of_two, ada)
    assert sessions.caller_of_session(session, settings, second).user_id == ada.id


def test_a_key_is_no_session_and_a_session_no_key(
    ada: User, buyer: Any, client: Any, session: Session, settings: Settings
) -> None:
    token = sessions.login(session, settings, sessions.user_of_pair(session, ada.email, PASSWORD))
    assert client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    for wrong in (buyer.token, "nonsense"):
        with pytest.raises(Unauthorized, match="no such session"):
            sessions.caller_of_session(session, settings, wrong)


def test_a_suspended_organisation_signs_nobody_in_and_its_sessions_and_keys_refuse_with_the_reason(
    ada: User, buyer: Any, session: Session, settings: Settings
) -> None:
    token = sessions.login(session, settings, sessions.user_of_pair(session, ada.email, PASSWORD))
    account = _account(session, ada)
    account.status, account.status_reason = AccountStatus.SUSPENDED, "invoices are open"
    session.commit()
    with pytest.raises(Forbidden, match="suspended: invoices are open"):
        sessions.caller_of_session(session, settings, token)
    with pytest.raises(Forbidden, match="suspended: invoices are open"):
        sessions.login(session, settings, sessions.user_of_pair(session, ada.email, PASSWORD))
    refused = buyer.client.get("/v1/me")
    assert (refused.status_code, "invoices are open" in refused.json()["detail"]) == (403, True)


def test_an_invitation_sets_a_password_once(ada: User, session: Session, settings: Settings) -> None:
    bob, token = users.invite(session, settings, caller_for(ada), "bob@harbour.example", "Bob")
    with pytest.raises(InvalidInput, match="12 to 200"):
        users.accept(session, settings, token, "short")
    users.accept(session, settings, token, PASSWORD)
    assert sessions.caller_of_session(
        session, settings, sessions.login(session, settings, sessions.user_of_pair(session, bob.email, PASSWORD))
    )
    with pytest.raises(NotFound):
        users.accept(session, settings, token, PASSWORD)
    _, late = users.invite(session, settings, caller_for(ada), "eve@harbour.example", "Eve")
    session.execute(update(User).where(User.name == "Eve").values(invited_until=datetime.now(UTC)))
    session.expire_all()
    with pytest.raises(NotFound):
        users.accept(session, settings, late, PASSWORD)


def test_a_changed_password_ends_every_session(ada: User, session: Session, settings: Settings) -> None:
    token = sessions.login(session, settings, sessions.user_of_pair(session, ada.email, PASSWORD))
    with pytest.raises(Unauthorized, match="present password"):
        users.change_password(session, caller_for(ada), "wrong", "another quiet harbour")
    users.change_password(session, caller_for(ada), PASSWORD, "another quiet harbour")
    session.expire_all()
    with pytest.raises(Unauthorized):
        sessions.caller_of_session(session, settings, token)
    sessions.login(session, settings, sessions.user_of_pair(session, ada.email, "another quiet harbour"))


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaaaa", "ada@harbour.example", "x" * 201])
def test_passwords_that_can_be_guessed_are_refused(buyer: Any, session: Session, password: str) -> None:
    with pytest.raises(InvalidInput):
        users.create_user(session, buyer.account, "ada@harbour.example", "Ada", password)


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@harbour.example", "a b@c.example", "ada@harbour", "a" * 300])
def test_what_is_no_address_is_refused(buyer: Any, session: Session, email: str) -> None:
    with pytest.raises(InvalidInput, match="email address"):
        users.create_user(session, buyer.account, email, "Ada", PASSWORD)


def test_an_address_belongs_to_one_user_of_the_deployment(
    ada: User, provider: Any, session: Session, settings: Settings
) -> None:
    with pytest.raises(Conflict, match="belongs to a user"):
        users.create_user(session, provider.account, "ADA@harbour.example", "Ada", PASSWORD)
    users.create_user(session, _account(session, ada), "eve@harbour.example", "Eve", PASSWORD)
    users.remove(session, caller_for(ada), ada.id)
    users.create_user(session, provider.account, "ADA@harbour.example", "Ada", PASSWORD)


def test_the_last_user_stays_and_anothers_user_does_not_exist(ada: User, session: Session, provider: Any) -> None:
    with pytest.raises(Conflict, match="last user"):
        users.remove(session, caller_for(ada), ada.id)
    stranger = Caller(provider.account.id, Role.PROVIDER, frozenset(), None, None)
    with pytest.raises(NotFound):
        users.remove(session, stranger, ada.id)
