"""What a payment provider must offer, whichever it is: idempotent payouts, and events about what happened.

The ledger asks; the provider answers later, with a signed event that ``stripe_like`` verifies and reads.
"""

import enum
import uuid
from dataclasses import dataclass
from typing import Protocol


class EventKind(enum.Enum):
    """The events that move the ledger; a provider's others are ignored."""

    DEPOSIT_SUCCEEDED = "payment_intent.succeeded"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"


@dataclass(frozen=True)
class PaymentEvent:
    """A verified event. ``subject`` is the buyer's account of a deposit, or the withdrawal of a payout."""

    id: str
    kind: EventKind
    subject: uuid.UUID
    amount: int  # minor units
    currency: str
    object_id: str  # the provider's id of the payment; events can be sent twice, payments happen once


@dataclass(frozen=True)
class ProviderPayout:
    """A payout as the provider knows it; ``pending`` until an event says more."""

    id: str
    amount: int
    currency: str
    destination: str
    status: str


class PaymentProvider(Protocol):
    """Where payouts are asked for."""

    def pay_out(self, *, withdrawal_id: uuid.UUID, amount: int, currency: str, destination: str) -> ProviderPayout:
        """Ask for a payout. The withdrawal's id is the idempotency key: asking twice pays once, asking for something
        else under the same id raises Conflict."""
        ...
