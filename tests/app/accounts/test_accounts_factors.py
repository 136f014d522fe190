"""Second factors: a code once and about its time, recovery codes once, nothing readable in the database."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from cryptography.exceptions import InvalidTag
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import factors, people, sessions, users
from app.accounts.tables import SecondFactor, User
from app.errors import Conflict, Forbidden, InvalidInput, Unauthorized
from app.identity import SCOPES, Caller, Role
from app.settings import Settings

PASSWORD = "a quiet harbour at dawn"
START = 1_800_000_000


@pytest.fixture
def ada(buyer: Any, session: Session) -> User:
    return users.create_user(session, buyer.account, "ada@harbour.example", "Ada", PASSWORD)


@pytest.fixture
def caller(ada: User, session: Session, settings: Settings) -> Caller:
    return sessions.caller_of_session(session, settings, sessions.login(session, settings, ada))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock by which codes are judged."""

    def move(seconds: int) -> None:
        monkeypatch.setattr(factors.time, "time", lambda: START + seconds)

    move(0)
    return move


@pytest.fixture
def enrolled(caller: Caller, session: Session, settings: Settings, at: Callable[[int], None]) -> tuple[str, list[str]]:
    """The authenticator's secret and the recovery codes of a user who confirmed at 0 seconds."""
    secret = factors.begin(session, settings, caller, PASSWORD).secret
    codes = factors.confirm(session, settings, caller, code(secret, 0))
    return secret, codes


def code(secret: str, seconds: int) -> str:
    return str(pyotp.TOTP(secret).at(START + seconds))


def right(session: Session, settings: Settings, user: User, sent: str) -> bool:
    try:
        factors.check(session, settings, user.id, sent)
    except Unauthorized:
        return False
    return True


def test_a_factor_counts_once_a_code_has_confirmed_it(
    ada: User, caller: Caller, session: Session, settings: Settings, at: Callable[[int], None]
) -> None:
    with pytest.raises(Unauthorized, match="password is wrong"):
        factors.begin(session, settings, caller, "another quiet harbour")
    with pytest.raises(Conflict, match="nothing is to be confirmed"):
        factors.confirm(session, settings, caller, "123456")
    first = factors.begin(session, settings, caller, PASSWORD)
    second = factors.begin(session, settings, caller, PASSWORD)
    assert first.secret != second.secret
    assert second.uri == f"otpauth://totp/Cherish:ada%40harbour.example?secret={second.secret}&issuer=Cherish"
    assert not factors.enabled(session, ada.id)
    with pytest.raises(InvalidInput, match="not the code of the moment"):
        factors.confirm(session, settings, caller, code(first.secret, 0))
    assert factors.state_of(session, caller).confirmed_at is None
    codes = factors.confirm(session, settings, caller, code(second.secret, 0))
    assert len(set(codes)) == 10
    assert factors.enabled(session, ada.id)
    assert factors.state_of(session, caller).recovery_codes == 10
    with pytest.raises(Conflict, match="already"):
        factors.begin(session, settings, caller, PASSWORD)


def test_a_code_is_taken_once_and_about_its_time(
    ada: User,
    enrolled: tuple[str, list[str]],
    session: Session,
    settings: Settings,
    at: Callable[[int], None],
) -> None:
    secret, _ = enrolled
    assert not right(session, settings, ada, code(secret, 0)), "the one that confirmed is used"
    assert not right(session, settings, ada, code(secret, 60)), "from a clock a minute ahead"
    assert right(session, settings, ada, code(secret, 30)), "a clock half a minute ahead"
    assert not right(session, settings, ada, code(secret, 30))
    at(300)
    assert not right(session, settings, ada, code(secret, 240)), "a minute old"
    assert right(session, settings, ada, f"{code(secret, 300)[:3]} {code(secret, 300)[3:]}"), "as apps show it"
    assert not right(session, settings, ada, code(secret, 270)), "one before a used one"
    for wrong in ("000000", "", "12345", "１２３４５６", "x" * 40, "\0"):
        assert not right(session, settings, ada, wrong)


def test_a_recovery_code_is_taken_once_and_only_of_its_user(
    ada: User, buyer: Any, enrolled: tuple[str, list[str]], caller: Caller, session: Session, settings: Settings
) -> None:
    _, codes = enrolled
    bob = users.create_user(session, buyer.account, "bob@harbour.example", "Bob", PASSWORD)
    other = sessions.caller_of_session(session, settings, sessions.login(session, settings, bob))
    secret = factors.begin(session, settings, other, PASSWORD).secret
    factors.confirm(session, settings, other, code(secret, 0))
    assert not right(session, settings, bob, codes[0])
    assert right(session, settings, ada, codes[0].upper().replace("-", " "))
    assert not right(session, settings, ada, codes[0])
    assert factors.state_of(session, caller).recovery_codes == 9
    renewed = factors.renew_recovery_codes(session, settings, caller, PASSWORD, codes[1])
    assert not right(session, settings, ada, codes[2]), "the earlier ones are gone"
    assert right(session, settings, ada, renewed[0])


def test_it_is_removed_with_password_and_code_only(
    ada: User, enrolled: tuple[str, list[str]], caller: Caller, session: Session, settings: Settings
) -> None:
    _, codes = enrolled
    with pytest.raises(Unauthorized, match="password is wrong"):
        factors.remove(session, settings, caller, "another quiet harbour", codes[0])
    with pytest.raises(Unauthorized, match="wrong, too old or was used"):
        factors.remove(session, settings, caller, PASSWORD, "123456")
    assert factors.enabled(session, ada.id)
    factors.remove(session, settings, caller, PASSWORD, codes[0])
    assert not factors.enabled(session, ada.id)
    with pytest.raises(Conflict, match="no second factor"):
        factors.remove(session, settings, caller, PASSWORD, codes[1])


def test_turning_it_on_ends_the_other_sessions(
    ada: User, caller: Caller, session: Session, settings: Settings, at: Callable[[int], None]
) -> None:
    other = sessions.login(session, settings, ada)
    secret = factors.begin(session, settings, caller, PASSWORD).secret
    factors.confirm(session, settings, caller, code(secret, 0))
    with pytest.raises(Unauthorized):
        sessions.signed_in(session, settings, other)


def test_the_database_holds_neither_the_secret_nor_a_code(
    enrolled: tuple[str, list[str]], session: Session, settings: Settings
) -> None:
    secret, codes = enrolled
    session.flush()
    stored = str([tuple(row) for row in session.execute(text("SELECT secret FROM second_factors"))])
    stored += str([tuple(row) for row in session.execute(text("SELECT fingerprint FROM recovery_codes"))])
    assert len(stored) > 200
    assert secret not in stored
    assert not any(each in stored or each.replace("-", "") in stored for each in codes)


def test_a_secret_belongs_to_its_user_and_to_the_pepper(
    ada: User, buyer: Any, enrolled: tuple[str, list[str]], session: Session, settings: Settings
) -> None:
    stored = people.second_factor(session, ada.id)
    assert stored is not None
    bob = users.create_user(session, buyer.account, "bob@harbour.example", "Bob", PASSWORD)
    session.add(SecondFactor(user_id=bob.id, secret=stored.secret, confirmed_at=stored.confirmed_at))
    session.flush()
    with pytest.raises(InvalidTag):
        factors.check(session, settings, bob.id, "123456")
    other = settings.model_copy(update={"key_pepper": SecretStr("x" * 40)})
    with pytest.raises(InvalidTag):
        factors.check(session, other, ada.id, "123456")


def test_a_key_has_no_second_factor(buyer: Any, session: Session, settings: Settings) -> None:
    caller = Caller(buyer.account.id, Role.BUYER, SCOPES[Role.BUYER], None)
    with pytest.raises(Forbidden):
        factors.state_of(session, caller)
    with pytest.raises(Forbidden):
        factors.begin(session, settings, caller, PASSWORD)
