"""The rules of money around a job: deposit, reserve, settle once, refund, hold, dispute, release. It never commits.

Every function may be called again with the same arguments and does its work once. The caller's transaction decides:
a settlement and the values it pays for are committed together or not at all.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from app.errors import Conflict, InvalidInput, NotFound
from app.payouts import ledger, repository
from app.payouts.money import MAX_MINOR, exponent_of, format_money
from app.payouts.policies import PayoutPlan
from app.payouts.repository import AccountKey, Entry
from app.payouts.reversals import DEPOSIT, reversal_of
from app.payouts.tables import (
    AccountKind,
    LedgerAccount,
    LedgerTransfer,
    OpenedDispute,
    Settlement,
    TransferState,
)
from contract.orders.policies import DisputeKind

_K = AccountKind
VOID = "void"


def void_id(valuation_id: uuid.UUID, player_id: uuid.UUID) -> uuid.UUID:
    """The transfer that gives a player's void payout back."""
    return ledger.transfer_id(valuation_id, VOID, player_id.hex)


@dataclass(frozen=True)
class Balance:
    """What an organisation has in one currency, in minor units."""

    currency: str
    available: int  # wallet and payable: can be spent or asked for now
    reserved: int  # set aside for running jobs or withdrawals
    held: int  # waits for dispute windows to end
    accrued: int  # below the minimum payout so far


def deposit(
    session: Session, account_id: uuid.UUID, amount_minor: int, currency: str, reference: str
) -> LedgerTransfer:
    """Record money that has come in for a buyer. The same account and reference are one deposit.

    ``Conflict`` where the reference is of another deposit, or of one that was taken back.
    """
    _check_amount("deposit", amount_minor, currency)
    wallet = AccountKey.of(_K.BUYER_WALLET, currency, owner=account_id)
    clearing = AccountKey.of(_K.PAYMENT_CLEARING, currency)
    accounts = repository.open_accounts(session, [wallet, clearing])
    id_ = ledger.transfer_id(account_id, DEPOSIT, reference)
    if reversal_of(session, id_) is not None:
        raise Conflict(f"the deposit with reference {reference!r} was taken back; use another reference")
    transfer = ledger.posted(accounts, id_, clearing, wallet, amount_minor, DEPOSIT, reference=reference)
    return ledger.record(session, [transfer])[0]


def reserve(
    session: Session,
    valuation_id: uuid.UUID,
    buyer_id: uuid.UUID,
    pool_minor: int,
    currency: str,
    *,
    expires_at: datetime | None = None,
) -> LedgerTransfer:
    """Set a job's pool aside in its buyer's wallet. ``Conflict`` where the wallet lacks the money."""
    _check_amount("pool", pool_minor, currency)
    wallet = AccountKey.of(_K.BUYER_WALLET, currency, owner=buyer_id)
    escrow = AccountKey.of(_K.ESCROW, currency, job=valuation_id)
    accounts = repository.open_accounts(session, [wallet, escrow])
    held = ledger.pending(
        accounts,
        _reservation_id(valuation_id),
        wallet,
        escrow,
        pool_minor,
        "reserve",
        job_id=valuation_id,
        expires_at=expires_at,
    )
    available = accounts[wallet].available
    if available < pool_minor and repository.get_transfer(session, held.id) is None:
        raise Conflict(
            f"the buyer's balance is {format_money(available, currency)} and the pool is "
            f"{format_money(pool_minor, currency)}; deposit {format_money(pool_minor - available, currency)} more "
            "(an administrator records it with POST /v1/ledger/deposits), or post a smaller pool"
        )
    return ledger.record(session, [held])[0]


def settle(session: Session, valuation_id: uuid.UUID, plan: PayoutPlan, *, void_seconds: float = 0.0) -> Settlement:
    """Divide a job's reserved pool as planned: once, however often it is called. What is void waits ``void_seconds`` in
    the job's escrow, where its provider may dispute that (``voids``).

    ``Conflict`` where the plan is not of this reservation, differs from one already settled, or the pool was refunded.
    """
    held = _reservation(session, valuation_id)
    if (plan.job_id, plan.currency, plan.budget) != (valuation_id, held.currency, held.amount):
        raise Conflict(
            f"the plan divides {format_money(plan.budget, plan.currency)} of job {plan.job_id}, but job {valuation_id} "
            f"has {format_money(held.amount, held.currency)} reserved; make the plan from the job's own pool"
        )
    wallet = _wallet_of(session, held)
    # everything at once and before anything is looked at: settlements queue here, in one order of locks
    accounts = repository.open_accounts(session, [wallet, *_accounts_of(plan)])
    known = repository.get_settlement(session, valuation_id)
    if known is not None:
        if known.plan_digest != plan.digest:
            raise Conflict(f"job {valuation_id} is settled by another plan; a settlement stands, dispute it instead")
        return known
    resolution = repository.resolution_of(session, held.id)
    if resolution is not None:
        raise Conflict(
            f"the pool of job {valuation_id} went back to its buyer ({resolution.code}); it cannot be settled"
        )
    void_until = repository.now(session) + timedelta(seconds=void_seconds) if void_seconds else None
    ledger.record(session, _settling(accounts, held, plan, wallet, void_until))
    for provider_id in sorted({line.provider_id for line in plan.lines}):
        ledger.sweep_accrued(session, accounts, provider_id, plan.currency, plan.terms.minimum_payout, valuation_id)
    settlement = Settlement(
        valuation_id=valuation_id,
        buyer_id=uuid.UUID(wallet.owner),
        currency=plan.currency,
        plan=plan.to_json(),
        plan_digest=plan.digest,
        dispute_until=repository.now(session) + timedelta(seconds=plan.terms.dispute_window_seconds),
    )
    repository.add_settlement(session, settlement)
    return settlement


def settle_nothing(session: Session, valuation_id: uuid.UUID, buyer_id: uuid.UUID, plan: PayoutPlan) -> Settlement:
    """Record the settlement of a job for which no money was set aside: its plan divides nothing."""
    if plan.budget:
        raise Conflict(f"the plan of job {valuation_id} divides {format_money(plan.budget, plan.currency)}: settle it")
    known = repository.get_settlement(session, valuation_id)
    if known is not None:
        return known
    settlement = Settlement(
        valuation_id=valuation_id,
        buyer_id=buyer_id,
        currency=plan.currency,
        plan=plan.to_json(),
        plan_digest=plan.digest,
        dispute_until=repository.now(session),
    )
    repository.add_settlement(session, settlement)
    return settlement


def refund(session: Session, valuation_id: uuid.UUID, *, code: str = "refund") -> LedgerTransfer:
    """Give a job's whole pool back to its buyer (failed, cancelled). ``Conflict`` where the job is settled."""
    return _give_back(session, _reservation(session, valuation_id), TransferState.VOID, code)


def expire_reservations(session: Session, limit: int = 100) -> list[uuid.UUID]:
    """Give back the pools of jobs whose reservations have run out; the jobs' ids. For the sweeper."""
    overdue = repository.overdue(session, "reserve", repository.now(session), limit)
    return [
        held.job_id
        for held in overdue
        if held.job_id is not None and _give_back(session, held, TransferState.EXPIRE, "expired") is not None
    ]


def release_holdback(session: Session, valuation_id: uuid.UUID) -> list[LedgerTransfer]:
    """Pay out what a job holds back, once its dispute window has ended; nothing where there is nothing left to pay."""
    settlement = _settlement(session, valuation_id)
    if repository.now(session) < settlement.dispute_until:
        raise Conflict(
            f"job {valuation_id} can be disputed until {settlement.dispute_until.isoformat()}; release after that"
        )
    owners = [account.owner_id for account in repository.holdbacks(session, valuation_id) if account.owner_id]
    hold = {owner: _holdback(settlement, owner) for owner in owners}
    pay = {owner: AccountKey.of(_K.PROVIDER_PAYABLE, settlement.currency, owner=owner) for owner in owners}
    if not owners:
        return []
    accounts = repository.open_accounts(session, [*hold.values(), *pay.values()])
    return ledger.record(
        session,
        [
            ledger.posted(
                accounts,
                ledger.transfer_id(valuation_id, "release", owner.hex),
                hold[owner],
                pay[owner],
                accounts[hold[owner]].available,
                "release",
                job_id=valuation_id,
            )
            for owner in owners
            if accounts[hold[owner]].available
        ],
    )


def open_dispute(
    session: Session,
    valuation_id: uuid.UUID,
    buyer_id: uuid.UUID,
    reason: str,
    kind: DisputeKind = DisputeKind.OTHER,
) -> int:
    """Set what a job still holds apart until an administrator decides; the amount. Only its buyer, only in the window.

    What has been released is not touched: payment providers reverse only what the receiver still has. Asked again, the
    first kind and reason stand.
    """
    settlement = _settlement(session, valuation_id)
    if settlement.buyer_id != buyer_id:
        raise NotFound(f"there is no settled job {valuation_id} of yours; check the id")
    dispute = AccountKey.of(_K.DISPUTE, settlement.currency, job=valuation_id)
    if repository.now(session) >= settlement.dispute_until:
        raise Conflict(f"the dispute window of job {valuation_id} ended at {settlement.dispute_until.isoformat()}")
    owners = [account.owner_id for account in repository.holdbacks(session, valuation_id) if account.owner_id]
    hold = {owner: _holdback(settlement, owner) for owner in owners}
    accounts = repository.open_accounts(session, [dispute, *hold.values()])
    moved = [
        ledger.posted(
            accounts,
            ledger.transfer_id(valuation_id, "dispute", owner.hex),
            hold[owner],
            dispute,
            accounts[hold[owner]].available,
            "dispute",
            job_id=valuation_id,
            reference=reason[:200],
        )
        for owner in owners
        if accounts[hold[owner]].available
    ]
    if not moved and not accounts[dispute].available:
        raise Conflict(f"job {valuation_id} holds nothing back, so there is nothing to dispute")
    ledger.record(session, moved)
    if moved and repository.opened_dispute(session, valuation_id) is None:
        repository.add_dispute(session, OpenedDispute(valuation_id=valuation_id, kind=kind, reason=reason))
    return accounts[dispute].available


def resolve_dispute(
    session: Session, valuation_id: uuid.UUID, to_buyer: Mapping[uuid.UUID, int]
) -> list[LedgerTransfer]:
    """End a dispute: of each provider's disputed amount, ``to_buyer[provider]`` goes back, the rest is paid out."""
    settlement = _settlement(session, valuation_id)
    disputed: dict[uuid.UUID, int] = {}
    for transfer, account in repository.transfers_of_job(session, valuation_id, "dispute"):
        if account.owner_id is not None:
            disputed[account.owner_id] = disputed.get(account.owner_id, 0) + transfer.amount
    if not disputed:
        raise Conflict(f"job {valuation_id} has no open dispute to resolve")
    for owner, amount in to_buyer.items():
        if not 0 <= amount <= disputed.get(owner, 0):
            raise InvalidInput(
                f"provider {owner}: {format_money(amount, settlement.currency)} cannot go back to the buyer; "
                f"{format_money(disputed.get(owner, 0), settlement.currency)} of it is in dispute"
            )
    source = AccountKey.of(_K.DISPUTE, settlement.currency, job=valuation_id)
    wallet = AccountKey.of(_K.BUYER_WALLET, settlement.currency, owner=settlement.buyer_id)
    pay = {owner: AccountKey.of(_K.PROVIDER_PAYABLE, settlement.currency, owner=owner) for owner in disputed}
    accounts = repository.open_accounts(session, [source, wallet, *pay.values()])
    moves = []
    for owner, amount in disputed.items():
        back = to_buyer.get(owner, 0)
        for target, part, code in ((wallet, back, "dispute_won"), (pay[owner], amount - back, "dispute_lost")):
            if part:
                id_ = ledger.transfer_id(valuation_id, code, owner.hex)
                moves.append(ledger.posted(accounts, id_, source, target, part, code, job_id=valuation_id))
    if not accounts[source].available and any(repository.get_transfer(session, move.id) is None for move in moves):
        raise Conflict(f"the dispute of job {valuation_id} was resolved in another way; a resolution stands")
    return ledger.record(session, moves)


def balances(session: Session, owner_id: uuid.UUID) -> list[Balance]:
    """What an organisation has, one row for each currency, read in the order of currencies."""
    return _balances(repository.owned_accounts(session, owner_id))


def balances_of(session: Session, owner_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Balance]]:
    """The same of several organisations; who has no account has no row."""
    owned: dict[uuid.UUID, list[LedgerAccount]] = {}
    for account in repository.accounts_of(session, owner_ids):
        if account.owner_id is not None:
            owned.setdefault(account.owner_id, []).append(account)
    return {owner_id: _balances(accounts) for owner_id, accounts in owned.items()}


def _balances(accounts: Sequence[LedgerAccount]) -> list[Balance]:
    by_currency: dict[str, dict[str, int]] = {}
    names = {_K.HOLDBACK: "held", _K.PROVIDER_ACCRUED: "accrued"}
    for account in accounts:
        sums = by_currency.setdefault(account.currency, {"available": 0, "reserved": 0, "held": 0, "accrued": 0})
        sums[names.get(account.kind, "available")] += account.available
        sums["reserved"] += account.debits_pending
    return [Balance(currency=currency, **sums) for currency, sums in sorted(by_currency.items())]


def statement(
    session: Session,
    owner_id: uuid.UUID,
    *,
    currency: str | None = None,
    before: tuple[int, uuid.UUID] | None = None,
    limit: int = 100,
) -> Sequence[Entry]:
    """An organisation's ledger entries, newest first, below (position, account id) ``before``."""
    return repository.entries(session, owner_id, currency=currency, before=before, limit=limit)


def settlement_of(session: Session, valuation_id: uuid.UUID) -> Settlement | None:
    """How a job was settled, or None while it is not."""
    return repository.get_settlement(session, valuation_id)


def _check_amount(name: str, amount: int, currency: str) -> None:
    exponent_of(currency)
    if not 0 < amount <= MAX_MINOR:
        raise InvalidInput(
            f"the {name} is {format_money(amount, currency)}; give more than zero and at most "
            f"{format_money(MAX_MINOR, currency)}"
        )


def _reservation_id(valuation_id: uuid.UUID) -> uuid.UUID:
    return ledger.transfer_id(valuation_id, "reserve")


def _reservation(session: Session, valuation_id: uuid.UUID) -> LedgerTransfer:
    held = repository.get_transfer(session, _reservation_id(valuation_id))
    if held is None:
        raise NotFound(f"job {valuation_id} has no pool reserved in the ledger; reserve one when the job is posted")
    return held


def _settlement(session: Session, valuation_id: uuid.UUID) -> Settlement:
    settlement = repository.get_settlement(session, valuation_id)
    if settlement is None:
        raise NotFound(f"job {valuation_id} is not settled; wait until it is")
    return settlement


def _holdback(settlement: Settlement, owner: uuid.UUID) -> AccountKey:
    return AccountKey.of(_K.HOLDBACK, settlement.currency, owner=owner, job=settlement.valuation_id)


def _wallet_of(session: Session, held: LedgerTransfer) -> AccountKey:
    wallet = repository.get_account(session, held.debit_id)
    return AccountKey.of(wallet.kind, wallet.currency, owner=wallet.owner_id)


def _give_back(session: Session, held: LedgerTransfer, state: TransferState, code: str) -> LedgerTransfer:
    repository.lock_accounts(session, LedgerAccount.id.in_([held.debit_id, held.credit_id]))
    resolution = repository.resolution_of(session, held.id)
    if resolution is None:
        return ledger.record(session, [ledger.resolve(held, state, code)])[0]
    if held.job_id is not None and repository.get_settlement(session, held.job_id) is not None:
        raise Conflict(f"job {held.job_id} is settled; its pool is paid out and cannot be refunded")
    return resolution


def _accounts_of(plan: PayoutPlan) -> list[AccountKey]:
    keys = [AccountKey.of(_K.ESCROW, plan.currency, job=plan.job_id)]
    if plan.fee:
        keys.append(AccountKey.of(_K.PLATFORM_FEE, plan.currency))
    if plan.compute:
        keys.append(AccountKey.of(_K.COMPUTE_COST, plan.currency))
    for line in plan.lines:
        keys.append(AccountKey.of(_K.PROVIDER_PAYABLE, plan.currency, owner=line.provider_id))
        if line.accrued or plan.terms.minimum_payout:
            keys.append(AccountKey.of(_K.PROVIDER_ACCRUED, plan.currency, owner=line.provider_id))
        if line.held:
            keys.append(AccountKey.of(_K.HOLDBACK, plan.currency, owner=line.provider_id, job=plan.job_id))
    return keys


def _settling(
    accounts: ledger.Accounts, held: LedgerTransfer, plan: PayoutPlan, wallet: AccountKey, void_until: datetime | None
) -> list[LedgerTransfer]:
    """The linked transfers of a settlement: what is spent reaches escrow, the refund never leaves the wallet."""
    # what is void has been a player's: it goes through escrow, so that it is an entry of its own
    spent = plan.budget - plan.refund + plan.voided
    if not spent:
        return [ledger.resolve(held, TransferState.VOID, "refund", reference=plan.nobody_paid)]
    job, currency = plan.job_id, plan.currency
    escrow = AccountKey.of(_K.ESCROW, currency, job=job)
    moves = [
        ("fee", "", AccountKey.of(_K.PLATFORM_FEE, currency), plan.fee),
        ("compute", "", AccountKey.of(_K.COMPUTE_COST, currency), plan.compute),
    ]
    for line in plan.lines:
        owner, player = line.provider_id, line.player_id.hex
        moves += [
            ("payout", player, AccountKey.of(_K.PROVIDER_PAYABLE, currency, owner=owner), line.released),
            ("accrue", player, AccountKey.of(_K.PROVIDER_ACCRUED, currency, owner=owner), line.accrued),
            ("hold", player, AccountKey.of(_K.HOLDBACK, currency, owner=owner, job=job), line.held),
        ]
    divided = [
        ledger.posted(accounts, ledger.transfer_id(job, code, player), escrow, target, amount, code, job_id=job)
        for code, player, target, amount in moves
        if amount
    ]
    spending = ledger.resolve(held, TransferState.POST, "settle", spent, reference=plan.nobody_paid)
    return [spending, *divided, *_voiding(accounts, plan, escrow, wallet, void_until)]


def _voiding(
    accounts: ledger.Accounts, plan: PayoutPlan, escrow: AccountKey, wallet: AccountKey, until: datetime | None
) -> list[LedgerTransfer]:
    """What goes back because it is void: at once, or (pending) unless its provider disputes it in time."""
    back = []
    for line in plan.lines:
        if line.voided:
            make = ledger.posted if until is None else partial(ledger.pending, expires_at=until)
            id_ = void_id(plan.job_id, line.player_id)
            back.append(make(accounts, id_, escrow, wallet, line.voided, VOID, job_id=plan.job_id))
    return back
