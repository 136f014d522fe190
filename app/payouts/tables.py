"""The ledger's tables: accounts with running balances, transfers, settlements and the seals of the hash chain.

Transfers, settlements and seals are only ever inserted. Balances change by the trigger on transfers alone, and a CHECK
keeps them from going below zero (``ledger_ddl``). Ids of people and jobs are kept without foreign keys on purpose: the
ledger outlives the data it pays for, and the right to be forgotten must not be stopped by a bookkeeping row.
"""

import enum
import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped, closed_list, name_of
from app.payouts import ledger_ddl
from app.payouts.settled import SettledPlan
from contract.orders.policies import DisputeKind


class AccountKind(enum.Enum):
    """The chart of accounts."""

    BUYER_WALLET = "buyer_wallet"  # what a buyer has deposited and not spent
    ESCROW = "escrow"  # a job's pool between the reservation's posting and its division
    PROVIDER_PAYABLE = "provider_payable"  # what a provider can ask to be paid out
    PROVIDER_ACCRUED = "provider_accrued"  # earnings below the minimum payout, until they reach it
    HOLDBACK = "holdback"  # a provider's part of a job that waits for the dispute window to end
    DISPUTE = "dispute"  # a job's held money while its buyer's dispute is open
    PLATFORM_FEE = "platform_fee"
    COMPUTE_COST = "compute_cost"
    PAYMENT_CLEARING = "payment_clearing"  # the world outside: the only account that can go below zero


class TransferState(enum.Enum):
    """What a row of the ledger does. The last three resolve a pending transfer, once."""

    POSTED = "posted"
    PENDING = "pending"  # sets the amount aside at the debited account; the credited one has nothing yet
    POST = "post"  # the pending transfer happens, in full or in part; the rest returns
    VOID = "void"
    EXPIRE = "expire"


class LedgerAccount(Timestamped, Base):
    """One account of one currency. Balance = credits - debits; available = balance - what is set aside."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        UniqueConstraint("kind", "owner_id", "job_id", "currency", postgresql_nulls_not_distinct=True),
        CheckConstraint("may_overdraw OR credits_posted - debits_posted - debits_pending >= 0", name="funded"),
        CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name="totals",
        ),
        CheckConstraint("may_overdraw = (kind = 'payment_clearing')", name="overdraft"),
        Index("ix_ledger_accounts_job_id", "job_id", postgresql_where=text("job_id IS NOT NULL")),
        Index("ix_ledger_accounts_owner_id", "owner_id", postgresql_where=text("owner_id IS NOT NULL")),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[AccountKind] = mapped_column(closed_list(AccountKind))
    owner_id: Mapped[uuid.UUID | None]
    job_id: Mapped[uuid.UUID | None]
    currency: Mapped[str] = mapped_column(String(3))
    may_overdraw: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    debits_posted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credits_posted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    debits_pending: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credits_pending: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    @property
    def available(self) -> int:
        """Minor units that can be spent now."""
        return self.credits_posted - self.debits_posted - self.debits_pending


class LedgerTransfer(Base):
    """Money from the debited to the credited account; or the resolution of such a transfer that was pending.

    ``id`` is chosen by whoever asks, from what the transfer is for, so that asking twice cannot pay twice.
    """

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        CheckConstraint("(pending_id IS NULL) = (state IN ('posted', 'pending'))", name="resolves"),
        CheckConstraint("expires_at IS NULL OR state = 'pending'", name="expires"),
        UniqueConstraint("pending_id"),  # resolved once
        UniqueConstraint("position"),
        Index("ix_ledger_transfers_debit_id_position", "debit_id", "position"),
        Index("ix_ledger_transfers_credit_id_position", "credit_id", "position"),
        Index("ix_ledger_transfers_pending", "code", "position", postgresql_where=text("state = 'pending'")),
        Index("ix_ledger_transfers_job_id", "job_id", postgresql_where=text("job_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    debit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ledger_accounts.id"))
    credit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ledger_accounts.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[TransferState] = mapped_column(closed_list(TransferState))
    pending_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("ledger_transfers.id"))
    code: Mapped[str] = mapped_column(String(32))
    reference: Mapped[str | None] = mapped_column(String(200))
    job_id: Mapped[uuid.UUID | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Settlement(Timestamped, Base):
    """How a job's pool was divided: one per job, with the whole plan, so that every amount can be explained later."""

    __tablename__ = "payout_settlements"

    valuation_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    buyer_id: Mapped[uuid.UUID]
    currency: Mapped[str] = mapped_column(String(3))
    plan: Mapped[dict[str, Any]]
    plan_digest: Mapped[str] = mapped_column(String(64))
    # until then the buyer can open a dispute, and what is held stays held
    dispute_until: Mapped[datetime]

    @property
    def settled(self) -> SettledPlan:
        """The plan, read."""
        return SettledPlan.model_validate(self.plan)


class OpenedDispute(Timestamped, Base):
    """What a buyer said is wrong when it disputed a job: one dispute for each job. Whose money is in it, and how it
    ended, is in the ledger. Disputes from before they had a kind have no row."""

    __tablename__ = "payout_disputes"

    valuation_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[DisputeKind] = mapped_column(name_of(DisputeKind))
    reason: Mapped[str] = mapped_column(Text)


class VoidDispute(Timestamped, Base):
    """What a provider said against a void payout: one for each such transfer. ``asked_at``: when an administrator had
    rows opened once more, ``finding``: what was found then. How it ended is in the ledger."""

    __tablename__ = "payout_void_disputes"
    __table_args__ = (Index("ix_payout_void_disputes_valuation_id", "valuation_id"),)

    transfer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    valuation_id: Mapped[uuid.UUID]
    provider_id: Mapped[uuid.UUID]
    player_id: Mapped[uuid.UUID]
    reason: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    finding: Mapped[str | None] = mapped_column(Text)


class LedgerSeal(Base):
    """One link of a day's hash chain: sha256(the link before || the transfer's text). The first link of a day follows
    the last link of the day before it."""

    __tablename__ = "ledger_seals"
    __table_args__ = (UniqueConstraint("transfer_id"),)

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    transfer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ledger_transfers.id"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


def _attach_triggers() -> None:
    for table, statements in ledger_ddl.STATEMENTS.items():

        def create(_target: Any, connection: Any, statements: tuple[str, ...] = statements, **_: Any) -> None:
            for statement in statements:
                connection.execute(text(statement))

        event.listen(Base.metadata.tables[table], "after_create", create)


_attach_triggers()
