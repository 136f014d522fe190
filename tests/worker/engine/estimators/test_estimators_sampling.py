"""Estimators on a budget: what they may ask, what they must not ask twice, and how far off they may be."""

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.engine.estimators import LONE
from worker.engine.estimators.estimate import BudgetTooSmall
from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.grid import grid_size
from worker.engine.games.coalitions import key, pair_stream, sizes_of
from worker.engine.games.game import Coalitions, EvaluationFailed, FunctionGame, TableGame, Worths, all_coalitions
from worker.engine.games.memo import MemoGame

Floats = NDArray[np.float64]
SAMPLERS = sorted(set(LONE) - {"exact"})


def saturating(n: int, seed: int) -> Floats:
    """Worths as learning curves have them: a steep first step, then less and less, and a harmful player."""
    rng = np.random.default_rng(seed)
    rows = all_coalitions(n).astype(float)
    gain = 1.0 - np.exp(-rows @ rng.uniform(0.2, 1.2, n))
    return gain - 0.05 * rows[:, n - 1] * rows.mean(axis=1) + 0.01 * rng.normal(size=1 << n)


class Recorder:
    """A table game that keeps every coalition it is asked for."""

    def __init__(self, table: Floats) -> None:
        self._game = TableGame(table)
        self.asked: list[bytes] = []

    @property
    def n_players(self) -> int:
        return self._game.n_players

    def worth(self, coalitions: Coalitions) -> Worths:
        self.asked += [key(row) for row in coalitions]
        return self._game.worth(coalitions)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("budget", [20, 33, 80])
def test_no_coalition_is_paid_twice_and_the_budget_is_kept(name: str, budget: int) -> None:
    game = Recorder(saturating(7, 1))
    estimate = LONE[name](game, budget, np.random.default_rng(3))
    assert len(game.asked) == len(set(game.asked)) == estimate.evaluations <= budget


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_resumed_run_pays_only_for_the_rest_and_ends_where_one_long_run_does(name: str) -> None:
    table = saturating(7, 2)
    game = Recorder(table)
    memo = MemoGame(game)
    short = LONE[name](memo, 30, np.random.default_rng(4))
    first = list(game.asked)
    resumed = LONE[name](memo, 60, np.random.default_rng(4))
    alone = Recorder(table)
    long = LONE[name](alone, 60, np.random.default_rng(4))
    np.testing.assert_array_equal(resumed.values, long.values)
    assert set(game.asked) == set(alone.asked)
    assert len(game.asked) == len(set(game.asked))
    assert set(first) < set(alone.asked)
    assert (resumed.values != short.values).any()
    # More data must not read as less certain: pyDVL's resumed run doubled its standard error.
    assert resumed.stderr.mean() < 1.5 * short.stderr.mean()


def test_the_memory_is_keyed_by_members_not_by_their_order_or_by_copies() -> None:
    game = Recorder(saturating(4, 3))
    memo = MemoGame(game, [[0, 3], [1], [2]])
    one = memo.worth(np.array([[True, False, True, False]]))
    same = memo.worth(np.array([[False, False, True, True], [True, False, True, False]]))
    assert len(game.asked) == 1
    assert one[0] == same[0] == same[1]


def test_a_worth_that_is_not_finite_fails_the_evaluation_and_is_not_stored() -> None:
    memo = MemoGame(FunctionGame(3, lambda rows: np.where(rows[:, 1], np.nan, 1.0)))
    with pytest.raises(EvaluationFailed, match=r"coalition \[1\] is not finite"):
        memo.worth(np.array([[False, False, False], [False, True, False]]))
    assert memo.evaluations == 0


def test_a_failing_learner_is_never_a_score() -> None:
    def fails(rows: Coalitions) -> Worths:
        raise EvaluationFailed("the learner failed on coalition [2]")

    for name in SAMPLERS:
        with pytest.raises(EvaluationFailed, match="the learner failed"):
            LONE[name](FunctionGame(6, fails), 40, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("multifidelity", 0.02),
        ("regression", 0.03),
        ("svarm", 0.05),
        ("stratified", 0.12),
        ("leverage", 0.08),
        ("kernelshap", 0.08),
        ("permutation", 0.2),
        ("antithetic", 0.2),
    ],
)
def test_values_come_close_on_a_third_of_the_worths(name: str, most: float) -> None:
    errors = []
    for seed in range(4):
        table = saturating(8, seed)
        values = LONE[name](TableGame(table), 86, np.random.default_rng(seed)).values
        errors.append(np.abs(values - exact_values(table)).max())
    assert np.mean(errors) < most


@pytest.mark.parametrize("name", SAMPLERS)
def test_equal_seeds_give_equal_bits(name: str) -> None:
    table = saturating(6, 7)
    one, two = (LONE[name](TableGame(table), 30, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.covariance, two.covariance)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_budget_that_is_too_small_is_refused_by_name(name: str) -> None:
    with pytest.raises(BudgetTooSmall, match=rf"the {name} estimator needs a budget of at least"):
        LONE[name](TableGame(saturating(6, 1)), 3, np.random.default_rng(0))


def test_standard_errors_are_of_the_size_of_the_errors() -> None:
    """Squared z-scores near 1: not far below (timid), not far above (boasting)."""
    for name in ("permutation", "antithetic", "svarm", "regression"):
        scores = []
        for seed in range(12):
            table = saturating(8, seed)
            estimate = LONE[name](TableGame(table), 120, np.random.default_rng(seed))
            scores.append(((estimate.values - exact_values(table)) ** 2 / estimate.stderr**2).mean())
        # The median: with few draws z-scores follow Student's t, whose square has a heavy tail.
        assert 0.1 < np.median(scores) < 2.0, name


def test_pairs_are_antithetic_distinct_balanced_and_complete() -> None:
    pairs = list(pair_stream(6, np.random.default_rng(0)))
    assert len(pairs) == 31
    assert all((pair[0] != pair[1]).all() for pair in pairs)
    assert len({key(row) for pair in pairs for row in pair}) == 62
    early = np.bincount(np.minimum(*[sizes_of(np.array([p[k] for p in pairs[:9]])) for k in (0, 1)]), minlength=4)
    assert early[1:].tolist() == [3, 3, 3]


def test_evaluations_for_a_hundred_players_grow_no_faster_than_n_log_n() -> None:
    sizes = {n: grid_size(n) for n in (13, 20, 50, 100, 200)}
    assert all(size <= 16 * n * np.log2(n) + 1 for n, size in sizes.items())
    weights = np.random.default_rng(0).uniform(0.0, 0.1, 100)
    game = FunctionGame(100, lambda rows: 1.0 - np.exp(-(rows @ weights)))
    estimate = LONE["regression"](game, 1000, np.random.default_rng(0))
    assert estimate.evaluations <= 1000
    assert np.corrcoef(estimate.values, weights)[0, 1] > 0.98


def test_pairs_of_many_players_are_distinct_too() -> None:
    """Where a size has too many coalitions to list, draws are random and must still not repeat."""
    stream = pair_stream(16, np.random.default_rng(0), np.array([0.0] + [0.0] * 5 + [1.0, 0.0, 0.0]))
    rows = [next(stream)[0] for _ in range(2500)]
    assert len({key(row) for row in rows}) == 2500
    assert all(row.sum() == 6 for row in rows)


def test_pairs_of_half_the_players_come_once_not_once_from_each_side() -> None:
    rows = [row for pair in pair_stream(4, np.random.default_rng(1)) for row in pair]
    assert sorted(int(row.sum()) for row in rows) == [1] * 4 + [2] * 6 + [3] * 4
