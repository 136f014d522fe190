"""What a payment provider's verified events do to the ledger. Each may come twice and out of order; it counts once.

An event that contradicts the ledger is refused and changes nothing; it is for people to look at. It never commits.
"""

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.errors import Conflict, InvalidInput
from app.identity import Role
from app.payouts import service, withdrawals
from app.payouts.money import format_money
from app.payouts.providers.interface import EventKind, PaymentEvent, PaymentProvider, ProviderPayout


def apply(session: Session, event: PaymentEvent) -> None:
    """Record a deposit, or decide a withdrawal, as the provider says."""
    if event.kind is EventKind.DEPOSIT_SUCCEEDED:
        account = accounts.get_account(session, event.subject)
        if account.role is not Role.BUYER:
            raise InvalidInput(f"event {event.id}: acc_{account.id.hex} is a {account.role.value}, who has no wallet")
        # named for the payment, not for the event: several events can report one payment
        service.deposit(session, account.id, event.amount, event.currency, f"provider {event.object_id}"[:200])
        return
    withdrawal = withdrawals.get(session, event.subject)
    if (withdrawal.amount, withdrawal.currency) != (event.amount, event.currency):
        raise Conflict(
            f"event {event.id} is about {format_money(event.amount, event.currency)}, but withdrawal "
            f"wd_{withdrawal.id.hex} is of {format_money(withdrawal.amount, withdrawal.currency)}; "
            "compare the provider's books with the ledger"
        )
    withdrawals.decide(session, withdrawal.id, approve=event.kind is EventKind.PAYOUT_PAID)


def send(
    session: Session, provider: PaymentProvider, withdrawal: withdrawals.Withdrawal, destination: str
) -> ProviderPayout:
    """Ask the provider to pay a withdrawal that waits. It stays pending until an event reports the outcome."""
    pending = withdrawals.get(session, withdrawal.id)
    if pending.status != "pending":
        raise Conflict(f"withdrawal wd_{pending.id.hex} is {pending.status}; only one that waits can be sent")
    return provider.pay_out(
        withdrawal_id=pending.id, amount=pending.amount, currency=pending.currency, destination=destination
    )
