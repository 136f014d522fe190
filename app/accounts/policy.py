"""What an organisation demands of how its people sign in: whether a password alone is enough. Never commits.

A user without a second factor is not locked out: the session that a password begins is good for setting one up, and for
nothing else until that is done. Keys are programs' and have no second factor.
"""

from sqlalchemy.orm import Session

from app.accounts import people, repository
from app.accounts.service import get_account
from app.accounts.tables import User
from app.errors import FieldError, Forbidden, Unauthorized
from app.identity import SCOPES, Caller

# where a user without the second factor may go: to set one up, and to leave
_ENROLLING = (
    "/v1/me/second-factor",
    "/v1/me/passkeys",
    "/v1/sessions/current",
    "/second-factor",
    "/passkeys",
    "/logout",
)


class SecondFactorRequired(Forbidden):
    """The organisation demands a second factor, and this session was begun without one."""

    def __init__(self) -> None:
        detail = "your organisation demands a second factor; set one up first: an authenticator or a passkey"
        super().__init__(detail, errors=[FieldError("", detail, "second_factor_required")])


def insist(caller: Caller, path: str) -> None:
    """Raise SecondFactorRequired for a session that lacks what its organisation demands, but where it is set up."""
    if caller.enrolling and not any(path == each or path.startswith(each + "/") for each in _ENROLLING):
        raise SecondFactorRequired


def insist_on_passkey(session: Session, user: User) -> None:
    """Raise Unauthorized where a second factor is demanded and the user's are passkeys: a password then does nothing,
    setting up another factor included."""
    if get_account(session, user.account_id).second_factor_required and people.has_passkeys(session, user.id):
        detail = "your organisation demands a second factor, and yours is a passkey; sign in with it"
        raise Unauthorized(detail, errors=[FieldError("", detail, "passkey")])


def demanded(session: Session, caller: Caller) -> bool:
    """Whether the caller's organisation demands second factors of its people."""
    return get_account(session, caller.account_id).second_factor_required


def decide(session: Session, caller: Caller, *, second_factor_required: bool) -> bool:
    """Demand second factors of one's people, or no longer; sessions without one are held to it at once.

    Raises Forbidden for a key with less than all scopes of its role, as inviting does.
    """
    insist_on_all_scopes(caller)
    account = repository.locked_account(session, caller.account_id)
    if account is None:
        raise AssertionError("a caller's account exists")
    account.second_factor_required = second_factor_required
    session.flush()
    return account.second_factor_required


def insist_on_all_scopes(caller: Caller) -> None:
    """Raise Forbidden for a key that does not carry all scopes of its role."""
    if missing := sorted(SCOPES[caller.role] - caller.scopes):
        raise Forbidden(
            f"people can do all that a {caller.role.value} can, so who decides how they sign in needs all of its "
            f"scopes; this key lacks {', '.join(missing)}"
        )
