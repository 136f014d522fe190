"""Shares and their intervals: ratios with a kink at zero, drawn from the joint distribution of the values."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contract.results.shares import shares_of
from worker.engine.estimators.estimate import Estimate
from worker.engine.loop.shares import intervals, symmetric
from worker.engine.loop.stopping import Look, band_confidence, precise_enough

Floats = NDArray[np.float64]


def estimate(values: list[float], stderr: list[float], freedom: float = 50.0) -> Estimate:
    return Estimate(np.array(values), np.diag(np.array(stderr) ** 2), 100, freedom)


def alone(n: int) -> list[list[int]]:
    return [[i] for i in range(n)]


@given(st.lists(st.floats(-100, 100, allow_nan=False), min_size=1, max_size=20).map(np.array))
@settings(max_examples=100, deadline=None)
def test_shares_are_clipped_values_over_their_sum(values: Floats) -> None:
    shares = shares_of(values)
    assert (shares >= 0).all()
    assert (shares[values <= 0] == 0).all()
    if (values > 1e-300).any():
        assert abs(shares.sum() - 1.0) < 1e-9
    else:
        assert shares.sum() == 0 or abs(shares.sum() - 1.0) < 1e-9


def test_no_positive_value_means_no_share_for_anybody() -> None:
    assert shares_of(np.array([-1.0, 0.0, -3.0])).tolist() == [0.0, 0.0, 0.0]


def test_intervals_stay_within_zero_and_one_and_hold_the_estimate() -> None:
    ranges = intervals(estimate([1.0, 0.02, -0.05], [0.2, 0.1, 0.1]), alone(3), 0.95, 0.95, 0)
    shares = shares_of(np.array([1.0, 0.02, -0.05]))
    for found in (ranges.share, ranges.share_band):
        assert (found[:, 0] >= 0).all()
        assert (found[:, 1] <= 1).all()
        assert ((found[:, 0] <= shares) & (shares <= found[:, 1])).all()


def test_a_player_at_the_kink_has_an_interval_from_zero() -> None:
    ranges = intervals(estimate([1.0, -0.01], [0.01, 0.05]), alone(2), 0.95, 0.95, 0)
    assert ranges.share[1, 0] == 0.0
    assert 0.05 < ranges.share[1, 1] < 0.12


def test_what_is_known_exactly_has_no_interval() -> None:
    ranges = intervals(estimate([0.5, 0.3], [0.0, 0.0], np.inf), alone(2), 0.95, 0.95, 0)
    assert (ranges.share[:, 0] == ranges.share[:, 1]).all()
    assert ranges.widest == 0.0


def test_the_band_holds_for_all_players_at_once() -> None:
    """Simulation: joint coverage of the band near its level, where per-player intervals fall well below it."""
    truth, stderr = np.array([0.4, 0.3, 0.2, 0.1, 0.0, -0.05]), np.full(6, 0.03)
    expected = shares_of(truth)
    rng = np.random.default_rng(0)
    band, each = [], []
    for seed in range(120):
        drawn = truth + stderr * rng.normal(size=6)
        ranges = intervals(estimate(list(drawn), list(stderr), np.inf), alone(6), 0.95, 0.95, seed)
        inside = [
            (r[:, 0] <= expected + 1e-12) & (expected <= r[:, 1] + 1e-12) for r in (ranges.share_band, ranges.share)
        ]
        band.append(inside[0].all())
        each.append(inside[1])
    assert np.mean(band) >= 0.91
    assert np.mean(each) >= 0.93
    assert np.mean(band) > np.mean([row.all() for row in each])


def test_the_joint_distribution_counts_not_the_single_errors() -> None:
    """Two values that err together have steady shares; errors apart, the same single errors make wide ones."""
    together = Estimate(np.array([1.0, 1.0]), np.array([[0.04, 0.0399], [0.0399, 0.04]]), 10)
    apart = Estimate(np.array([1.0, 1.0]), np.array([[0.04, -0.0399], [-0.0399, 0.04]]), 10)
    widths = [intervals(e, alone(2), 0.95, 0.95, 0).widest for e in (together, apart)]
    assert widths[0] < 0.2 * widths[1]


def test_copies_agree_to_the_last_bit_in_values_errors_and_intervals() -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(4, 4))
    raw = Estimate(rng.normal(size=4) + 1.0, root @ root.T * 0.01, 10, 20.0)
    classes = [[0, 2], [1], [3]]
    even = symmetric(raw, classes)
    assert even.values[0] == even.values[2]
    assert even.stderr[0] == even.stderr[2]
    ranges = intervals(even, classes, 0.95, 0.99, 5)
    for found in (ranges.value, ranges.share, ranges.value_band, ranges.share_band):
        assert found[0].tolist() == found[2].tolist()


def test_more_confidence_and_more_looks_never_narrow_a_band() -> None:
    assert band_confidence(0.95, 1) == 0.975
    assert sum(1.0 - band_confidence(0.95, k) for k in range(1, 2000)) < 0.05
    e = estimate([0.5, 0.3, 0.1], [0.05, 0.05, 0.05])
    widths = [intervals(e, alone(3), 0.95, band_confidence(0.95, k), 0).widest for k in (1, 2, 4)]
    assert widths == sorted(widths)


def test_the_rule_needs_both_narrow_intervals_and_halves_that_agree() -> None:
    assert precise_enough(Look(1, 1.9, 3.9), 2.0)
    assert not precise_enough(Look(1, 2.1, 0.0), 2.0)
    assert not precise_enough(Look(1, 1.9, 4.1), 2.0)
    assert not precise_enough(Look(1, 0.0, None), 2.0)
