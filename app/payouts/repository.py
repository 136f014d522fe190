"""All SQL of the ledger. It reads, locks and appends; the triggers in ``ledger_ddl`` enforce the rules.

Locks are taken in one order everywhere (accounts by id), so that writers queue and do not deadlock.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.db.base import uuid7
from app.payouts.tables import (
    AccountKind,
    LedgerAccount,
    LedgerSeal,
    LedgerTransfer,
    OpenedDispute,
    Settlement,
    TransferState,
)


@dataclass(frozen=True, order=True)
class AccountKey:
    """What makes an account of the chart unique. Ordered, so that several are opened in one order by everybody."""

    kind: str
    owner: str  # hex of the owner's id, or empty
    job: str  # hex of the job's id, or empty
    currency: str

    @classmethod
    def of(
        cls, kind: AccountKind, currency: str, *, owner: uuid.UUID | None = None, job: uuid.UUID | None = None
    ) -> "AccountKey":
        return cls(kind.value, owner.hex if owner else "", job.hex if job else "", currency)

    def row(self) -> dict[str, object]:
        """The columns of a new, empty account."""
        return {
            "id": uuid7(),
            "kind": AccountKind(self.kind),
            "owner_id": uuid.UUID(self.owner) if self.owner else None,
            "job_id": uuid.UUID(self.job) if self.job else None,
            "currency": self.currency,
            "may_overdraw": AccountKind(self.kind) is AccountKind.PAYMENT_CLEARING,
        }

    @property
    def where(self) -> ColumnElement[bool]:
        return and_(
            LedgerAccount.kind == AccountKind(self.kind),
            # not IS NOT DISTINCT FROM, for which Postgres would not use the unique index
            LedgerAccount.owner_id == uuid.UUID(self.owner) if self.owner else LedgerAccount.owner_id.is_(None),
            LedgerAccount.job_id == uuid.UUID(self.job) if self.job else LedgerAccount.job_id.is_(None),
            LedgerAccount.currency == self.currency,
        )


@dataclass(frozen=True)
class Entry:
    """One line of a statement: what a transfer did to the available money of one account."""

    position: int
    transfer_id: uuid.UUID
    account_id: uuid.UUID
    account: AccountKind
    currency: str
    amount: int  # signed, minor units
    code: str
    state: TransferState
    job_id: uuid.UUID | None
    reference: str | None
    created_at: datetime


def now(session: Session) -> datetime:
    """The transaction's time by the database's clock, the only clock used for money."""
    return session.execute(select(func.now())).scalar_one()


def open_accounts(session: Session, keys: Sequence[AccountKey]) -> dict[AccountKey, LedgerAccount]:
    """The accounts of ``keys``, opened where they did not exist, all locked until the transaction ends."""
    distinct = sorted(set(keys))
    where = or_(*(key.where for key in distinct))
    existing = session.execute(
        select(LedgerAccount.kind, LedgerAccount.currency, LedgerAccount.owner_id, LedgerAccount.job_id).where(where)
    )
    known = {AccountKey.of(kind, currency, owner=owner, job=job) for kind, currency, owner, job in existing}
    if missing := [key for key in distinct if key not in known]:
        # two who open the same account wait here for each other, holding no other account's lock yet
        session.execute(insert(LedgerAccount).values([key.row() for key in missing]).on_conflict_do_nothing())
    rows = lock_accounts(session, where)
    return {AccountKey.of(row.kind, row.currency, owner=row.owner_id, job=row.job_id): row for row in rows}


def lock_accounts(session: Session, where: ColumnElement[bool]) -> list[LedgerAccount]:
    """The matching accounts in the order of their ids, locked and freshly read."""
    return list(
        session.execute(
            select(LedgerAccount)
            .where(where)
            .order_by(LedgerAccount.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).scalars()
    )


def holdbacks(session: Session, job_id: uuid.UUID) -> list[LedgerAccount]:
    """A job's holdback accounts, locked."""
    return lock_accounts(session, and_(LedgerAccount.kind == AccountKind.HOLDBACK, LedgerAccount.job_id == job_id))


def get_account(session: Session, account_id: uuid.UUID) -> LedgerAccount:
    """One account, not locked: good for what never changes, its key."""
    return session.get_one(LedgerAccount, account_id)


def get_transfer(session: Session, transfer_id: uuid.UUID) -> LedgerTransfer | None:
    return session.get(LedgerTransfer, transfer_id)


def get_transfers(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, LedgerTransfer]:
    """Those of the transfers that exist, by id."""
    rows = session.execute(select(LedgerTransfer).where(LedgerTransfer.id.in_(ids))).scalars()
    return {row.id: row for row in rows}


def resolution_of(session: Session, pending_id: uuid.UUID) -> LedgerTransfer | None:
    """The row that resolved a pending transfer, if it has been resolved."""
    return session.execute(select(LedgerTransfer).where(LedgerTransfer.pending_id == pending_id)).scalar_one_or_none()


def add_transfers(session: Session, transfers: Sequence[LedgerTransfer]) -> dict[uuid.UUID, LedgerTransfer]:
    """Append transfers in the order given, one statement, all of them or none; returns them as stored, by id."""
    rows = [
        {
            "id": t.id,
            "debit_id": t.debit_id,
            "credit_id": t.credit_id,
            "amount": t.amount,
            "currency": t.currency,
            "state": t.state,
            "pending_id": t.pending_id,
            "code": t.code,
            "reference": t.reference,
            "job_id": t.job_id,
            "expires_at": t.expires_at,
        }
        for t in transfers
    ]
    added = {}
    if rows:
        inserted = session.scalars(insert(LedgerTransfer).values(rows).returning(LedgerTransfer))
        added = {row.id: row for row in inserted}
        # the trigger has changed balances that the session holds; only accounts are read anew, because expiring
        # everything would throw away changes that the caller has not flushed yet
        for loaded in list(session.identity_map.values()):
            if isinstance(loaded, LedgerAccount):
                session.expire(loaded)
    return added


def overdue(session: Session, at: datetime, limit: int) -> list[LedgerTransfer]:
    """Pending transfers whose time has come and that nothing has resolved, oldest first."""
    resolution = aliased(LedgerTransfer)
    return list(
        session.execute(
            select(LedgerTransfer)
            .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
            .where(
                LedgerTransfer.state == TransferState.PENDING,
                LedgerTransfer.expires_at <= at,
                resolution.id.is_(None),
            )
            .order_by(LedgerTransfer.position)
            .limit(limit)
        ).scalars()
    )


def pending_with_code(session: Session, code: str, limit: int) -> list[tuple[LedgerTransfer, uuid.UUID | None]]:
    """Unresolved pending transfers of one kind with the owner of the debited account, oldest first."""
    resolution = aliased(LedgerTransfer)
    rows = session.execute(
        select(LedgerTransfer, LedgerAccount.owner_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerTransfer.debit_id)
        .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
        .where(LedgerTransfer.state == TransferState.PENDING, LedgerTransfer.code == code, resolution.id.is_(None))
        .order_by(LedgerTransfer.position)
        .limit(limit)
    )
    return [(transfer, owner) for transfer, owner in rows]


def pending_of_owner(
    session: Session, owner_id: uuid.UUID, code: str, before: int | None, limit: int
) -> list[tuple[LedgerTransfer, TransferState | None]]:
    """An organisation's transfers of one kind that were set aside, newest first, below position ``before``, each with
    the state of its resolution."""
    resolution = aliased(LedgerTransfer)
    query = (
        select(LedgerTransfer, resolution.state)
        .join(LedgerAccount, LedgerAccount.id == LedgerTransfer.debit_id)
        .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
        .where(
            LedgerTransfer.state == TransferState.PENDING,
            LedgerTransfer.code == code,
            LedgerAccount.owner_id == owner_id,
        )
        .order_by(LedgerTransfer.position.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(LedgerTransfer.position < before)
    return [(transfer, state) for transfer, state in session.execute(query)]


def transfers_of_job(session: Session, job_id: uuid.UUID, code: str) -> list[tuple[LedgerTransfer, LedgerAccount]]:
    """A job's transfers of one kind with the account each one debited, oldest first."""
    rows = session.execute(
        select(LedgerTransfer, LedgerAccount)
        .join(LedgerAccount, LedgerAccount.id == LedgerTransfer.debit_id)
        .where(LedgerTransfer.job_id == job_id, LedgerTransfer.code == code)
        .order_by(LedgerTransfer.position)
    )
    return [(transfer, account) for transfer, account in rows]


def accounts_of_job(session: Session, job_id: uuid.UUID) -> list[LedgerAccount]:
    """A job's accounts as they are now, not locked."""
    query = select(LedgerAccount).where(LedgerAccount.job_id == job_id).order_by(LedgerAccount.id)
    return list(session.execute(query.execution_options(populate_existing=True)).scalars())


def jobs_in_dispute(session: Session, limit: int) -> list[uuid.UUID]:
    """Jobs with disputed money that nobody has decided on, longest waiting first."""
    query = (
        select(LedgerAccount.job_id)
        .where(
            LedgerAccount.kind == AccountKind.DISPUTE,
            LedgerAccount.job_id.is_not(None),
            LedgerAccount.credits_posted > LedgerAccount.debits_posted,
        )
        .order_by(LedgerAccount.created_at, LedgerAccount.id)
        .limit(limit)
    )
    return [job for job in session.execute(query).scalars() if job is not None]


def due_holdbacks(session: Session, at: datetime, limit: int) -> list[uuid.UUID]:
    """Jobs whose dispute window has ended and that still hold money back, longest ended first."""
    still_held = (
        select(LedgerAccount.id)
        .where(
            LedgerAccount.job_id == Settlement.valuation_id,
            LedgerAccount.kind == AccountKind.HOLDBACK,
            LedgerAccount.credits_posted > LedgerAccount.debits_posted,
        )
        .exists()
    )
    query = (
        select(Settlement.valuation_id)
        .where(Settlement.dispute_until <= at, still_held)
        .order_by(Settlement.dispute_until)
        .limit(limit)
    )
    return list(session.execute(query).scalars())


def get_settlement(session: Session, valuation_id: uuid.UUID) -> Settlement | None:
    return session.get(Settlement, valuation_id)


def add_settlement(session: Session, settlement: Settlement) -> None:
    session.add(settlement)
    session.flush()


def opened_dispute(session: Session, valuation_id: uuid.UUID) -> OpenedDispute | None:
    return session.get(OpenedDispute, valuation_id)


def add_dispute(session: Session, dispute: OpenedDispute) -> None:
    session.add(dispute)
    session.flush()


def owned_accounts(session: Session, owner_id: uuid.UUID) -> list[LedgerAccount]:
    """All accounts of an organisation, as they are now, in the order of the chart."""
    rows = session.execute(
        select(LedgerAccount).where(LedgerAccount.owner_id == owner_id).execution_options(populate_existing=True)
    ).scalars()
    chart = list(AccountKind)
    return sorted(rows, key=lambda row: (row.currency, chart.index(row.kind), str(row.job_id)))


def entries(
    session: Session,
    owner_id: uuid.UUID,
    *,
    currency: str | None,
    before: tuple[int, uuid.UUID] | None,
    limit: int,
) -> list[Entry]:
    """An organisation's entries, newest first, below (position, account id) ``before``.

    The amounts of an account's entries add up to what is available on it: setting money aside takes it away, and the
    resolution brings back what was not spent. A pending transfer that was resolved has the state of its resolution:
    only what still waits is shown as waiting.
    """
    held, resolution = aliased(LedgerTransfer), aliased(LedgerTransfer)
    amount = _effect(func.coalesce(held.amount, 0))
    query = (
        select(LedgerTransfer, LedgerAccount.id, LedgerAccount.kind, amount.label("effect"), resolution.state)
        .join(
            LedgerAccount,
            or_(LedgerTransfer.debit_id == LedgerAccount.id, LedgerTransfer.credit_id == LedgerAccount.id),
        )
        .outerjoin(held, held.id == LedgerTransfer.pending_id)
        .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
        .where(LedgerAccount.owner_id == owner_id, amount != 0)
        .order_by(LedgerTransfer.position.desc(), LedgerAccount.id.desc())
        .limit(limit)
    )
    if currency is not None:
        query = query.where(LedgerAccount.currency == currency)
    if before is not None:
        query = query.where(tuple_(LedgerTransfer.position, LedgerAccount.id) < before)
    return [
        Entry(
            position=transfer.position,
            transfer_id=transfer.id,
            account_id=account_id,
            account=kind,
            currency=transfer.currency,
            amount=int(effect),
            code=transfer.code,
            state=resolved or transfer.state,
            job_id=transfer.job_id,
            reference=transfer.reference,
            created_at=transfer.created_at,
        )
        for transfer, account_id, kind, effect, resolved in session.execute(query)
    ]


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
    return _effect(func.coalesce(_HELD.amount, 0))


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


def _effect(set_aside: ColumnElement[int]) -> ColumnElement[int]:
    """What a transfer does to what is available on an account; a resolution first brings back what was set aside."""
    state = LedgerTransfer.state
    spent = case(
        (state == TransferState.POST, set_aside - LedgerTransfer.amount),
        (state.in_([TransferState.VOID, TransferState.EXPIRE]), set_aside),
        else_=-LedgerTransfer.amount,
    )
    received = case((state.in_([TransferState.POSTED, TransferState.POST]), LedgerTransfer.amount), else_=0)
    return case((LedgerTransfer.debit_id == LedgerAccount.id, spent), else_=received)


def last_seal(session: Session) -> LedgerSeal | None:
    """The end of the chain; takes the sealers' lock, so that the chain has one end."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("ledger_seals"))))
    return last_link(session)


def last_link(session: Session) -> LedgerSeal | None:
    """The end of the chain as it is now."""
    return session.execute(
        select(LedgerSeal).order_by(LedgerSeal.day.desc(), LedgerSeal.number.desc()).limit(1)
    ).scalar_one_or_none()


def unsealed(session: Session, limit: int) -> list[LedgerTransfer]:
    """Transfers that no link of the chain covers yet, in the order of their positions."""
    return list(
        session.execute(
            select(LedgerTransfer)
            .outerjoin(LedgerSeal, LedgerSeal.transfer_id == LedgerTransfer.id)
            .where(LedgerSeal.transfer_id.is_(None))
            .order_by(LedgerTransfer.position)
            .limit(limit)
        ).scalars()
    )


def add_seals(session: Session, seals: Sequence[LedgerSeal]) -> None:
    rows = [{"day": s.day, "number": s.number, "transfer_id": s.transfer_id, "digest": s.digest} for s in seals]
    session.execute(insert(LedgerSeal), rows)


def chain(session: Session, after: tuple[date, int] | None, limit: int) -> list[tuple[LedgerSeal, LedgerTransfer]]:
    """Links with their transfers, in the chain's order, after a (day, number)."""
    query = (
        select(LedgerSeal, LedgerTransfer)
        .join(LedgerTransfer, LedgerTransfer.id == LedgerSeal.transfer_id)
        .order_by(LedgerSeal.day, LedgerSeal.number)
        .limit(limit)
    )
    if after is not None:
        day, number = after
        query = query.where(or_(LedgerSeal.day > day, and_(LedgerSeal.day == day, LedgerSeal.number > number)))
    return [(seal, transfer) for seal, transfer in session.execute(query)]


def counts(session: Session) -> tuple[int, int]:
    """How many transfers and how many seals there are."""
    transfers = session.execute(select(func.count()).select_from(LedgerTransfer)).scalar_one()
    seals = session.execute(select(func.count()).select_from(LedgerSeal)).scalar_one()
    return transfers, seals


def recomputed_balances(session: Session) -> list[tuple[LedgerAccount, int, int, int, int]]:
    """Each account with (debits posted, credits posted, debits pending, credits pending) summed anew from transfers."""
    resolution = aliased(LedgerTransfer)
    moved = case((LedgerTransfer.state.in_([TransferState.POSTED, TransferState.POST]), LedgerTransfer.amount), else_=0)
    open_ = case(
        (and_(LedgerTransfer.state == TransferState.PENDING, resolution.id.is_(None)), LedgerTransfer.amount), else_=0
    )
    facts = (
        select(
            LedgerTransfer.debit_id,
            LedgerTransfer.credit_id,
            moved.label("moved"),
            open_.label("open"),
        )
        .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
        .cte("facts")
    )
    debits = (
        select(facts.c.debit_id, func.sum(facts.c.moved).label("moved"), func.sum(facts.c.open).label("open"))
        .group_by(facts.c.debit_id)
        .cte("debits")
    )
    credits_ = (
        select(facts.c.credit_id, func.sum(facts.c.moved).label("moved"), func.sum(facts.c.open).label("open"))
        .group_by(facts.c.credit_id)
        .cte("credits")
    )
    query = (
        select(
            LedgerAccount,
            func.coalesce(debits.c.moved, 0),
            func.coalesce(credits_.c.moved, 0),
            func.coalesce(debits.c.open, 0),
            func.coalesce(credits_.c.open, 0),
        )
        .outerjoin(debits, debits.c.debit_id == LedgerAccount.id)
        .outerjoin(credits_, credits_.c.credit_id == LedgerAccount.id)
        .order_by(LedgerAccount.id)
        .execution_options(populate_existing=True)
    )
    return [(row[0], int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in session.execute(query)]
