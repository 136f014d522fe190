"""The default estimator on stored games with exact truth: naturally different providers, pairs, a dominant one."""

import numpy as np
import pytest

from benchmarks.estimators.__main__ import Judged, judge

GAMES = [
    ("adult-by-education", 1, "log_loss"),
    ("adult-by-occupation", 1, "clipped_log_loss"),
    ("tumours-dominant", 1, "log_loss"),
    ("wines-pairs", 1, "accuracy"),
    ("agnews-labels", 1, "log_loss"),
    ("tumours-skewed-mlp", 1, "accuracy"),
]


@pytest.fixture(scope="module")
def jobs() -> list[Judged]:
    return [judge(name, seed, metric, job_seed) for name, seed, metric in GAMES for job_seed in range(3)]


def test_intervals_and_bands_hold_the_exact_shares_of_games_of_many_kinds(jobs: list[Judged]) -> None:
    assert np.mean([job.covered for job in jobs]) >= 0.93
    assert np.mean([job.all_covered for job in jobs]) >= 0.88


def test_intervals_are_not_so_wide_that_they_say_nothing(jobs: list[Judged]) -> None:
    assert np.mean([job.width for job in jobs]) <= 4.0 * np.mean([job.worst for job in jobs])


def test_unlearned_worths_do_no_harm(jobs: list[Judged]) -> None:
    without = [judge(name, seed, metric, 0, unlearned=False) for name, seed, metric in GAMES]
    assert np.mean([job.worst for job in jobs]) <= 1.1 * np.mean([job.worst for job in without])
