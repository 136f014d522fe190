"""An organisation's money by month: what its statement's entries come to, and what each settled job came to."""

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy.orm import Session

from app.payouts import month_repository
from app.payouts.sales import FEE, SALE

# what a month's document is about: settlements, and what disputes took back
BILLED = frozenset(
    {"settle", "payout", "accrue", "hold", "void", "void_lifted", "dispute", "dispute_won", "dispute_lost", SALE, FEE}
)


@dataclass(frozen=True)
class MonthTotal:
    """One month in one currency, in minor units: positive and negative entries' sums, and the sums by code."""

    month: date
    currency: str
    came_in: int
    went_out: int
    by_code: dict[str, int]

    @property
    def billed(self) -> bool:
        """Whether anything was settled in it."""
        return not BILLED.isdisjoint(self.by_code)


@dataclass(frozen=True)
class JobTotal:
    """What one job came to in a period, and when it was settled or disputed last. ``rows_of``: what the rows of that
    dataset came to, which were bought after the job."""

    job_id: uuid.UUID
    on: date
    amount: int
    rows_of: str | None = None


def totals(session: Session, owner_id: uuid.UUID) -> list[MonthTotal]:
    """Months in which money of an organisation moved, newest first."""
    sums: dict[tuple[date, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for month, currency, code, came_in, went_out in month_repository.sums_by_month(session, owner_id):
        sums[month, currency][code] = came_in, went_out
    return [
        MonthTotal(
            month,
            currency,
            sum(each[0] for each in codes.values()),
            sum(each[1] for each in codes.values()),
            {code: sum(each) for code, each in codes.items()},
        )
        for (month, currency), codes in sorted(sums.items(), key=lambda item: (item[0][0], item[0][1]), reverse=True)
    ]


def jobs(
    session: Session, owner_id: uuid.UUID, first: date, ends: date, currency: str, *, provider: bool
) -> list[JobTotal]:
    """What each job came to for its provider (earned), or its buyer (spent), from ``first`` until before ``ends``."""
    period = (_midnight(first), _midnight(ends))
    if provider:
        rows = month_repository.earned_by_job(session, owner_id, *period, currency)
        return [_total(row) for row in rows if row.amount]
    spent: dict[uuid.UUID, int] = defaultdict(int)
    when: dict[uuid.UUID, datetime] = {}
    for settlement in month_repository.settlements_of_buyer(session, owner_id, *period, currency):
        plan = settlement.settled
        spent[settlement.valuation_id] += plan.fee + plan.compute + sum(line.amount for line in plan.lines)
        when[settlement.valuation_id] = settlement.created_at
    for job, moment, amount in month_repository.won_back(session, owner_id, *period, currency):
        spent[job] -= amount
        when[job] = max(moment, when.get(job, moment))
    per_job = [JobTotal(job, when[job].astimezone(UTC).date(), amount) for job, amount in spent.items() if amount]
    bought = [_total(row) for row in month_repository.rows_bought(session, owner_id, *period, currency)]
    return sorted([*per_job, *bought], key=lambda each: (each.on, each.job_id, each.rows_of or ""))


def _total(row: month_repository.JobSum) -> JobTotal:
    return JobTotal(row.job_id, row.last.astimezone(UTC).date(), row.amount, row.rows_of)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
