"""All SQL of the ledger. It reads, locks and appends; the triggers in ``ledger_ddl`` enforce the rules.

Locks are taken in one order everywhere (accounts by id), so that writers queue and do not deadlock.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.db.base import uuid7
from app.payouts.tables import (
    AccountKind,
    LedgerAccount,
    LedgerTransfer,
    OpenedDispute,
    Settlement,
    TransferState,
    VoidDispute,
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


def overdue(session: Session, code: str, at: datetime, limit: int) -> list[LedgerTransfer]:
    """Pending transfers of one kind whose time has come, not resolved and not disputed, oldest first."""
    resolution = aliased(LedgerTransfer)
    disputed = select(VoidDispute.transfer_id).where(VoidDispute.transfer_id == LedgerTransfer.id).exists()
    return list(
        session.execute(
            select(LedgerTransfer)
            .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
            .where(
                LedgerTransfer.state == TransferState.PENDING,
                LedgerTransfer.code == code,
                LedgerTransfer.expires_at <= at,
                ~disputed,
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


def add_void_dispute(session: Session, dispute: VoidDispute) -> None:
    session.add(dispute)
    session.flush()


def void_dispute(session: Session, transfer_id: uuid.UUID) -> VoidDispute | None:
    """What its provider said against a void payout."""
    return session.get(VoidDispute, transfer_id, populate_existing=True)


def void_disputes(session: Session, limit: int) -> list[VoidDispute]:
    """Those of void payouts that nothing has ended, oldest first."""
    resolution = aliased(LedgerTransfer)
    query = (
        select(VoidDispute)
        .outerjoin(resolution, resolution.pending_id == VoidDispute.transfer_id)
        .where(resolution.id.is_(None))
        .order_by(VoidDispute.created_at, VoidDispute.transfer_id)
        .limit(limit)
    )
    return list(session.scalars(query))


def owned_accounts(session: Session, owner_id: uuid.UUID) -> list[LedgerAccount]:
    """All accounts of an organisation, as they are now, in the order of the chart."""
    rows = session.execute(
        select(LedgerAccount).where(LedgerAccount.owner_id == owner_id).execution_options(populate_existing=True)
    ).scalars()
    chart = list(AccountKind)
    return sorted(rows, key=lambda row: (row.currency, chart.index(row.kind), str(row.job_id)))


def accounts_of(session: Session, owner_ids: Collection[uuid.UUID]) -> Sequence[LedgerAccount]:
    """All accounts of several organisations, as they are now."""
    statement = select(LedgerAccount).where(LedgerAccount.owner_id.in_(owner_ids))
    return session.scalars(statement.execution_options(populate_existing=True)).all()


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
    amount = effect(func.coalesce(held.amount, 0))
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


def effect(set_aside: ColumnElement[int]) -> ColumnElement[int]:
    """What a transfer does to what is available on an account; a resolution first brings back what was set aside."""
    state = LedgerTransfer.state
    spent = case(
        (state == TransferState.POST, set_aside - LedgerTransfer.amount),
        (state.in_([TransferState.VOID, TransferState.EXPIRE]), set_aside),
        else_=-LedgerTransfer.amount,
    )
    received = case((state.in_([TransferState.POSTED, TransferState.POST]), LedgerTransfer.amount), else_=0)
    return case((LedgerTransfer.debit_id == LedgerAccount.id, spent), else_=received)
