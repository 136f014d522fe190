"""Which worths are computed again: by what they can do to a share, with a probability that is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.proof.retries import drawn, inclusion, missed

MOVES = st.lists(st.floats(0.0, 8.0), min_size=2, max_size=60).map(lambda moves: np.array(moves))


@given(MOVES, st.integers(0, 70))
@settings(deadline=None, max_examples=60)
def test_as_many_are_drawn_as_may_be_and_each_with_its_probability(moves: np.ndarray, count: int) -> None:
    probabilities, _ = inclusion(moves, count)
    assert probabilities.sum() == pytest.approx(min(count, len(moves)), rel=1e-6)
    rows = drawn(moves, count, np.random.default_rng(0))
    assert len(rows) == len(set(rows)) == min(count, len(moves))


def test_the_probabilities_are_those_of_the_draws() -> None:
    moves = np.array([3.0, 1.0, 0.5, 0.2, 0.2, 0.0])
    probabilities, _ = inclusion(moves, 3)
    counts = np.zeros(6)
    rng = np.random.default_rng(1)
    for _ in range(4000):
        counts[drawn(moves, 3, rng)] += 1
    np.testing.assert_allclose(counts / 4000, probabilities, atol=0.03)
    assert probabilities[-1] > 0.0, "no worth is left out for certain"


@given(MOVES, st.integers(1, 40), st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_no_set_of_worths_that_moves_a_share_by_a_point_escapes_more_often_than_is_said(
    moves: np.ndarray, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.random(len(moves)) < rng.random()
    if moves[chosen].sum() < 1.0:
        return
    probabilities, _ = inclusion(moves, count)
    assert np.prod(1.0 - probabilities[chosen]) <= missed(moves, count) + 1e-9


def test_where_no_set_of_worths_moves_a_share_by_a_point_nothing_can_be_missed() -> None:
    assert missed(np.full(20, 0.01), 3) == 0.0
    assert missed(np.full(20, 1.0), 20) == 0.0
