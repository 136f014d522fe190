"""A deposit that was a mistake, taken back. It never commits.

A ledger entry never changes, so a mistake is mended by a transfer the other way, once, with its reason.
"""

import uuid

from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.payouts import ledger, repository
from app.payouts.money import format_money
from app.payouts.repository import AccountKey
from app.payouts.tables import AccountKind, LedgerTransfer, TransferState

DEPOSIT, REVERSED = "deposit", "deposit_reversed"


def reversal_of(session: Session, deposit_id: uuid.UUID) -> LedgerTransfer | None:
    """The transfer that took a deposit back, if one did."""
    return repository.get_transfer(session, _reversal_id(deposit_id))


def take_back(session: Session, deposit_id: uuid.UUID, reason: str) -> LedgerTransfer:
    """Take a deposit out of its buyer's wallet again, once; called again, the first reason stands.

    Raises NotFound where there is no such deposit, and Conflict where the wallet no longer has the money.
    """
    made = repository.get_transfer(session, deposit_id)
    if made is None or made.code != DEPOSIT or made.state is not TransferState.POSTED:
        raise NotFound(f"there is no deposit tr_{deposit_id.hex}; a buyer's statement names its deposits")
    owner = repository.get_account(session, made.credit_id).owner_id
    wallet = AccountKey.of(AccountKind.BUYER_WALLET, made.currency, owner=owner)
    clearing = AccountKey.of(AccountKind.PAYMENT_CLEARING, made.currency)
    accounts = repository.open_accounts(session, [wallet, clearing])
    known = reversal_of(session, deposit_id)
    if known is not None:
        return known
    available = accounts[wallet].available
    if available < made.amount:
        raise Conflict(
            f"{format_money(made.amount, made.currency)} cannot be taken back: "
            f"{format_money(available, made.currency)} is available, the rest is set aside for jobs or spent; cancel "
            "jobs that still can be, or settle what is owed outside of this ledger"
        )
    back = ledger.posted(accounts, _reversal_id(deposit_id), wallet, clearing, made.amount, REVERSED, reference=reason)
    return ledger.record(session, [back])[0]


def _reversal_id(deposit_id: uuid.UUID) -> uuid.UUID:
    return ledger.transfer_id(deposit_id, "reversal")
