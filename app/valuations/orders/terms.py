"""From the payout part of an order to the ledger's terms, and to sentences that providers can read. Pure.

``app.payouts.policies`` says what the terms do with values; nothing here pays anybody.
"""

from app.payouts import money
from app.payouts.policies import PayoutTerms
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.schemas import Payout
from contract.policies import PayoutPolicy

_POLICY = {
    PayoutPolicy.PROPORTIONAL: "The pool is divided in proportion to the values that are above zero.",
    PayoutPolicy.SIGNIFICANT: (
        "The pool is divided in proportion to the values that are above zero at the lower bound of their interval; "
        "a value that could be zero earns nothing."
    ),
    PayoutPolicy.INTERVAL_AWARE: (
        "The pool is divided in proportion to the values that are above zero. What is certain of a share is paid at "
        "settlement, the rest is held until the dispute window ends."
    ),
}
_COPIES = {
    "separate": "Copies are players of their own, and equal copies are paid alike.",
    "group": (
        "Datasets of different providers that share at least half of their rows are one player; its amount is split by "
        "rows, and a row that several hold is split among them."
    ),
    "first": (
        "A row that several providers hold, changed or not, counts for the one who uploaded it first, wherever a "
        "tenth of either file is such rows."
    ),
}
_TESTED = "Rows that are in the buyer's test set count for nobody, wherever a tenth of either is such rows."
_CLASSES = {
    "balanced": "Every class of the test set counts alike, however many rows of it the buyer has put there.",
    "pooled": "Classes of the test set count as often as they are among the providers' rows.",
}


def payout_terms(
    payout: Payout, currency: str, fee_basis_points: int = 0, compute: DeviceTimePrice | None = None
) -> PayoutTerms:
    """The terms a job is settled under; raises InvalidInput where they contradict each other."""
    minimum = 0
    if payout.minimum_payout is not None:
        minimum = money.parse(payout.minimum_payout, currency, name="minimum_payout", zero=True)
    return PayoutTerms(
        policy=payout.policy,
        minimum_payout=minimum,
        performance_target=payout.performance_target,
        fee_basis_points=fee_basis_points,
        compute_quote=0 if compute is None else compute.most,
        dispute_window_seconds=payout.dispute_window_seconds,
    )


def sentences(
    payout: Payout,
    currency: str,
    fee_basis_points: int,
    reserves: bool,
    class_weights: str = "uniform",
    compute: DeviceTimePrice | None = None,
) -> list[str]:
    """The agreed terms in words, the same before and after a settlement."""
    terms = payout_terms(payout, currency, fee_basis_points)
    lines = [_POLICY[terms.policy], _COPIES[payout.copies], _TESTED]
    if payout.shards is not None:
        lines.append(
            f"All rows are cut into about {payout.shards} equal shards, which are valued; a provider gets the sum over "
            "its own, so that data is worth the same in one account or in several."
        )
    if class_weights in _CLASSES:
        lines.append(_CLASSES[class_weights])
    lines.append(
        "A provider whose value is below zero even at the upper bound is left out, and the others are valued again "
        "without it."
        if payout.revalue_without_harm
        else "A provider whose value is below zero even at the upper bound gets nothing."
    )
    if terms.fee_basis_points:
        lines.append(f"The platform keeps {terms.fee_basis_points / 100:g} % of the pool.")
    if compute is not None:
        lines.append(compute.sentence(currency))
    if terms.performance_target is not None:
        lines.append(
            f"The whole pool is divided where the model gains {terms.performance_target:g} or more over nobody's data; "
            "below that its part of the pool, and the rest goes back to the buyer."
        )
    if reserves:
        lines.append("A provider whose amount would be below its reserve price is not in the deal.")
    if terms.minimum_payout:
        lines.append(f"Less than {money.plain(terms.minimum_payout, currency)} {currency} accrues until it is more.")
    if terms.dispute_window_seconds:
        what = "The rest" if terms.policy is PayoutPolicy.INTERVAL_AWARE else "All of it"
        lines.append(
            f"{what} is held for {terms.dispute_window_seconds / 86_400:g} days, in which the buyer may dispute."
        )
    return lines
