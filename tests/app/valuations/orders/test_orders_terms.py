"""Agreed terms: from an order to the ledger's numbers, and to sentences that leave nothing of them out."""

import itertools
from decimal import Decimal
from typing import Any

import pytest

from app.errors import InvalidInput
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.terms import payout_terms, sentences
from app.valuations.schemas import Payout, TestLot
from contract.orders.policies import CopiesRule, PayoutPolicy


def agreed(**terms: Any) -> Payout:
    """Terms whose dispute window is set, to none where nothing is said of it."""
    return Payout(**({"dispute_window_seconds": 0} | terms))


def said(payout: Payout | None = None, fee: int = 0, reserves: bool = False, weights: str = "uniform") -> str:
    return "\n".join(sentences(payout or agreed(), "EUR", fee, reserves, weights))


def test_amounts_become_minor_units_of_the_currency() -> None:
    payout = agreed(minimum_payout="12.50", performance_target=0.2, dispute_window_seconds=60)
    terms = payout_terms(payout, "EUR", 250, DeviceTimePrice.quoted(Decimal("1.20"), "EUR", 3600.0))
    assert (terms.minimum_payout, terms.fee_basis_points, terms.compute_quote) == (1250, 250, 120)
    assert (terms.performance_target, terms.dispute_window_seconds) == (0.2, 60)
    assert payout_terms(agreed(minimum_payout="3"), "JPY").minimum_payout == 3
    assert payout_terms(agreed(), "EUR").minimum_payout == 0


def test_terms_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidInput, match="dispute_window_seconds is 0"):
        payout_terms(agreed(policy=PayoutPolicy.INTERVAL_AWARE), "EUR")
    with pytest.raises(InvalidInput, match="minimum_payout"):
        payout_terms(agreed(minimum_payout="1.005"), "EUR")


def test_every_policy_and_rule_for_copies_has_a_sentence_of_its_own() -> None:
    told = {
        (policy, copies): sentences(agreed(policy=policy, copies=copies, dispute_window_seconds=60), "EUR", 0, False)
        for policy, copies in itertools.product(PayoutPolicy, CopiesRule)
    }
    assert len({lines[0] for lines in told.values()}) == len(PayoutPolicy)
    assert len({lines[3] for lines in told.values()}) == len(CopiesRule)
    assert all("test set count for nobody" in lines[4] for lines in told.values())


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (said(agreed(shards=40)), "about 40 equal shards"),
        (said(weights="balanced"), "Every class of the test set counts alike"),
        (said(weights="pooled"), "as often as they are among the providers' rows"),
        (said(agreed(revalue_without_harm=True)), "the others are valued again without it"),
        (said(fee=250), "The platform keeps 2.5 % of the pool, where somebody is paid."),
        (said(agreed(performance_target=0.25)), "where the model gains 0.25 or more"),
        (said(reserves=True), "below its reserve price is not in the deal"),
        (said(agreed(minimum_payout="5")), "Less than 5.00 EUR accrues until it is more."),
        (said(agreed(dispute_window_seconds=86_400 * 3)), "All of it is held for 3 days"),
    ],
)
def test_a_term_is_said_where_it_is_agreed_and_not_otherwise(changed: str, sentence: str) -> None:
    assert sentence in changed
    assert sentence not in said()


def test_of_interval_aware_terms_only_the_uncertain_rest_is_held() -> None:
    told = said(agreed(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=86_400))
    assert "The rest is held for 1 days" in told


def test_what_cheating_may_still_gain_is_told_to_both_sides_and_old_jobs_keep_their_words() -> None:
    accounts, picked, once = "in several accounts", "The buyer chose the test rows", "count once"

    def told(payout: Payout, **more: Any) -> list[bool]:
        lines = "\n".join(sentences(payout, "EUR", 0, False, **more))
        return [part in lines for part in (accounts, picked, once)]

    assert told(agreed()) == [True, True, False]
    assert told(agreed(shards=40, copies=CopiesRule.FIRST)) == [False, True, True]
    assert told(agreed(), lot=TestLot(part=0.2, beside=True)) == [True, True, True]
    assert told(agreed(), lot=TestLot(part=0.2, beside=False)) == [True, False, True]
    assert told(agreed(copies=CopiesRule.FIRST), edition=3) == [False, False, False]
