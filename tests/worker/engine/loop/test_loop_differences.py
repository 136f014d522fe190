"""Everybody's model before and after a change: the difference pairs test units, and others are not compared."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from contract.results.selection import ScoreChange
from worker.engine.games.measured import Ends
from worker.engine.loop.differences import difference, paired
from worker.engine.loop.gain import UNSEEN

UNITS = 400


def ends(rights: np.ndarray, *, base: float = 0.5) -> Ends:
    """A model that is right on some units, by accuracy, beside a baseline that is right on every second."""
    nobody = np.arange(UNITS) % 2 < 2 * base
    moved = np.stack([nobody - nobody.mean(), rights - rights.mean()]) / UNITS
    return Ends(float(nobody.mean()), float(rights.mean()), moved, "accuracy on 400 test rows")


def test_the_difference_is_of_pairs_and_so_narrower_than_of_two_scores() -> None:
    rng = np.random.default_rng(1)
    first = rng.random(UNITS) < 0.8
    second = first.copy()
    second[np.flatnonzero(~first)[:20]] = True
    found = difference(ends(first), ends(second))
    assert (found.after - found.before, found.gain) == pytest.approx((20 / UNITS, first.mean() - 0.5))
    assert found.part == pytest.approx(20 / UNITS / found.gain)
    apart = second.astype(float) - first
    expected = NormalDist().inv_cdf(0.975) * np.sqrt(apart.var() / UNITS + UNSEEN / UNITS**2)
    assert found.interval == pytest.approx((20 / UNITS - expected, 20 / UNITS + expected))
    alone = 2 * 1.96 * np.sqrt(first.var() / UNITS + second.var() / UNITS)
    assert found.interval[1] - found.interval[0] < 0.5 * alone


def test_the_interval_holds_the_difference_on_all_rows() -> None:
    rng = np.random.default_rng(5)
    many = 40_000
    first = rng.random(many) < 0.75
    second = np.where(rng.random(many) < 0.1, rng.random(many) < 0.9, first)
    truth = float(second.mean() - first.mean())
    held = []
    for _ in range(400):
        at = rng.choice(many, UNITS, replace=False)
        low, high = difference(ends(first[at]), ends(second[at])).interval
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.92


def test_the_same_model_is_no_different_and_few_groups_are_less_sure() -> None:
    same = ends(np.arange(UNITS) % 5 > 0)
    found = difference(same, same)
    assert found.after == found.before
    assert found.interval[0] < 0.0 < found.interval[1], "of units that were not seen nobody knows"
    few = replace(same, influences=same.influences.reshape(2, 8, -1).sum(axis=2), within=UNITS)
    wide = difference(few, few)
    assert wide.interval[1] > found.interval[1]
    assert isinstance(wide, ScoreChange)


def test_models_that_were_measured_on_other_units_are_not_compared() -> None:
    one = ends(np.arange(UNITS) % 5 > 0)
    assert paired(one, ends(np.arange(UNITS) % 3 > 0))
    assert not paired(one, replace(one, basis="accuracy on 399 test rows"))
    assert not paired(one, replace(one, influences=one.influences[:, 1:]))
    assert not paired(one, replace(one, influences=one.influences[:, ::-1])), "the rows are in another order"
