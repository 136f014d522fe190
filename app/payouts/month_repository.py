"""SQL of what organisations earned and spent in a period: sums of the ledger's entries."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from app.payouts import repository
from app.payouts.sales import FEE, SALE
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


@dataclass(frozen=True)
class JobSum:
    """What one job came to, by the sign of its entries' sum, and the last one's time; ``rows_of`` a dataset apart."""

    job_id: uuid.UUID
    last: datetime
    amount: int
    rows_of: str | None


def earned_by_job(
    session: Session, owner_id: uuid.UUID, since: datetime, before: datetime, currency: str
) -> list[JobSum]:
    """What each job brought a provider in a period, disputes counted, and what rows were bought for."""
    return _sums_by_job(session, owner_id, since, before, currency, _EARNING)


def rows_bought(
    session: Session, buyer_id: uuid.UUID, since: datetime, before: datetime, currency: str
) -> list[JobSum]:
    """What a buyer paid for rows in a period, fees counted."""
    sums = _sums_by_job(session, buyer_id, since, before, currency, (SALE, FEE))
    return [replace(each, amount=-each.amount) for each in sums]


def _sums_by_job(
    session: Session, owner_id: uuid.UUID, since: datetime, before: datetime, currency: str, codes: Sequence[str]
) -> list[JobSum]:
    amount, last = _owned_effect(), func.max(LedgerTransfer.created_at)
    rows_of = case((LedgerTransfer.code.in_((SALE, FEE)), LedgerTransfer.reference), else_=None)
    query = (
        _owned(owner_id, amount)
        .where(
            LedgerTransfer.job_id.is_not(None),
            LedgerTransfer.code.in_(codes),
            LedgerTransfer.created_at >= since,
            LedgerTransfer.created_at < before,
            LedgerAccount.currency == currency,
        )
        .with_only_columns(LedgerTransfer.job_id, last, func.sum(amount), rows_of.label("rows_of"))
        .group_by(LedgerTransfer.job_id, literal_column("rows_of"))
        .order_by(last, LedgerTransfer.job_id)
    )
    return [JobSum(job, moment, int(total), of) for job, moment, total, of in session.execute(query) if job is not None]


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
_EARNING = ("payout", "accrue", "hold", "dispute", "dispute_lost", "void_lifted", SALE)
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
