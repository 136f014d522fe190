"""SQL of what organisations earned and spent in a period: sums of the ledger's entries."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.payouts import repository
from app.payouts.tables import LedgerAccount, LedgerTransfer, Settlement


def sums_by_month(session: Session, owner_id: uuid.UUID) -> list[tuple[date, str, str, int, int]]:
    """What an organisation's entries come to: (first day of the month by UTC, currency, code, sum of those above zero,
    sum of those below)."""
    amount, month = _owned_effect(), func.date_trunc("month", func.timezone("UTC", LedgerTransfer.created_at))
    query = (
        _owned(owner_id, amount)
        .with_only_columns(
            month,
            LedgerAccount.currency,
            LedgerTransfer.code,
            func.sum(func.greatest(amount, 0)),
            func.sum(func.least(amount, 0)),
        )
        .group_by(month, LedgerAccount.currency, LedgerTransfer.code)
    )
    return [(each[0].date(), each[1], each[2], int(each[3]), int(each[4])) for each in session.execute(query)]


def earned_by_job(
    session: Session, owner_id: uuid.UUID, since: datetime, before: datetime, currency: str
) -> list[tuple[uuid.UUID, datetime, int]]:
    """What each job brought a provider in a period, disputes counted: (job, the last entry's time, amount)."""
    amount, last = _owned_effect(), func.max(LedgerTransfer.created_at)
    query = (
        _owned(owner_id, amount)
        .where(
            LedgerTransfer.job_id.is_not(None),
            LedgerTransfer.code.in_(_EARNING),
            LedgerTransfer.created_at >= since,
            LedgerTransfer.created_at < before,
            LedgerAccount.currency == currency,
        )
        .with_only_columns(LedgerTransfer.job_id, last, func.sum(amount))
        .group_by(LedgerTransfer.job_id)
        .order_by(last, LedgerTransfer.job_id)
    )
    return [(job, moment, int(total)) for job, moment, total in session.execute(query) if job is not None]


def settlements_of_buyer(
    session: Session, buyer_id: uuid.UUID, since: datetime, before: datetime, currency: str
) -> Sequence[Settlement]:
    """A buyer's settlements of a period."""
    query = select(Settlement).where(
        Settlement.buyer_id == buyer_id,
        Settlement.currency == currency,
        Settlement.created_at >= since,
        Settlement.created_at < before,
    )
    return session.execute(query).scalars().all()


def won_back(
    session: Session, buyer_id: uuid.UUID, since: datetime, before: datetime, currency: str
) -> list[tuple[uuid.UUID, datetime, int]]:
    """What disputes brought back to a buyer in a period: (job, time, amount)."""
    query = (
        select(LedgerTransfer.job_id, LedgerTransfer.created_at, LedgerTransfer.amount)
        .join(LedgerAccount, LedgerAccount.id == LedgerTransfer.credit_id)
        .where(
            LedgerAccount.owner_id == buyer_id,
            LedgerTransfer.code == "dispute_won",
            LedgerTransfer.created_at >= since,
            LedgerTransfer.created_at < before,
            LedgerTransfer.currency == currency,
        )
    )
    return [(job, moment, amount) for job, moment, amount in session.execute(query) if job is not None]


# the codes by which a job's money reaches or leaves what is a provider's
_EARNING = ("payout", "accrue", "hold", "dispute", "dispute_lost")
_HELD = aliased(LedgerTransfer)


def _owned_effect() -> ColumnElement[int]:
    return repository.effect(func.coalesce(_HELD.amount, 0))


def _owned(owner_id: uuid.UUID, amount: ColumnElement[int]) -> Select[Any]:
    """The entries of an organisation's accounts, to be summed."""
    return (
        select(LedgerTransfer.id)
        .join(
            LedgerAccount,
            or_(LedgerTransfer.debit_id == LedgerAccount.id, LedgerTransfer.credit_id == LedgerAccount.id),
        )
        .outerjoin(_HELD, _HELD.id == LedgerTransfer.pending_id)
        .where(LedgerAccount.owner_id == owner_id, amount != 0)
    )
