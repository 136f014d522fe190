"""From the payout part of an order to the ledger's terms. Pure; ``app.payouts.policies`` says what they mean."""

from app.payouts import money
from app.payouts.policies import Terms
from app.valuations.schemas import Payout


def payout_terms(payout: Payout, currency: str) -> Terms:
    """The terms a job is settled under; raises InvalidInput where they contradict each other."""
    minimum = 0
    if payout.minimum_payout is not None:
        minimum = money.parse(payout.minimum_payout, currency, name="minimum_payout", zero=True)
    return Terms(
        policy=payout.policy,
        minimum_payout=minimum,
        performance_target=payout.performance_target,
        dispute_window_seconds=payout.dispute_window_seconds,
    )
