"""The ledger's proof: balances summed anew, sums of zero, and a hash chain that shows any later tampering.

Sealing gives each committed transfer one link, sha256(the link before || the transfer's canonical text), in chains of
one day each that follow one another. It is done apart from writing, so that writers never queue for the chain's end;
what was recorded since the last sealing is shown as unsealed. Whoever keeps a day's head elsewhere can later prove that
nothing before it was changed. Nothing here mends anything: a problem is reported, and people decide.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date

from sqlalchemy.orm import Session

from app.payouts import repository, seal_repository
from app.payouts.tables import LedgerSeal, LedgerTransfer

_BATCH = 2_000
_GENESIS = bytes(32)


@dataclass(frozen=True)
class Proof:
    """What was checked and found. ``ok`` is true when there is no problem."""

    transfers: int
    unsealed: int
    accounts: int
    sums: dict[str, int]  # currency -> sum of all balances, which must be zero
    heads: dict[date, str]  # day -> the last link of its chain, in hex
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def seal(session: Session) -> int:
    """Add a link for every committed transfer that has none; how many were added. One sealer at a time."""
    last = seal_repository.last_seal(session)
    today = repository.now(session).astimezone(UTC).date()
    # a clock that was set back must not put a link before one that exists
    day = today if last is None else max(today, last.day)
    number = 0 if last is None or last.day != day else last.number
    head = _GENESIS if last is None else last.digest
    added = 0
    while rows := seal_repository.unsealed(session, _BATCH):
        seals = []
        for transfer in rows:
            number, head = number + 1, link(head, transfer)
            seals.append(LedgerSeal(day=day, number=number, transfer_id=transfer.id, digest=head))
        seal_repository.add_seals(session, seals)
        added += len(seals)
    return added


def end(session: Session) -> tuple[int, LedgerSeal | None]:
    """How many transfers there are, and the last link of the chain; nothing is sealed for it."""
    return seal_repository.counts(session)[0], seal_repository.last_link(session)


def link(before: bytes, transfer: LedgerTransfer) -> bytes:
    """The link that follows ``before`` for a transfer: bytes[32]."""
    facts = {
        "id": str(transfer.id),
        "position": transfer.position,
        "debit": str(transfer.debit_id),
        "credit": str(transfer.credit_id),
        "amount": transfer.amount,
        "currency": transfer.currency,
        "state": transfer.state.value,
        "pending": str(transfer.pending_id) if transfer.pending_id else None,
        "code": transfer.code,
        "reference": transfer.reference,
        "job": str(transfer.job_id) if transfer.job_id else None,
        "expires_at": transfer.expires_at.astimezone(UTC).isoformat() if transfer.expires_at else None,
        "created_at": transfer.created_at.astimezone(UTC).isoformat(),
    }
    return hashlib.sha256(before + json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).digest()


def prove(session: Session) -> Proof:
    """Seal what is new, then check every balance, every currency's sum and every link. Reads the whole ledger."""
    seal(session)
    problems: list[str] = []
    sums: dict[str, int] = {}
    accounts = 0
    for account, *totals in seal_repository.recomputed_balances(session):
        accounts += 1
        kept = [account.debits_posted, account.credits_posted, account.debits_pending, account.credits_pending]
        if kept != totals:
            problems.append(
                f"account {account.id} ({account.kind.value}): its kept totals {kept} are not what its transfers "
                f"add up to, {totals}; find what bypassed the ledger's triggers"
            )
        sums[account.currency] = sums.get(account.currency, 0) + totals[1] - totals[0]
        if not account.may_overdraw and account.available < 0:
            problems.append(f"account {account.id} ({account.kind.value}) is overdrawn by {-account.available}")
    problems += [f"the balances in {c} add up to {total}, not to zero" for c, total in sums.items() if total]
    heads: dict[date, str] = {}
    problems += _check_chain(session, heads)
    transfers, seals = seal_repository.counts(session)
    if seals > transfers:
        problems.append(f"{seals} links seal {transfers} transfers; sealed transfers are missing")
    return Proof(transfers, max(transfers - seals, 0), accounts, sums, heads, tuple(problems))


def _check_chain(session: Session, heads: dict[date, str]) -> Iterator[str]:
    """Problems of the chain; ``heads`` is filled with each day's last link."""
    head, day, number = _GENESIS, date.min, 0
    after: tuple[date, int] | None = None
    while rows := seal_repository.chain(session, after, _BATCH):
        for sealed, transfer in rows:
            number = number + 1 if sealed.day == day else 1
            if sealed.number != number:
                yield f"the chain of {sealed.day} has link {sealed.number} where {number} is due; a link is missing"
                number = sealed.number
            day = sealed.day
            if sealed.digest != link(head, transfer):
                yield (
                    f"link {sealed.number} of {sealed.day} does not fit transfer {transfer.id}: "
                    "it, or a link before it, was changed after sealing"
                )
            # go on from what is stored, so that one change is one problem
            head = sealed.digest
            heads[day] = head.hex()
        after = (day, number)
