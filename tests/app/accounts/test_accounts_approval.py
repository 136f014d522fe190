"""Only an active organisation may act; whoever is refused is told why, and what ends it."""

import pytest

from app.accounts.approval import insist
from app.accounts.tables import Account
from app.errors import Forbidden
from app.identity import AccountStatus, Role


def account(status: AccountStatus, reason: str | None = None) -> Account:
    return Account(name="Harbour", role=Role.PROVIDER, status=status, status_reason=reason)


def test_an_active_organisation_may_act() -> None:
    insist(account(AccountStatus.ACTIVE))


def test_a_new_one_is_told_that_it_waits_for_approval() -> None:
    with pytest.raises(Forbidden, match=r"'Harbour' has registered and waits for an administrator's approval"):
        insist(account(AccountStatus.PENDING))


def test_a_suspended_one_is_told_the_reason_where_there_is_one() -> None:
    with pytest.raises(Forbidden, match=r"'Harbour' is suspended: unpaid since May; an administrator can lift this"):
        insist(account(AccountStatus.SUSPENDED, "unpaid since May"))
    with pytest.raises(Forbidden, match=r"'Harbour' is suspended; an administrator can lift this"):
        insist(account(AccountStatus.SUSPENDED))


def test_every_status_but_active_is_refused() -> None:
    for status in set(AccountStatus) - {AccountStatus.ACTIVE}:
        with pytest.raises(Forbidden):
            insist(account(status))
