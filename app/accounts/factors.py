"""The second factor of a user: six digits of an authenticator (TOTP, RFC 6238), or one of ten codes for its loss.

The authenticator's secret must be read at each sign-in, so it is stored encrypted (AES-256-GCM, bound to its user)
under a key that is derived from the deployment's pepper: a dump of the database has none. A code works once, and within
a step of its time; a recovery code works once. Counting how often somebody tries is the callers'. Never commits.
"""

import hmac
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pyotp
from sqlalchemy.orm import Session

from app.accounts import passwords, people, sealing, tokens
from app.accounts.tables import SecondFactor, User
from app.errors import Conflict, FieldError, Forbidden, InvalidInput, Unauthorized
from app.identity import Caller
from app.settings import Settings

RECOVERY_CODES = 10
_STEP_SECONDS = 30
_PURPOSE = b"secrets of authenticators"
# clocks differ; a code is taken for the step before and after its own
_STEPS_AROUND = 1
# without letters and digits that are taken for each other
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


class SecondFactorNeeded(Unauthorized):
    """The password was right, and a code has to follow."""

    def __init__(self, user_id: uuid.UUID) -> None:
        detail = "this user signs in with a code, too; send the six digits of the authenticator, or a recovery code"
        super().__init__(detail, errors=[FieldError("/code", detail, "second_factor")])
        self.user_id = user_id


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator is told, this once: the secret in Base32, and the same as an address for its camera."""

    secret: str
    uri: str


@dataclass(frozen=True)
class FactorState:
    """Whether a user signs in with codes, since when, and how many recovery codes are left."""

    confirmed_at: datetime | None
    recovery_codes: int


def state_of(session: Session, caller: Caller) -> FactorState:
    """That of the signed-in user; raises Forbidden for a key."""
    user = user_of(session, caller)
    factor = people.second_factor(session, user.id)
    if factor is None or factor.confirmed_at is None:
        return FactorState(None, 0)
    return FactorState(factor.confirmed_at, people.count_recovery_codes(session, user.id))


def enabled(session: Session, user_id: uuid.UUID) -> bool:
    """Whether this user signs in with a code."""
    factor = people.second_factor(session, user_id)
    return factor is not None and factor.confirmed_at is not None


def begin(session: Session, settings: Settings, caller: Caller, password: str) -> Enrolment:
    """A new secret for the signed-in user, which counts once a code of it has been sent (``confirm``).

    Raises Unauthorized for a wrong password, Conflict where codes are in use already.
    """
    user = user_of(session, caller)
    insist_on_password(user, password)
    people.lock_account(session, user.account_id)
    factor = people.second_factor(session, user.id)
    if factor is not None and factor.confirmed_at is not None:
        raise Conflict("this user signs in with a code already; remove that second factor first")
    secret = pyotp.random_base32()
    if factor is None:
        factor = SecondFactor(user_id=user.id)
        session.add(factor)
    factor.secret, factor.last_step = sealing.seal(settings, _PURPOSE, user.id, secret), None
    session.flush()
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name="Cherish"))


def confirm(session: Session, settings: Settings, caller: Caller, code: str) -> list[str]:
    """Sign in with codes from now on: a code shows that the authenticator has the secret. Returns the recovery codes,
    which are shown this once; the user's other sessions end. Raises Conflict and InvalidInput."""
    user = user_of(session, caller)
    people.lock_account(session, user.account_id)
    factor = people.second_factor(session, user.id)
    if factor is None or factor.confirmed_at is not None:
        raise Conflict("nothing is to be confirmed; begin with POST /v1/me/second-factor")
    if not _is_code(settings, factor, code):
        detail = "this is not the code of the moment; look at the authenticator and at this machine's clock, try again"
        raise InvalidInput(detail, errors=[FieldError("/code", detail)])
    now = datetime.now(UTC)
    factor.confirmed_at = now
    people.end_sessions(session, user.id, now, but=caller.session_id)
    if caller.session_id is not None:
        people.strengthen(session, caller.session_id)
    return _new_recovery_codes(session, settings, user.id)


def check(session: Session, settings: Settings, user_id: uuid.UUID, code: str) -> None:
    """Raise Unauthorized unless this is the user's code of the moment, not used before, or an unused recovery code."""
    factor = people.second_factor(session, user_id, lock=True)
    if factor is None or factor.confirmed_at is None:
        raise Unauthorized("this user signs in without a code; leave it out")
    if _is_code(settings, factor, code):
        return
    if people.use_recovery_code(session, user_id, _fingerprint(settings, user_id, code), datetime.now(UTC)):
        return
    detail = "this code is wrong, too old or was used; send the next one, or a recovery code"
    raise Unauthorized(detail, errors=[FieldError("/code", detail, "second_factor")])


def remove(session: Session, settings: Settings, caller: Caller, password: str, code: str) -> None:
    """Sign in without codes again; needs password and code. The user's other sessions end."""
    user = user_of(session, caller)
    insist_on_password(user, password)
    if not enabled(session, user.id):
        raise Conflict("this user has no second factor")
    check(session, settings, user.id, code)
    people.drop_second_factor(session, user.id)
    people.end_sessions(session, user.id, datetime.now(UTC), but=caller.session_id)


def forget(session: Session, user: User) -> bool:
    """The operator's way where authenticator, recovery codes or passkeys are lost: the user signs in with the password
    alone, and every session ends. False where there was none of them."""
    had = enabled(session, user.id)
    people.drop_second_factor(session, user.id)
    had = people.drop_passkeys(session, user.id) or had
    people.end_sessions(session, user.id, datetime.now(UTC))
    return had


def renew_recovery_codes(session: Session, settings: Settings, caller: Caller, password: str, code: str) -> list[str]:
    """Ten new recovery codes in the place of those that are left; needs password and code."""
    user = user_of(session, caller)
    insist_on_password(user, password)
    if not enabled(session, user.id):
        raise Conflict("this user has no second factor")
    check(session, settings, user.id, code)
    return _new_recovery_codes(session, settings, user.id)


def user_of(session: Session, caller: Caller) -> User:
    """The signed-in user; raises Forbidden for a key."""
    user = people.own_user(session, caller.account_id, caller.user_id) if caller.user_id else None
    if user is None:
        raise Forbidden("a key has no second factor; sign in as a user to change that user's")
    return user


def insist_on_password(user: User, password: str) -> None:
    """Raise Unauthorized unless this is the user's password."""
    matches, _ = passwords.verify(password, user.password_hash)
    if not matches:
        detail = "the password is wrong; nothing was changed"
        raise Unauthorized(detail, errors=[FieldError("/password", detail)])


def _is_code(settings: Settings, factor: SecondFactor, code: str) -> bool:
    """Whether it is a code of about now; its step, and those before, are then used up."""
    digits = code.replace(" ", "")
    generator = pyotp.TOTP(sealing.opened(settings, _PURPOSE, factor.user_id, factor.secret))
    now = int(time.time()) // _STEP_SECONDS
    for step in range(now - _STEPS_AROUND, now + _STEPS_AROUND + 1):
        if factor.last_step is not None and step <= factor.last_step:
            continue
        if hmac.compare_digest(generator.generate_otp(step).encode(), digits.encode()):
            factor.last_step = step
            return True
    return False


def _new_recovery_codes(session: Session, settings: Settings, user_id: uuid.UUID) -> list[str]:
    codes = [_random_code() for _ in range(RECOVERY_CODES)]
    people.replace_recovery_codes(session, user_id, [_fingerprint(settings, user_id, code) for code in codes])
    return codes


def _random_code() -> str:
    """Six times four characters, 118 bits: enough that a fast hash of it cannot be tried out."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(6))


def _fingerprint(settings: Settings, user_id: uuid.UUID, code: str) -> str:
    plain = "".join(code.lower().replace("-", "").split())
    return tokens.fingerprint(f"recovery\0{user_id.hex}\0{plain}", settings.key_pepper.get_secret_value())
