"""Shares and their apportionment into whole cents, as properties; truth comes from trying every apportionment."""

import itertools
import uuid
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.payouts.shares import apportion, tie_key
from contract.results.shares import shares

JOB = uuid.UUID(int=7)


def keys(n: int) -> list[bytes]:
    return [tie_key(JOB, uuid.UUID(int=i + 1)) for i in range(n)]


# few distinct weights, so that equals are common; fractions over small denominators, so that remainders tie too
few_weights = st.lists(st.sampled_from([0, 1, 2, 3, 5, 7]), min_size=1, max_size=8).filter(any)
float_weights = st.lists(
    st.floats(min_value=0, max_value=1e6, allow_nan=False, allow_infinity=False), min_size=1, max_size=40
).filter(any)
any_weights = st.one_of(few_weights, float_weights)
pools = st.integers(min_value=0, max_value=10**7)


def quotas(weights: list[float], pool: int) -> list[Fraction]:
    total = sum(Fraction(w) for w in weights)
    return [Fraction(w) * pool / total for w in weights]


def pays_equals_alike(weights: list[float], amounts: list[int]) -> bool:
    return len(set(zip(weights, amounts, strict=True))) == len(set(weights))


def is_monotone(weights: list[float], amounts: list[int]) -> bool:
    paired = sorted(zip(weights, amounts, strict=True))
    return all(a[1] <= b[1] for a, b in itertools.pairwise(paired) if a[0] < b[0])


def within_quota(weights: list[float], pool: int) -> list[list[int]]:
    """Every apportionment in which each player gets floor or ceiling of its quota and the sum is the pool."""
    choices = [sorted({q.__floor__(), q.__ceil__()}) for q in quotas(weights, pool)]
    return [list(amounts) for amounts in itertools.product(*choices) if sum(amounts) == pool]


@given(any_weights, pools)
def test_an_apportionment_conserves_the_pool(weights: list[float], pool: int) -> None:
    assert sum(apportion(weights, pool, keys(len(weights)))) == pool


@given(any_weights, pools)
def test_each_player_gets_the_floor_or_the_ceiling_of_its_quota(weights: list[float], pool: int) -> None:
    for amount, quota in zip(apportion(weights, pool, keys(len(weights))), quotas(weights, pool), strict=True):
        assert quota.__floor__() <= amount <= quota.__ceil__()


@settings(max_examples=300)
@given(few_weights, st.integers(min_value=1, max_value=60))
def test_equals_are_paid_alike_whenever_that_is_possible(weights: list[int], pool: int) -> None:
    amounts = apportion(weights, pool, keys(len(weights)))
    possible = [a for a in within_quota(weights, pool) if pays_equals_alike(weights, a)]
    assert pays_equals_alike(weights, amounts) == bool(possible)
    if any(is_monotone(weights, a) for a in possible):
        assert is_monotone(weights, amounts)


@settings(max_examples=300)
@given(few_weights, st.integers(min_value=1, max_value=60))
def test_of_the_apportionments_of_its_kind_the_one_with_the_largest_remainders_is_chosen(
    weights: list[int], pool: int
) -> None:
    amounts = apportion(weights, pool, keys(len(weights)))
    exact = quotas(weights, pool)

    def gained(candidate: list[int]) -> Fraction:
        return sum((q - q.__floor__() for q, a in zip(exact, candidate, strict=True) if a > q), Fraction(0))

    kind = [
        a
        for a in within_quota(weights, pool)
        if pays_equals_alike(weights, a) >= pays_equals_alike(weights, amounts)
        and is_monotone(weights, a) >= is_monotone(weights, amounts)
    ]
    assert gained(amounts) == max(gained(a) for a in kind)


@given(any_weights, pools)
def test_a_larger_weight_never_gets_less_beyond_the_unit_that_paying_equals_alike_costs(
    weights: list[float], pool: int
) -> None:
    paired = sorted(zip(weights, apportion(weights, pool, keys(len(weights))), strict=True))
    for (light, less), (heavy, more) in itertools.pairwise(paired):
        if light < heavy:
            assert more >= less - 1


@given(st.sets(st.integers(min_value=1, max_value=10**6), min_size=1, max_size=30), pools)
def test_among_distinct_weights_a_larger_weight_never_gets_less(weights: set[int], pool: int) -> None:
    ordered = sorted(weights)
    amounts = apportion(ordered, pool, keys(len(ordered)))
    assert amounts == sorted(amounts)


@given(any_weights, pools, st.randoms(use_true_random=False))
def test_the_order_of_the_players_does_not_matter(weights: list[float], pool: int, random) -> None:
    order = list(range(len(weights)))
    random.shuffle(order)
    ties = keys(len(weights))
    straight = apportion(weights, pool, ties)
    shuffled = apportion([weights[i] for i in order], pool, [ties[i] for i in order])
    assert shuffled == [straight[i] for i in order]


@given(any_weights, pools)
def test_the_same_question_has_the_same_answer(weights: list[float], pool: int) -> None:
    assert apportion(weights, pool, keys(len(weights))) == apportion(weights, pool, keys(len(weights)))


def test_three_equals_and_a_hundred_cents_are_decided_by_the_tie_keys() -> None:
    ties = keys(3)
    amounts = apportion([1, 1, 1], 100, ties)
    assert sorted(amounts) == [33, 33, 34]
    assert amounts.index(34) == ties.index(min(ties))


def test_plain_largest_remainders_would_split_the_copies_and_this_does_not() -> None:
    # quotas 2.6, 2.6, 1.4, 0.4 of 7: two units over; the copies take both
    assert apportion([13, 13, 7, 2], 7, keys(4)) == [3, 3, 1, 0]
    # quotas 33.4, 33.4, 33.2 of 100: one unit over, and only the third player can take it without splitting the copies
    assert apportion([334, 334, 332], 100, keys(3)) == [33, 33, 34]


def test_a_selection_in_the_order_of_weights_is_preferred_to_one_with_larger_remainders() -> None:
    # quotas 1.60 | 1.52 1.52 | 0.36 of 5: two units over. The copies' remainders (1.04) are worth more than
    # those of the first and the last (0.96), but would pay the copies more than the first.
    assert apportion([160, 152, 152, 36], 5, keys(4)) == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("weights", "pool", "ties", "words"),
    [
        ([1.0], 5, [], "one key for each player"),
        ([1.0, 1.0], 5, [b"a", b"a"], "repeat"),
        ([1.0], -1, [b"a"], "cannot be negative"),
        ([-1.0, 2.0], 5, [b"a", b"b"], "clip values"),
        ([float("nan")], 5, [b"a"], "not a finite number"),
        ([0.0, 0.0], 5, [b"a", b"b"], "refund"),
    ],
)
def test_what_cannot_be_apportioned_is_refused(weights: list[float], pool: int, ties: list[bytes], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        apportion(weights, pool, ties)


def test_nobody_claims_an_empty_pool() -> None:
    assert apportion([0.0, 0.0], 0, keys(2)) == [0, 0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_shares_are_positive_parts_over_their_sum_exactly(values: list[float]) -> None:
    answer = shares(values)
    assert sum(answer) == (1 if any(v > 0 for v in values) else 0)
    positive = [max(Fraction(v), Fraction(0)) for v in values]
    for share, value in zip(answer, positive, strict=True):
        assert share * sum(positive) == value


def test_a_failed_evaluation_has_no_share() -> None:
    with pytest.raises(ValueError, match="failed evaluation"):
        shares([1.0, float("inf")])


def test_two_hundred_players_with_copies_are_apportioned_within_a_moment() -> None:
    weights = [1 / (1 + i // 2) for i in range(200)]
    amounts = apportion(weights, 1_000_003, keys(200))
    assert sum(amounts) == 1_000_003
    assert pays_equals_alike(weights, amounts) or sum(amounts[0::2]) != sum(amounts[1::2])
