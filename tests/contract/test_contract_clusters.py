"""Test units that were drawn together are counted as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.results.clusters import at_most, canonical, count, some, summed


def test_units_by_themselves_are_clusters_of_one() -> None:
    moved = np.random.default_rng(0).normal(size=(3, 20))
    assert np.array_equal(summed(moved, None), moved)
    np.testing.assert_allclose(summed(moved, np.arange(20)), moved, rtol=1e-15)


def test_a_cluster_moves_what_its_units_move_together() -> None:
    # ten units, each twice: the variance of a mean is that of ten units, which twenty would halve
    rng = np.random.default_rng(1)
    values = rng.normal(size=10)
    twice = np.repeat(values - values.mean(), 2) / 20 * np.sqrt(20 / 19)
    pairs = np.repeat(np.arange(10), 2)
    by_rows, by_clusters = (float((summed(twice[None], each) ** 2).sum()) for each in (None, pairs))
    assert by_clusters == pytest.approx(values.var(ddof=1) / 10)
    assert by_rows == pytest.approx(by_clusters / 2, rel=0.1)


def test_the_variance_of_a_mean_of_unequal_clusters_is_that_over_draws_of_clusters() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 8, 400)
    clusters = np.repeat(np.arange(400), sizes)
    values = rng.normal(size=400)[clusters] + 0.3 * rng.normal(size=len(clusters))
    moved = (values - values.mean()) / len(values)
    claimed = float((summed(moved[None], clusters) ** 2).sum())
    begins = np.concatenate([[0], np.cumsum(sizes)])
    means = []
    for _ in range(4000):
        drawn = rng.integers(0, 400, 400)
        means.append(np.concatenate([values[begins[each] : begins[each + 1]] for each in drawn]).mean())
    assert claimed == pytest.approx(np.var(means), rel=0.1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=12), st.randoms())
def test_neither_names_nor_the_order_of_equal_units_change_the_numbers(
    units: list[tuple[int, int]], random: object
) -> None:
    units = sorted(units, key=lambda each: each[1])
    clusters, ranks = (np.array(each, dtype=np.int64) for each in zip(*units, strict=True))
    renamed = np.array([17, 3, 99, 42])[clusters]
    shuffle = sorted(range(len(units)), key=lambda at: (ranks[at], random.random()))  # type: ignore[attr-defined]
    moved = np.random.default_rng(3).normal(size=6)[ranks][None]
    first = canonical(clusters, ranks)
    again = canonical(renamed[shuffle], ranks[shuffle])
    assert count(first) == count(again) == len(set(clusters.tolist()))
    if count(first) > 1:
        assert np.array_equal(summed(moved, first), summed(moved, again))


def test_what_is_left_of_clusters_is_numbered_anew() -> None:
    left = some(np.array([0, 1, 2, 2, 1]), np.array([1, 2, 4]))
    assert left is not None
    assert left.tolist() == [0, 1, 0]
    assert some(None, np.array([0])) is None


def test_fewer_sums_of_independent_units_have_their_variance_on_average() -> None:
    rng = np.random.default_rng(4)
    moved = rng.normal(size=(200, 600)) / 600
    parts = at_most(600, 100)
    assert parts is not None
    assert np.bincount(parts).tolist() == [6] * 100
    claimed = (summed(moved, parts) ** 2).sum(axis=1)
    assert claimed.mean() == pytest.approx((moved**2).sum(axis=1).mean(), rel=0.05)
    assert at_most(100, 100) is None
