"""Payout plans: each policy's rule, and conservation to the minor unit under all of them as a property."""

import json
import uuid
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.payouts.policies import PayoutClaim, PayoutPlan, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from contract.orders.policies import PayoutPolicy
from contract.results.result import Gain

JOB = uuid.UUID(int=99)
POOL = 1_000_000


def claim(number: int, value: float, *, half: float = 0.0, share: float | None = None, reserve: int = 0) -> PayoutClaim:
    id_ = uuid.UUID(int=number + 1)
    band = None if share is None else (max(share - half, 0.0), min(share + half, 1.0))
    return PayoutClaim(id_, id_, value, (value - half, value + half), band, reserve)


# everybody's data is better than nobody's, and nothing was tested
GAINED = JobOutcome(empty_worth=0.5, full_worth=0.75)


def gain(difference: float, *, gained: bool) -> Gain:
    return Gain(0.8, 0.8 + difference, difference, 0.01, difference - 0.016, 0.01 if gained else 0.4, gained, "a test")


def plan(
    claims: list[PayoutClaim],
    terms: PayoutTerms | None = None,
    budget: int = POOL,
    outcome: JobOutcome = GAINED,
    metered_compute: int = 0,
) -> PayoutPlan:
    return make_plan(JOB, "EUR", budget, terms or PayoutTerms(), claims, outcome, metered_compute=metered_compute)


def amounts(made: PayoutPlan) -> list[int]:
    return [line.amount for line in made.lines]


def test_who_is_void_is_paid_nothing_and_the_others_what_they_would_have_got() -> None:
    claims = [claim(0, 0.5), claim(1, 0.3), claim(2, 0.2), claim(3, -0.1)]
    lying = replace(claims[1], void="its sums are false")
    before, made = plan(claims), plan([claims[0], lying, *claims[2:]])
    assert amounts(made) == [500_000, 0, 200_000, 0]
    assert (made.refund, made.voided, made.nobody_paid) == (300_000, 300_000, None)
    assert [float(line.share) for line in made.lines] == pytest.approx([5 / 7, 0, 2 / 7, 0])
    assert made.lines[1].reason == "nothing: its sums are false, so its part goes back to the buyer"
    assert any("the 3000.00 EUR that they would have got goes back" in each for each in made.explanation)
    assert "voided" not in json.dumps(before.to_json())
    # of somebody who gets nothing anyhow nothing is void
    assert plan([*claims[:3], replace(claims[3], void="its sums are false")]).digest == before.digest


def test_where_everybody_who_would_be_paid_is_void_nobody_is_and_no_fee_is_taken() -> None:
    made = plan([replace(claim(0, 0.5), void="it is away"), claim(1, -0.2)], PayoutTerms(fee_basis_points=250))
    assert (made.fee, made.paid, made.refund) == (0, 0, POOL)
    assert made.nobody_paid == "whoever would be paid did not bear out its sums by opened rows"


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[PayoutClaim], PayoutTerms, int, dict[str, Any]]:
    """Any claims under any terms; few distinct values, so that copies are common."""
    values = draw(st.lists(st.sampled_from([-0.5, 0.0, 0.01, 0.1, 0.3, 1 / 3]), min_size=0, max_size=8))
    total = sum(max(v, 0) for v in values) or 1.0
    half = draw(st.sampled_from([0.0, 0.02, 0.2]))
    claims = [
        claim(i, v, half=half, share=max(v, 0) / total, reserve=draw(st.sampled_from([0, 0, 1, 300, 10**6])))
        for i, v in enumerate(values)
    ]
    terms = PayoutTerms(
        policy=draw(st.sampled_from(list(PayoutPolicy))),
        minimum_payout=draw(st.sampled_from([0, 50, 10**5])),
        performance_target=draw(st.sampled_from([None, 0.3, 2.0])),
        fee_basis_points=draw(st.sampled_from([0, 1, 333, 4_000])),
        compute_quote=draw(st.sampled_from([0, 7])),
        dispute_window_seconds=60,
        pay_without_gain=draw(st.booleans()),
        pay_unaudited=draw(st.booleans()),
        fee_without_payment=draw(st.booleans()),
    )
    outcome = JobOutcome(
        empty_worth=0.1,
        full_worth=draw(st.sampled_from([0.0, 0.1, 0.25, 0.9])),
        gain=draw(st.sampled_from([None, gain(0.1, gained=True), gain(0.001, gained=False)])),
        audited=draw(st.booleans()),
    )
    return (
        claims,
        terms,
        draw(st.integers(20, 10**6)),
        {"outcome": outcome, "metered_compute": draw(st.sampled_from([0, 5, 9]))},
    )


def lets_pay(terms: PayoutTerms, outcome: JobOutcome) -> bool:
    """The preconditions, written anew."""
    assert outcome.full_worth is not None
    assert outcome.empty_worth is not None
    gained = outcome.full_worth > outcome.empty_worth if outcome.gain is None else outcome.gain.gained
    return (gained or terms.pay_without_gain) and (outcome.audited or terms.pay_unaudited)


@settings(max_examples=400)
@given(situations())
def test_every_plan_adds_up_to_the_budget_and_pays_copies_alike_in_cents_of_one(situation) -> None:
    claims, terms, budget, more = situation
    made = plan(claims, terms, budget, **more)
    parts = [p for line in made.lines for p in (line.released, line.held, line.accrued)]
    assert min([0, *parts]) == 0
    assert sum(parts) + made.refund + made.fee + made.compute == budget
    for first, one in zip(claims, made.lines, strict=True):
        for second, other in zip(claims, made.lines, strict=True):
            if (first.value, first.reserve) == (second.value, second.reserve):
                assert abs(one.amount - other.amount) <= 1
        assert one.amount == 0 or (first.value > 0 and one.amount >= first.reserve)
    assert made.paid == 0 or lets_pay(terms, more["outcome"])
    if made.paid == 0:
        assert made.nobody_paid
        assert made.compute == min(more["metered_compute"], terms.compute_quote)
        assert made.fee == 0 or terms.fee_without_payment
    else:
        assert made.nobody_paid is None


@settings(max_examples=200)
@given(situations())
def test_amounts_follow_from_paid_shares_and_each_difference_from_the_share_has_its_reason(situation) -> None:
    claims, terms, budget, more = situation
    made = plan(claims, terms, budget, **more)
    total = sum(max(each.value, 0.0) for each in claims)
    for one, line in zip(claims, made.lines, strict=True):
        assert abs(line.amount - float(line.share) * made.paid) < 1 + 1e-6
        share = max(one.value, 0.0) / total if total else 0.0
        if abs(share - float(line.share)) > 1e-9:
            assert line.reason != "in proportion to its value"
        elif one.value > 0:
            assert line.reason == "in proportion to its value"
        assert line.reason.startswith("nothing") == (line.share == 0)


@settings(max_examples=200)
@given(situations(), st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_the_order_of_its_players(situation, random) -> None:
    claims, terms, budget, more = situation
    shuffled = claims[:]
    random.shuffle(shuffled)
    straight = {line.player_id: line for line in plan(claims, terms, budget, **more).lines}
    assert {line.player_id: line for line in plan(shuffled, terms, budget, **more).lines} == straight


@given(situations())
def test_the_same_plan_has_the_same_digest_and_another_has_another(situation) -> None:
    claims, terms, budget, more = situation
    made = plan(claims, terms, budget, **more)
    assert made.digest == plan(claims, terms, budget, **more).digest
    assert made.digest != plan(claims, terms, budget + 1, **more).digest
    assert json.loads(json.dumps(made.to_json())) == made.to_json()


def test_a_copy_is_paid_to_the_cent_what_its_original_is() -> None:
    # quotas end in .4, .4 and .2 cents: the plain method would give one of the copies a cent more
    made = plan([claim(0, 0.334), claim(1, 0.334), claim(2, 0.332)], budget=100)
    assert amounts(made) == [33, 33, 34]


def test_negative_values_earn_nothing_and_take_nothing_from_others() -> None:
    assert amounts(plan([claim(0, 0.3), claim(1, -9.0), claim(2, 0.1), claim(3, 0.0)])) == [750_000, 0, 250_000, 0]


def test_when_nobody_has_a_positive_value_the_buyer_gets_the_pool_back() -> None:
    made = plan([claim(0, -0.3), claim(1, 0.0)], PayoutTerms(fee_basis_points=100))
    assert (made.refund, made.fee, amounts(made)) == (POOL, 0, [0, 0])
    assert made.nobody_paid == "nobody has a claim under the terms"
    assert "goes back to the buyer" in made.explanation[-2]
    assert made.explanation[-1] == "The platform takes no fee, because nobody is paid."


def test_the_fee_is_taken_where_nobody_is_paid_only_by_jobs_that_agreed_to_that() -> None:
    made = plan([claim(0, -0.3)], PayoutTerms(fee_basis_points=100, fee_without_payment=True))
    assert (made.refund, made.fee) == (POOL - 10_000, 10_000)


NOT_SURE = JobOutcome(empty_worth=0.5, full_worth=0.75, gain=gain(0.004, gained=False))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (NOT_SURE, "is not surely a gain (a test)"),
        (JobOutcome(empty_worth=0.88, full_worth=0.868), "0.8800 with nobody's data, 0.8680 with everybody's"),
        (JobOutcome(empty_worth=0.0, full_worth=0.0), "which is no gain"),
        # the test rules, whatever the worths say
        (JobOutcome(empty_worth=0.1, full_worth=0.9, gain=gain(-0.1, gained=False)), "-0.1000"),
    ],
)
def test_no_gain_no_pay_whatever_the_policy_and_the_pool_goes_back_but_for_device_time(
    outcome: JobOutcome, words: str
) -> None:
    for policy in PayoutPolicy:
        terms = PayoutTerms(policy=policy, fee_basis_points=250, compute_quote=700, dispute_window_seconds=60)
        made = plan([claim(0, 0.3, half=0.1, share=0.3), claim(1, 0.7, share=0.7)], terms, POOL, outcome, 300)
        assert (amounts(made), made.fee, made.compute, made.refund) == ([0, 0], 0, 300, POOL - 300)
        assert {line.reason for line in made.lines} == {
            "nothing: the model gained nothing over the baseline, so nobody is paid"
        }
        assert made.nobody_paid == "no gain over the baseline, so nobody is paid"
        assert any(each.startswith("No gain, no pay") and words in each for each in made.explanation)
        assert made.performance == 0
        assert plan([claim(0, 0.3, share=1.0)], replace(terms, pay_without_gain=True), POOL, outcome).paid > 0


def test_a_gain_is_said_with_its_test() -> None:
    made = plan([claim(0, 0.1)], outcome=JobOutcome(0.5, 0.75, gain(0.1, gained=True)))
    assert made.paid == POOL
    assert any("standard error 0.0100" in each and "is a gain" in each for each in made.explanation)
    assert any("was not tested" in each for each in plan([claim(0, 0.1)]).explanation)


def test_a_gain_that_could_not_be_tested_is_none_unless_the_order_waives_it() -> None:
    outcome = JobOutcome(empty_worth=0.5, full_worth=0.75, untested=True)
    made = plan([claim(0, 0.1)], PayoutTerms(fee_basis_points=250), POOL, outcome)
    assert (made.paid, made.refund) == (0, POOL)
    assert made.nobody_paid == "the gain could not be tested, so nobody is paid"
    assert any("too large to be kept" in each for each in made.explanation)
    assert plan([claim(0, 0.1)], PayoutTerms(pay_without_gain=True), POOL, outcome).paid == POOL
    tested = JobOutcome(0.5, 0.75, gain(0.1, gained=True), untested=True)
    assert plan([claim(0, 0.1)], outcome=tested).paid == POOL, "there is a test"


def test_unaudited_values_are_paid_only_where_the_order_insists() -> None:
    outcome = JobOutcome(empty_worth=0.5, full_worth=0.75, audited=False)
    made = plan([claim(0, 0.1)], PayoutTerms(fee_basis_points=250), POOL, outcome)
    assert (made.paid, made.refund, made.nobody_paid) == (0, POOL, "the values are not audited, so nobody is paid")
    assert any("not audited" in each for each in made.explanation)
    assert plan([claim(0, 0.1)], PayoutTerms(pay_unaudited=True), POOL, outcome).paid == POOL


def test_a_job_without_shares_pays_nobody_even_where_all_is_waived() -> None:
    outcome = JobOutcome(empty_worth=0.5, full_worth=0.75, audited=False, no_shares="There is nobody to share with.")
    made = plan([claim(0, 0.1)], PayoutTerms(pay_unaudited=True, pay_without_gain=True), POOL, outcome)
    assert (made.paid, made.refund) == (0, POOL)
    assert "There is nobody to share with." in made.explanation


def test_who_gains_by_another_s_leaving_is_told_so() -> None:
    made = plan([claim(0, 0.5, reserve=600_000), claim(1, 0.5)])
    assert [line.reason for line in made.lines] == [
        "nothing: its share of the pool is below its reserve price, so it is not in the deal",
        "in proportion to its value among those who are paid",
    ]


def test_significant_is_what_terms_are_by_default() -> None:
    assert PayoutTerms().policy is PayoutPolicy.SIGNIFICANT
    assert amounts(plan([claim(0, 0.3), claim(1, 0.1, half=0.1)])) == [POOL, 0]


def test_significant_pays_nothing_to_a_value_that_may_be_zero() -> None:
    claims = [claim(0, 0.3, half=0.1), claim(1, 0.1, half=0.1), claim(2, 0.1, half=0.05)]
    assert amounts(plan(claims, PayoutTerms(policy=PayoutPolicy.SIGNIFICANT))) == [750_000, 0, 250_000]
    assert amounts(plan(claims, PayoutTerms(policy=PayoutPolicy.PROPORTIONAL))) == [600_000, 200_000, 200_000]


def test_interval_aware_releases_what_is_certain_and_holds_the_rest() -> None:
    claims = [claim(0, 0.6, half=0.1, share=0.6), claim(1, 0.4, half=0.5, share=0.4)]
    made = plan(claims, PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=60))
    assert [(line.released, line.held) for line in made.lines] == [(500_000, 100_000), (0, 400_000)]


def test_interval_aware_holds_no_cent_of_a_share_that_is_known_exactly() -> None:
    values = [0.1, 0.2, 0.7 / 3, 1 / 7]
    claims = [claim(i, v, share=v / sum(values)) for i, v in enumerate(values)]
    made = plan(claims, PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=60))
    assert [line.held for line in made.lines] == [0, 0, 0, 0]


def test_what_is_certain_grows_with_the_share_when_others_leave_the_deal() -> None:
    claims = [claim(0, 0.4, half=0.1, share=0.4), claim(1, 0.6, half=0.1, share=0.6, reserve=900_000)]
    made = plan(claims, PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=60))
    assert [(line.released, line.held) for line in made.lines] == [(750_000, 250_000), (0, 0)]


def test_a_dispute_window_holds_all_under_the_other_policies() -> None:
    made = plan([claim(0, 0.6), claim(1, 0.4)], PayoutTerms(dispute_window_seconds=60))
    assert [(line.released, line.held) for line in made.lines] == [(0, 600_000), (0, 400_000)]


def test_who_stays_below_its_reserve_leaves_and_the_rest_is_divided_anew() -> None:
    claims = [claim(0, 0.5, reserve=600_000), claim(1, 0.3, reserve=290_000), claim(2, 0.2)]
    # the first asks for more than its half; without it the second's share grows beyond its reserve
    assert amounts(plan(claims)) == [0, 600_000, 400_000]


def test_the_furthest_below_its_reserve_leaves_first_so_that_others_can_stay() -> None:
    claims = [claim(0, 0.4, reserve=410_000), claim(1, 0.4, reserve=800_000), claim(2, 0.2)]
    # both are below at first; once the second has left, the first has two thirds
    assert amounts(plan(claims)) == [666_667, 0, 333_333]


def test_equals_with_equal_reserves_leave_together() -> None:
    claims = [claim(0, 0.4, reserve=410_000), claim(1, 0.4, reserve=410_000), claim(2, 0.2)]
    assert amounts(plan(claims)) == [0, 0, POOL]


def test_small_amounts_accrue() -> None:
    made = plan([claim(0, 0.999), claim(1, 0.001)], PayoutTerms(minimum_payout=1_001))
    assert [(line.released, line.accrued) for line in made.lines] == [(999_000, 0), (0, 1_000)]


@pytest.mark.parametrize(
    ("empty", "full", "paid"), [(0.5, 0.75, 500_000), (0.5, 1.5, POOL), (0.5, 0.4, 0), (0.0, 1 / 3 * 0.5, 333_333)]
)
def test_the_performance_clause_pays_the_earned_part_and_refunds_the_rest(empty: float, full: float, paid: int) -> None:
    terms = PayoutTerms(performance_target=0.5, pay_without_gain=True)
    made = plan([claim(0, 0.1)], terms, outcome=JobOutcome(empty_worth=empty, full_worth=full))
    assert (made.paid, made.refund) == (paid, POOL - paid)


def test_compute_is_charged_up_to_the_quote_and_no_further() -> None:
    terms = PayoutTerms(compute_quote=700, fee_basis_points=250)
    for metered, charged in ((300, 300), (900, 700)):
        made = plan([claim(0, 0.1)], terms, metered_compute=metered)
        assert (made.compute, made.fee, made.paid) == (charged, 25_000, POOL - 25_000 - charged)


def test_who_is_below_zero_at_the_upper_bound_is_told_so() -> None:
    claims = [claim(0, -0.2, half=0.1), claim(1, -0.2, half=0.3), claim(2, 0.2, half=0.1)]
    assert ["even at the upper bound" in line.reason for line in plan(claims).lines] == [True, False, False]


def test_a_plan_that_does_not_add_up_cannot_be_made() -> None:
    made = plan([claim(0, 0.1)])
    with pytest.raises(ValueError, match="do not add up"):
        replace(made, refund=1)
    with pytest.raises(ValueError, match="are not the amount"):
        replace(made, lines=(replace(made.lines[0], amount=1),))
    with pytest.raises(ValueError, match="do not add up"):
        replace(made, refund=-1, fee=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plan([], budget=0), "more than zero"),
        (lambda: plan([claim(0, 1.0), claim(0, 2.0)]), "appears twice"),
        (lambda: plan([claim(0, float("nan"))]), "failed evaluation"),
        (lambda: plan([claim(0, float("inf"))]), "failed evaluation"),
        (lambda: plan([claim(0, 1.0, reserve=-1)]), "reserve price"),
        (lambda: plan([claim(0, 1.0)], metered_compute=-1), "metered compute"),
        (lambda: plan([claim(0, 1.0)], outcome=JobOutcome()), "neither a test of it nor the worths"),
        (
            lambda: plan(
                [claim(0, 1.0)], PayoutTerms(performance_target=0.1), outcome=JobOutcome(gain=gain(0.1, gained=True))
            ),
            "worths of nobody and of everybody",
        ),
        (
            lambda: plan([claim(0, 1.0)], PayoutTerms(compute_quote=50), budget=40, metered_compute=50),
            "more than the budget",
        ),
        (
            lambda: plan([replace(claim(0, 1.0), value_band=None)], PayoutTerms(policy=PayoutPolicy.SIGNIFICANT)),
            "needs an interval of each value",
        ),
        (
            lambda: plan([claim(0, 1.0)], PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE, dispute_window_seconds=5)),
            "needs an interval of each share",
        ),
        (lambda: PayoutTerms(policy=PayoutPolicy.INTERVAL_AWARE), "give a window"),
        (lambda: PayoutTerms(minimum_payout=-1), "zero or more"),
        (lambda: PayoutTerms(fee_basis_points=10_000), "less than 10000"),
        (lambda: PayoutTerms(performance_target=0.0), "finite gain above zero"),
        (lambda: PayoutTerms(performance_target=float("nan")), "finite gain above zero"),
    ],
)
def test_terms_and_claims_that_break_a_rule_are_refused_with_it(make, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        make()


def test_lines_carry_exact_shares() -> None:
    made = plan([claim(0, 0.25), claim(1, 0.5)])
    assert [line.share for line in made.lines] == [Fraction(1, 3), Fraction(2, 3)]
