"""Shares: the positive part of each value over the sum of positive parts, exact in fractions and alike in arrays."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.results.shares import exact, shares, shares_of

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)


@given(VALUES)
def test_shares_add_up_to_exactly_one_or_nobody_has_any(values: list[float]) -> None:
    total = sum(shares(values), Fraction(0))
    assert total == (1 if any(value > 0 for value in values) else 0)


@given(VALUES)
def test_no_harm_is_paid_and_shares_follow_positive_values(values: list[float]) -> None:
    of = shares(values)
    for value, share in zip(values, of, strict=True):
        assert (share > 0) == (value > 0)
    positive = [index for index, value in enumerate(values) if value > 0]
    for i in positive:
        for j in positive:
            assert of[i] * Fraction(values[j]) == of[j] * Fraction(values[i])


@given(VALUES)
def test_shares_of_arrays_are_the_exact_ones_as_near_as_floats_are(values: list[float]) -> None:
    if any(0 < value < 1e-290 for value in values):
        return  # smaller floats have too few digits left to divide
    assert shares_of(np.array(values)).tolist() == pytest.approx([float(each) for each in shares(values)], abs=1e-12)


def test_each_row_of_an_array_is_shared_on_its_own() -> None:
    drawn = np.array([[1.0, 3.0], [-1.0, -2.0], [-5.0, 2.0]])
    assert shares_of(drawn).tolist() == [[0.25, 0.75], [0.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_failed_evaluation_is_never_paid(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be paid"):
        exact(value)
    with pytest.raises(ValueError, match="not a finite number"):
        shares([1.0, value])
