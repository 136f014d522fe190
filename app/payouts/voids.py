"""Payouts that are void because opened rows did not bear a player's sums out, and what its provider can do.

What the player would have got waits in the job's escrow, by a pending transfer to its buyer. Where its provider
disputes that in time, an administrator lets it stand, or has rows opened once more, and what is found then decides:
borne out, it is paid to the provider; else it goes back to the buyer. Without a dispute it goes back when the time is
over. No administrator moves it by a word alone. Never commits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.outbox import service as outbox
from app.payouts import ledger, repository
from app.payouts.repository import AccountKey
from app.payouts.service import VOID, void_id
from app.payouts.tables import (
    AccountKind,
    LedgerAccount,
    LedgerTransfer,
    Settlement,
    TransferState,
    VoidDispute,
)

TASK, QUEUE = "worker.tasks.recheck", "cpu"
LIFTED = "void_lifted"
_NO_REASON = FieldError("/reason", "say in a sentence what is wrong")
_RESEND, _RECHECK = timedelta(seconds=30), timedelta(days=1)


class VoidState(StrEnum):
    """waits: can be disputed, or is; returned: went to the buyer; paid: its provider got it after all."""

    WAITS = "waits"
    RETURNED = "returned"
    PAID = "paid"


@dataclass(frozen=True)
class VoidPayout:
    """One player's void payout, in minor units; ``until`` it can be disputed (None: never)."""

    transfer_id: uuid.UUID
    valuation_id: uuid.UUID
    provider_id: uuid.UUID
    player_id: uuid.UUID
    amount: int
    currency: str
    why: str
    until: datetime | None
    state: VoidState
    dispute: VoidDispute | None


def of_job(session: Session, valuation_id: uuid.UUID, provider_id: uuid.UUID | None = None) -> Sequence[VoidPayout]:
    """A job's void payouts, or those of one provider."""
    settlement = repository.get_settlement(session, valuation_id)
    if settlement is None:
        return []
    return [
        _of_line(session, settlement, line.player_id, line.provider_id, line.reason)
        for line in settlement.settled.lines
        if line.voided and provider_id in (None, line.provider_id)
    ]


def waiting(session: Session, limit: int = 200) -> Sequence[VoidPayout]:
    """Void payouts in dispute that wait for a decision, oldest first."""
    return [_disputed(session, dispute) for dispute in repository.void_disputes(session, limit)]


def open_dispute(
    session: Session, valuation_id: uuid.UUID, provider_id: uuid.UUID, reason: str
) -> Sequence[VoidPayout]:
    """A provider says why its void payout is not: all that it has in the job. Asked again, the first reason stands.

    Raises InvalidInput without a reason, NotFound where nothing of it is void there, Conflict once it went back.
    """
    if not reason.strip():
        raise InvalidInput("a dispute says why; say in a sentence what is wrong", errors=[_NO_REASON])
    void = of_job(session, valuation_id, provider_id)
    if not void:
        raise NotFound(f"no payout of yours is void in job {valuation_id}; check the id")
    _lock(session, void[0])
    now = repository.now(session)
    for each in of_job(session, valuation_id, provider_id):
        if each.dispute is not None:
            continue
        if each.state is not VoidState.WAITS or each.until is None or now >= each.until:
            ended = "at settlement" if each.until is None else f"at {each.until.isoformat()}"
            raise Conflict(f"the void payout of job {valuation_id} could be disputed until it went back, {ended}")
        dispute = VoidDispute(
            transfer_id=each.transfer_id,
            valuation_id=valuation_id,
            provider_id=provider_id,
            player_id=each.player_id,
            reason=reason,
        )
        repository.add_void_dispute(session, dispute)
    return of_job(session, valuation_id, provider_id)


def stand(session: Session, valuation_id: uuid.UUID, provider_id: uuid.UUID) -> Sequence[VoidPayout]:
    """End a provider's dispute: what is void goes back to the buyer. Raises Conflict where nothing is in dispute, or
    rows are being opened once more (for a day: then nobody finds anything)."""
    latest = repository.now(session) - _RECHECK
    for each in _in_dispute(session, valuation_id, provider_id):
        if each.dispute is not None and each.dispute.asked_at is not None and each.dispute.asked_at > latest:
            raise Conflict(f"rows of job {valuation_id} are being opened once more; what is found decides")
        _give_back(session, each)
    return of_job(session, valuation_id, provider_id)


def ask_recheck(session: Session, valuation_id: uuid.UUID, provider_id: uuid.UUID) -> Sequence[VoidPayout]:
    """Have the rows of a disputed payout opened once more, by a worker; what it finds decides. Once for each."""
    for each in _in_dispute(session, valuation_id, provider_id):
        if each.dispute is not None and each.dispute.asked_at is None:
            each.dispute.asked_at = repository.now(session)
            _send(session, each.dispute)
    return of_job(session, valuation_id, provider_id)


def send_lost(session: Session, limit: int = 100) -> int:
    """Ask workers again for what was asked and not found for a while; how many."""
    now, sent = repository.now(session), 0
    for dispute in repository.void_disputes(session, limit):
        if dispute.sent_at is not None and dispute.sent_at < now - _RESEND:
            _send(session, dispute)
            sent += 1
    return sent


def disputed(session: Session, transfer_id: uuid.UUID) -> VoidPayout | None:
    """A void payout whose rows are to be opened once more, locked; None where that was decided."""
    dispute = repository.void_dispute(session, transfer_id)
    if dispute is None or dispute.asked_at is None:
        return None
    _lock(session, _disputed(session, dispute))
    found = _disputed(session, dispute)
    return found if found.state is VoidState.WAITS else None


def decide(session: Session, transfer_id: uuid.UUID, finding: str, *, borne_out: bool) -> None:
    """End a dispute by what was found when rows were opened once more: paid where they bear the sums out. Done once."""
    void = disputed(session, transfer_id)
    if void is None or void.dispute is None:
        return
    void.dispute.finding = finding
    if borne_out:
        _pay(session, void)
    else:
        _give_back(session, void)


def return_due(session: Session, limit: int = 100) -> int:
    """Give back what is void and was not disputed in time; how many transfers."""
    due = repository.overdue(session, VOID, repository.now(session), limit)
    for held in due:
        repository.lock_accounts(session, LedgerAccount.id.in_([held.debit_id, held.credit_id]))
        if repository.resolution_of(session, held.id) is None and repository.void_dispute(session, held.id) is None:
            ledger.record(session, [ledger.resolve(held, TransferState.POST, VOID)])
    return len(due)


def _of_line(
    session: Session, settlement: Settlement, player_id: uuid.UUID, provider_id: uuid.UUID, why: str
) -> VoidPayout:
    held = _transfer(session, void_id(settlement.valuation_id, player_id))
    return VoidPayout(
        transfer_id=held.id,
        valuation_id=settlement.valuation_id,
        provider_id=provider_id,
        player_id=player_id,
        amount=held.amount,
        currency=settlement.currency,
        why=why,
        until=held.expires_at,
        state=_state(session, held),
        dispute=repository.void_dispute(session, held.id),
    )


def _disputed(session: Session, dispute: VoidDispute) -> VoidPayout:
    for void in of_job(session, dispute.valuation_id, dispute.provider_id):
        if void.transfer_id == dispute.transfer_id:
            return void
    raise AssertionError(f"the disputed transfer {dispute.transfer_id} is none of job {dispute.valuation_id}")


def _in_dispute(session: Session, valuation_id: uuid.UUID, provider_id: uuid.UUID) -> Sequence[VoidPayout]:
    """A provider's void payouts that wait for a decision, locked; raises NotFound, Conflict."""
    void = of_job(session, valuation_id, provider_id)
    if not void:
        raise NotFound(f"no payout of this provider is void in job {valuation_id}; check the ids")
    _lock(session, void[0])
    open_ = [
        each
        for each in of_job(session, valuation_id, provider_id)
        if each.dispute is not None and each.state is VoidState.WAITS
    ]
    if not open_:
        raise Conflict(f"no void payout of this provider is in dispute in job {valuation_id}; a decision stands")
    return open_


def _state(session: Session, held: LedgerTransfer) -> VoidState:
    if held.state is TransferState.POSTED:
        return VoidState.RETURNED
    resolution = repository.resolution_of(session, held.id)
    if resolution is None:
        return VoidState.WAITS
    return VoidState.RETURNED if resolution.state is TransferState.POST else VoidState.PAID


def _transfer(session: Session, transfer_id: uuid.UUID) -> LedgerTransfer:
    held = repository.get_transfer(session, transfer_id)
    if held is None:
        raise AssertionError(f"the ledger has no transfer {transfer_id} of a void payout that was settled")
    return held


def _lock(session: Session, void: VoidPayout) -> None:
    held = _transfer(session, void.transfer_id)
    repository.lock_accounts(session, LedgerAccount.id.in_([held.debit_id, held.credit_id]))


def _give_back(session: Session, void: VoidPayout) -> None:
    ledger.record(session, [ledger.resolve(_transfer(session, void.transfer_id), TransferState.POST, VOID)])


def _pay(session: Session, void: VoidPayout) -> None:
    """Leave it in escrow, and from there to the provider."""
    held = _transfer(session, void.transfer_id)
    escrow = AccountKey.of(AccountKind.ESCROW, void.currency, job=void.valuation_id)
    payable = AccountKey.of(AccountKind.PROVIDER_PAYABLE, void.currency, owner=void.provider_id)
    accounts = repository.open_accounts(session, [escrow, payable])
    id_ = ledger.transfer_id(void.valuation_id, LIFTED, void.player_id.hex)
    paid = ledger.posted(accounts, id_, escrow, payable, void.amount, LIFTED, job_id=void.valuation_id)
    ledger.record(session, [ledger.resolve(held, TransferState.VOID, LIFTED), paid])


def _send(session: Session, dispute: VoidDispute) -> None:
    dispute.sent_at = repository.now(session)
    outbox.record(session, TASK, {"transfer_id": str(dispute.transfer_id)}, queue=QUEUE, priority=outbox.URGENT)
