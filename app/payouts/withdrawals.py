"""Withdrawals: a provider asks for its payable money, or a buyer for what it has not spent; an administrator
approves or rejects. No real money moves here.

A request IS a pending transfer from the payable account, or the wallet, to payment clearing: the money is set aside at
once, cannot be asked for twice, and the decision is the transfer's one resolution. There is no second table that could
disagree.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.db.base import uuid7
from app.errors import Conflict, InvalidInput, NotFound
from app.http.pages import PageRequest
from app.identity import Role
from app.payouts import ledger, repository
from app.payouts.money import MAX_MINOR, format_money
from app.payouts.repository import AccountKey
from app.payouts.tables import AccountKind, LedgerAccount, LedgerTransfer, TransferState

CODE = "withdrawal"
# whose money leaves from which account, and what may still bring more into it
SOURCES = {Role.PROVIDER: AccountKind.PROVIDER_PAYABLE, Role.BUYER: AccountKind.BUYER_WALLET}
_WAITS_FOR = {
    AccountKind.PROVIDER_PAYABLE: "what is held or accrued is released",
    AccountKind.BUYER_WALLET: "jobs that still run have given back what they do not spend",
}


@dataclass(frozen=True)
class Withdrawal:
    """A request and where it stands: ``pending``, ``approved`` or ``rejected``."""

    id: uuid.UUID
    account_id: uuid.UUID
    amount: int
    currency: str
    status: str
    created_at: datetime


def request(
    session: Session,
    owner_id: uuid.UUID,
    amount: int,
    currency: str,
    *,
    source: AccountKind = AccountKind.PROVIDER_PAYABLE,
    id_: uuid.UUID | None = None,
) -> Withdrawal:
    """Set ``amount`` of the payable balance, or of the wallet, aside. ``id_`` makes a repeated request the same one."""
    if not 0 < amount <= MAX_MINOR:
        raise InvalidInput(f"the withdrawal is {format_money(amount, currency)}; give more than zero")
    payable = AccountKey.of(source, currency, owner=owner_id)
    clearing = AccountKey.of(AccountKind.PAYMENT_CLEARING, currency)
    accounts = repository.open_accounts(session, [payable, clearing])
    transfer = ledger.pending(accounts, id_ or uuid7(), payable, clearing, amount, CODE)
    available = accounts[payable].available
    if repository.get_transfer(session, transfer.id) is None and available < amount:
        raise Conflict(
            f"{format_money(amount, currency)} cannot be withdrawn: {format_money(available, currency)} is available; "
            f"ask for less, or wait until {_WAITS_FOR[source]}"
        )
    return _described(session, ledger.record(session, [transfer])[0])


def decide(session: Session, withdrawal_id: uuid.UUID, *, approve: bool) -> Withdrawal:
    """Approve (the money has left) or reject (it returns to the balance). ``Conflict`` after the other decision."""
    transfer = _pending(session, withdrawal_id)
    repository.lock_accounts(session, LedgerAccount.id.in_([transfer.debit_id, transfer.credit_id]))
    state = TransferState.POST if approve else TransferState.VOID
    known = repository.resolution_of(session, transfer.id)
    if known is not None and known.state is not state:
        raise Conflict(f"withdrawal wd_{withdrawal_id.hex} was {_status(known.state)} before; a decision stands")
    if known is None:
        ledger.record(session, [ledger.resolve(transfer, state, CODE)])
    return _described(session, transfer)


def get(session: Session, withdrawal_id: uuid.UUID) -> Withdrawal:
    """One withdrawal, decided or not; NotFound."""
    return _described(session, _pending(session, withdrawal_id))


def waiting(session: Session, limit: int = 200) -> list[Withdrawal]:
    """Withdrawals that wait for a decision, oldest first."""
    return [_described(session, transfer) for transfer, _ in repository.pending_with_code(session, CODE, limit)]


def of_owner(session: Session, owner_id: uuid.UUID, page: PageRequest) -> tuple[list[Withdrawal], str | None]:
    """An organisation's withdrawals with what became of them, newest first, and where the next page begins."""
    filters = {"list": "withdrawals", "owner": owner_id}
    position = page.position(filters)
    before = None if position is None else int(position)
    rows = repository.pending_of_owner(session, owner_id, CODE, before, page.limit + 1)
    following = page.sign(str(rows[page.limit - 1][0].position), filters) if len(rows) > page.limit else None
    own = [
        Withdrawal(each.id, owner_id, each.amount, each.currency, _status(state), each.created_at)
        for each, state in rows[: page.limit]
    ]
    return own, following


def _pending(session: Session, withdrawal_id: uuid.UUID) -> LedgerTransfer:
    transfer = repository.get_transfer(session, withdrawal_id)
    if transfer is None or transfer.code != CODE or transfer.state is not TransferState.PENDING:
        raise NotFound(f"there is no withdrawal wd_{withdrawal_id.hex}; list those that wait for a decision")
    return transfer


def _described(session: Session, transfer: LedgerTransfer) -> Withdrawal:
    owner = repository.get_account(session, transfer.debit_id).owner_id
    if owner is None:
        raise RuntimeError(f"withdrawal {transfer.id} is from an account that nobody owns")
    resolution = repository.resolution_of(session, transfer.id)
    status = _status(None if resolution is None else resolution.state)
    return Withdrawal(transfer.id, owner, transfer.amount, transfer.currency, status, transfer.created_at)


def _status(resolution: TransferState | None) -> str:
    if resolution is None:
        return "pending"
    return "approved" if resolution is TransferState.POST else "rejected"
