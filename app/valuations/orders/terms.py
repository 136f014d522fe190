"""From the payout part of an order to the ledger's terms, and to sentences that providers can read. Pure.

``app.payouts.policies`` says what the terms do with values; nothing here pays anybody.
"""

from collections.abc import Sequence

from app.payouts import money
from app.payouts.policies import PayoutTerms
from app.settings import Settings
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation, Payout, TestLot
from contract.orders.grants import Grant
from contract.orders.job import EDITION
from contract.orders.policies import CopiesRule, PayoutPolicy

_DAY = 86_400

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
_FIRST = "The test set was uploaded before all of the data, so its rows were not picked knowing what is offered here."
_ONCE = (
    "Rows that a provider brings several times, changed or not, count once, where its data repeats itself more than "
    "the others'."
)
# what attacks gain that these terms leave open (docs/attacks.md)
_ACCOUNTS = (
    "The same data can earn more in several accounts than in one: where it was measured, three took 13 % of the pool "
    "more than one. Equal shards (`protected`) end that."
)
_PICKED = (
    "The buyer chose the test rows: where they were picked, class by class, to suit one provider, it was paid 2 to 3 % "
    "of the pool more in measured markets. Test rows by lot alone end that."
)
_DELIVERED = {
    Grant.MODEL: (
        "After settlement the buyer gets the model trained on those who are paid and whose licence grants `model`; a "
        "withdrawal makes it forget the data."
    ),
    Grant.DATA: (
        "After settlement the buyer gets the rows of those who are paid and whose licence grants `data`; the provider "
        "sees each access, and a withdrawal ends it."
    ),
}
_CLASSES = {
    "balanced": "Every class of the test set counts alike, however many rows of it the buyer has put there.",
    "pooled": "Classes of the test set count as often as they are among the providers' rows.",
}


def with_dispute_window(order: NewValuation, settings: Settings) -> NewValuation:
    """The order with its dispute window in seconds: its own, or the operator's. Raises InvalidInput where its own is
    shorter than the operator allows."""
    least = round(settings.default_dispute_window_days * _DAY)
    window = order.payout.dispute_window_seconds
    if window is None:
        window = least
    elif window < least and not settings.shorter_dispute_windows:
        raise refused(
            "/payout/dispute_window_seconds",
            f"a dispute window of {window} seconds is shorter than this market allows; give {least} "
            f"({least / _DAY:g} days) or more, or leave it out",
        )
    payout = order.payout.model_copy(update={"dispute_window_seconds": window})
    return order.model_copy(update={"payout": payout})


def warnings(order: NewValuation) -> list[str]:
    """What a buyer should know of an order's terms before it posts it."""
    if order.mode == "partial" and not order.payout.pay_unaudited:
        return [
            "Partial mode has nothing to audit unlearning with, so nobody will be paid and the pool will come back; "
            "set payout.pay_unaudited where values that are not audited are to be paid."
        ]
    return []


def payout_terms(
    payout: Payout,
    currency: str,
    fee_basis_points: int = 0,
    compute: DeviceTimePrice | None = None,
    edition: int = EDITION,
) -> PayoutTerms:
    """The terms a job is settled under; raises InvalidInput where they contradict each other. ``payout`` has its
    dispute window (``with_dispute_window``)."""
    if payout.dispute_window_seconds is None:
        raise ValueError("this order's dispute window is not set yet: with_dispute_window sets it")
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
        pay_without_gain=payout.pay_without_gain,
        pay_unaudited=payout.pay_unaudited,
        fee_without_payment=edition < 2,
    )


def sentences(
    payout: Payout,
    currency: str,
    fee_basis_points: int,
    reserves: bool,
    class_weights: str = "uniform",
    compute: DeviceTimePrice | None = None,
    edition: int = EDITION,
    deliver: Sequence[Grant] = (),
    *,
    segments: str | None = None,
    test_first: bool = False,
    lot: TestLot | None = None,
) -> list[str]:
    """The agreed terms in words, the same before and after a settlement, and for ever: certificates hold them."""
    terms = payout_terms(payout, currency, fee_basis_points, edition=edition)
    lines = [_POLICY[terms.policy], *(_conditions(terms, compute, edition) if edition > 1 else [])]
    lines += [_COPIES[payout.copies], _TESTED, *([_FIRST] if test_first else []), *_lot(lot)]
    if edition > 3:
        lines += _left_open(payout, lot, apart=segments is not None)
    if payout.shards is not None:
        lines.append(
            f"All rows are cut into about {payout.shards} equal shards, which are valued; a provider gets the sum over "
            "its own, so that data is worth the same in one account or in several."
        )
    if payout.open_rows:
        lines.append(
            f"Of each dataset that stays with its owner {payout.open_rows} rows, drawn once all sums are in, are "
            "opened to the service; whoever's rows do not bear out its sums, or are not opened, is paid nothing, and "
            "its part goes back to the buyer, unless its provider disputes that in time and they do so when opened "
            "once more."
        )
    if segments is not None:
        lines.append(
            f"Each provider's rows are valued by their value in the column `{segments}`; a provider gets the sum over "
            "its own, and the buyer learns what each part adds, and the names of those that its test set or a licence "
            "of the data tells it."
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
        where = "" if terms.fee_without_payment else ", where somebody is paid"
        lines.append(f"The platform keeps {terms.fee_basis_points / 100:g} % of the pool{where}.")
    if compute is not None:
        lines.append(compute.sentence(currency))
    if terms.performance_target is not None:
        lines.append(
            f"The whole pool is divided where the model gains {terms.performance_target:g} or more over nobody's data; "
            "below that its part of the pool, and the rest goes back to the buyer."
        )
    if reserves:
        lines.append("A provider whose amount would be below its reserve price is not in the deal.")
    return [*lines, *_waiting(payout, terms, currency), *(_DELIVERED[grant] for grant in deliver)]


def _waiting(payout: Payout, terms: PayoutTerms, currency: str) -> list[str]:
    """What is paid later, and why."""
    lines = []
    if terms.minimum_payout:
        lines.append(f"Less than {money.plain(terms.minimum_payout, currency)} {currency} accrues until it is more.")
    if payout.top_up_window_seconds:
        lines.append(
            "Where the intervals are wider than was asked for and more computing would narrow them, settlement waits "
            f"up to {payout.top_up_window_seconds / _DAY:g} days for a top-up, and the pool is divided by its values."
        )
    if terms.dispute_window_seconds:
        what = "The rest" if terms.policy is PayoutPolicy.INTERVAL_AWARE else "All of it"
        lines.append(
            f"{what} is held for {terms.dispute_window_seconds / _DAY:g} days, in which the buyer may dispute."
        )
    return lines


def _left_open(payout: Payout, lot: TestLot | None, *, apart: bool) -> list[str]:
    """Whether repeated rows count once, and what whoever cheats may still gain under these terms."""
    told = (
        (payout.copies == CopiesRule.FIRST or lot is not None, _ONCE),
        (payout.shards is None and not apart, _ACCOUNTS),
        (lot is None or lot.beside, _PICKED),
    )
    return [sentence for holds, sentence in told if holds]


def _lot(lot: TestLot | None) -> list[str]:
    if lot is None:
        return []
    how = "beside the buyer's test rows" if lot.beside else "and nothing else does"
    return [
        f"Of each provider's rows {100 * lot.part:g} % are drawn by lot, but of nobody more than of the one in the "
        f"middle: they and their copies are not trained on, and they measure, {how}. Where the licences hand over the "
        "models' answers, the labels of these rows are beside them, mixed among all."
    ]


def _conditions(terms: PayoutTerms, compute: DeviceTimePrice | None, edition: int) -> list[str]:
    """When nobody is paid, whatever the values are."""
    back = "goes back to the buyer" if compute is None else "goes back to the buyer, less device time"
    return [
        "The pool is divided even where the model of everybody's data is no better than the baseline."
        if terms.pay_without_gain
        else "No gain, no pay: where the model of everybody's data is not surely better than the baseline, "
        f"{'or that cannot be tested, ' if edition > 2 else ''}nobody is paid and the pool {back}.",
        "The pool is divided even where the error of unlearning was not measured."
        if terms.pay_unaudited
        else f"Where the error of unlearning was not measured, nobody is paid and the pool {back}.",
    ]
