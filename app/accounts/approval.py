"""Whether an organisation may act: new ones wait for approval, suspended ones are refused with the reason."""

from app.accounts.tables import Account
from app.errors import Forbidden
from app.identity import AccountStatus


def insist(account: Account) -> None:
    """Raise Forbidden, with the reason, unless the organisation is active."""
    if account.status is AccountStatus.PENDING:
        raise Forbidden(f"{account.name!r} has registered and waits for an administrator's approval; try again later")
    if account.status is AccountStatus.SUSPENDED:
        reason = f": {account.status_reason}" if account.status_reason else ""
        raise Forbidden(f"{account.name!r} is suspended{reason}; an administrator can lift this")
