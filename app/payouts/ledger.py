"""Recording transfers so that asking twice pays once: ids made from what a transfer is for, compared when met again.

Between the rules of payouts (``service``) and SQL (``repository``). It knows no policy, and it never commits.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.errors import Conflict
from app.payouts import repository
from app.payouts.money import format_money
from app.payouts.repository import AccountKey
from app.payouts.tables import AccountKind, LedgerAccount, LedgerTransfer, TransferState

Accounts = dict[AccountKey, LedgerAccount]


def transfer_id(subject: uuid.UUID, *parts: str) -> uuid.UUID:
    """The id of the one transfer that does this for ``subject`` (a job, an organisation): the idempotency key."""
    return uuid.uuid5(subject, "/".join(parts))


def posted(
    accounts: Accounts,
    id_: uuid.UUID,
    debit: AccountKey,
    credit: AccountKey,
    amount: int,
    code: str,
    *,
    job_id: uuid.UUID | None = None,
    reference: str | None = None,
) -> LedgerTransfer:
    """A transfer that happens at once."""
    return LedgerTransfer(
        id=id_,
        debit_id=accounts[debit].id,
        credit_id=accounts[credit].id,
        amount=amount,
        currency=debit.currency,
        state=TransferState.POSTED,
        code=code,
        job_id=job_id,
        reference=reference,
    )


def pending(
    accounts: Accounts,
    id_: uuid.UUID,
    debit: AccountKey,
    credit: AccountKey,
    amount: int,
    code: str,
    *,
    job_id: uuid.UUID | None = None,
    expires_at: datetime | None = None,
) -> LedgerTransfer:
    """A transfer that sets the amount aside until it is resolved."""
    transfer = posted(accounts, id_, debit, credit, amount, code, job_id=job_id)
    transfer.state, transfer.expires_at = TransferState.PENDING, expires_at
    return transfer


def resolve(
    held: LedgerTransfer, state: TransferState, code: str, amount: int | None = None, *, reference: str | None = None
) -> LedgerTransfer:
    """The row that resolves a pending transfer: POST with an amount up to what was set aside, VOID or EXPIRE of all."""
    return LedgerTransfer(
        id=transfer_id(held.id, "resolution"),
        debit_id=held.debit_id,
        credit_id=held.credit_id,
        amount=held.amount if amount is None else amount,
        currency=held.currency,
        state=state,
        pending_id=held.id,
        code=code,
        job_id=held.job_id,
        reference=reference,
    )


def record(session: Session, transfers: Sequence[LedgerTransfer]) -> list[LedgerTransfer]:
    """Append linked transfers, all or none; those already there in the same form are left alone.

    Call it with the accounts locked (``repository.open_accounts``): then nobody else can be writing the same ids.
    ``Conflict`` where an id was used for something else.
    """
    ids = [transfer.id for transfer in transfers]
    stored = repository.get_transfers(session, ids)
    for transfer in transfers:
        known = stored.get(transfer.id)
        if known is not None and _facts(known) != _facts(transfer):
            raise Conflict(
                f"transfer {transfer.id} ({transfer.code}) is already in the ledger as "
                f"{format_money(known.amount, known.currency)}, {known.state.value}; a ledger entry never changes, "
                "so use another reference for another payment"
            )
    if new := [transfer for transfer in transfers if transfer.id not in stored]:
        stored |= repository.add_transfers(session, new)
    return [stored[id_] for id_ in ids]


def _facts(transfer: LedgerTransfer) -> tuple[object, ...]:
    return (
        transfer.debit_id,
        transfer.credit_id,
        transfer.amount,
        transfer.currency,
        transfer.state,
        transfer.pending_id,
        transfer.code,
    )


def sweep_accrued(
    session: Session, accounts: Accounts, provider_id: uuid.UUID, currency: str, minimum: int, subject: uuid.UUID
) -> None:
    """Move a provider's small earnings to its payable account if together they reach the minimum payout.

    ``subject`` is the job whose settlement gave the last of them.
    """
    accrued = AccountKey.of(AccountKind.PROVIDER_ACCRUED, currency, owner=provider_id)
    payable = AccountKey.of(AccountKind.PROVIDER_PAYABLE, currency, owner=provider_id)
    if accrued in accounts and 0 < minimum <= accounts[accrued].available:
        id_ = transfer_id(subject, "minimum_reached", provider_id.hex)
        amount = accounts[accrued].available
        record(session, [posted(accounts, id_, accrued, payable, amount, "minimum_reached", job_id=subject)])
