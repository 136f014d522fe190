"""What a job still holds back and what of it is in dispute, for people to look at. Reads only.

Opening and ending a dispute, and releasing what is held, are in ``service``.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.payouts import repository
from app.payouts.tables import AccountKind
from contract.orders.policies import DisputeKind


@dataclass(frozen=True)
class DisputedAmount:
    """One provider's money in a dispute, in minor units."""

    provider_id: uuid.UUID
    amount: int


@dataclass(frozen=True)
class Dispute:
    """A dispute: over whose money, of what kind and why. ``open_amount`` is 0 once an administrator has decided."""

    valuation_id: uuid.UUID
    currency: str
    kind: DisputeKind
    reason: str
    opened_at: datetime
    parts: tuple[DisputedAmount, ...]
    open_amount: int
    to_buyer: int
    to_providers: int

    @property
    def amount(self) -> int:
        """All that was disputed."""
        return sum(part.amount for part in self.parts)


def held(session: Session, valuation_id: uuid.UUID) -> int:
    """Minor units of a job that wait for its dispute window to end."""
    accounts = repository.accounts_of_job(session, valuation_id)
    return sum(account.available for account in accounts if account.kind is AccountKind.HOLDBACK)


def of_job(session: Session, valuation_id: uuid.UUID) -> Dispute | None:
    """A job's dispute, open or decided; None where there was none."""
    opened = repository.transfers_of_job(session, valuation_id, "dispute")
    if not opened:
        return None
    accounts = repository.accounts_of_job(session, valuation_id)
    parts: dict[uuid.UUID, int] = {}
    for transfer, account in opened:
        if account.owner_id is not None:
            parts[account.owner_id] = parts.get(account.owner_id, 0) + transfer.amount
    first, dispute = opened[0][0], repository.opened_dispute(session, valuation_id)
    return Dispute(
        valuation_id,
        first.currency,
        # disputes from before they had a kind are in the ledger alone
        DisputeKind.OTHER if dispute is None else dispute.kind,
        (first.reference or "") if dispute is None else dispute.reason,
        first.created_at,
        tuple(DisputedAmount(owner, amount) for owner, amount in sorted(parts.items())),
        sum(account.available for account in accounts if account.kind is AccountKind.DISPUTE),
        _moved(session, valuation_id, "dispute_won"),
        _moved(session, valuation_id, "dispute_lost"),
    )


def waiting(session: Session, limit: int = 200) -> list[Dispute]:
    """Disputes that wait for a decision, oldest first."""
    disputes = (of_job(session, job) for job in repository.jobs_in_dispute(session, limit))
    return [dispute for dispute in disputes if dispute is not None]


def _moved(session: Session, valuation_id: uuid.UUID, code: str) -> int:
    return sum(transfer.amount for transfer, _ in repository.transfers_of_job(session, valuation_id, code))
