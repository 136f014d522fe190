"""Estimators on games whose Shapley values are known: exact to 1e-9 once all 2^n worths are given."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.engine.estimators import LONE
from worker.engine.estimators.estimate import BudgetTooSmall
from worker.engine.estimators.exact import exact, exact_values
from worker.engine.estimators.grid import full_grid, with_ends
from worker.engine.estimators.regression import regression_operator
from worker.engine.estimators.svarm import strata_operator, strata_variance
from worker.engine.games.coalitions import pair_stream
from worker.engine.games.game import FunctionGame, TableGame, all_coalitions

Floats = NDArray[np.float64]
REFERENCE = json.loads((Path(__file__).parent / "shapiq_reference.json").read_text())


def every_worth(name: str, table: Floats) -> Floats:
    return LONE[name](TableGame(table), len(table), np.random.default_rng(0)).values


def by_orders(table: Floats) -> Floats:
    """Shapley values by their definition, over all orders; shares no code with the engine."""
    n = len(table).bit_length() - 1
    total = np.zeros(n)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        kept = 0
        for player in order:
            total[player] += table[kept | 1 << player] - table[kept]
            kept |= 1 << player
    return total / len(orders)


def voting(weights: list[int], quota: int) -> Floats:
    return (all_coalitions(len(weights)) @ np.array(weights) >= quota).astype(np.float64)


def airport(costs: list[float]) -> Floats:
    return np.array(
        [
            max([c for c, kept in zip(costs, row, strict=True) if kept], default=0.0)
            for row in all_coalitions(len(costs))
        ]
    )


@pytest.mark.parametrize("name", sorted(LONE))
@pytest.mark.parametrize("case", sorted(REFERENCE))
def test_all_worths_give_the_values_that_shapiq_computed(name: str, case: str) -> None:
    """The reference was written by shapiq 1.4.1's ExactComputer in an environment of its own."""
    table = np.array(REFERENCE[case]["worths"])
    np.testing.assert_allclose(every_worth(name, table), REFERENCE[case]["values"], atol=1e-9)


@pytest.mark.parametrize("name", sorted(LONE))
def test_all_worths_give_the_values_of_the_definition(name: str) -> None:
    table = np.random.default_rng(5).normal(size=32)
    np.testing.assert_allclose(every_worth(name, table), by_orders(table), atol=1e-9)


def test_power_in_the_council_of_three_is_two_thirds_one_sixth_one_sixth() -> None:
    np.testing.assert_allclose(exact_values(voting([3, 1, 1], 4)), [2 / 3, 1 / 6, 1 / 6], atol=1e-12)


def test_the_airport_is_paid_by_those_who_need_each_stretch() -> None:
    np.testing.assert_allclose(exact_values(airport([1.0, 2.0, 4.0])), [1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 2])


def test_an_additive_game_gives_each_player_its_own() -> None:
    weights = np.array([0.3, -0.2, 1.5, 0.0])
    np.testing.assert_allclose(exact_values(all_coalitions(4) @ weights + 7.0), weights, atol=1e-12)


def test_a_null_player_is_worth_nothing_and_a_symmetric_pair_the_same() -> None:
    rows = all_coalitions(5)
    table = np.sqrt(rows[:, 0].astype(float) + rows[:, 1]) + rows[:, 2] * rows[:, 3]
    values = exact_values(table)
    assert abs(values[4]) < 1e-12
    assert abs(values[0] - values[1]) < 1e-12


tables = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.floats(-10, 10, allow_nan=False), min_size=1 << n, max_size=1 << n).map(np.array)
)
SAMPLED = ["kernelshap", "leverage", "multifidelity", "regression", "stratified", "svarm"]


@given(table=tables, seed=st.integers(0, 9), name=st.sampled_from(sorted(LONE)))
@settings(max_examples=60, deadline=None)
def test_efficiency_values_add_up_to_what_everybody_adds(table: Floats, seed: int, name: str) -> None:
    n = len(table).bit_length() - 1
    budget = len(table) if name == "exact" else max(2 * n + 2, (2 * len(table)) // 3)
    values = LONE[name](TableGame(table), budget, np.random.default_rng(seed)).values
    assert values.sum() == pytest.approx(table[-1] - table[0], abs=1e-7)


@given(table=tables, other=st.integers(0, 2**31), a=st.floats(-3, 3), b=st.floats(-3, 3))
@settings(max_examples=40, deadline=None)
def test_linearity_the_value_of_a_sum_of_games_is_the_sum_of_values(
    table: Floats, other: int, a: float, b: float
) -> None:
    second = np.random.default_rng(other).normal(size=len(table))
    together = exact_values(a * table + b * second)
    np.testing.assert_allclose(together, a * exact_values(table) + b * exact_values(second), atol=1e-8)


@given(seed=st.integers(0, 2**31), name=st.sampled_from(["regression", "svarm", "leverage"]))
@settings(max_examples=20, deadline=None)
def test_linear_estimators_stay_linear_on_the_same_sample(seed: int, name: str) -> None:
    first, second = np.random.default_rng(seed).normal(size=(2, 128))
    values = [LONE[name](TableGame(t), 60, np.random.default_rng(1)).values for t in (first, second, first + second)]
    np.testing.assert_allclose(values[0] + values[1], values[2], atol=1e-9)


@given(table=tables)
@settings(max_examples=40, deadline=None)
def test_null_player_and_symmetry_hold_for_any_game(table: Floats) -> None:
    n = len(table).bit_length() - 1
    # A game of n + 2 players: the last is null; player 0 and the one before last are interchangeable.
    rows = all_coalitions(n + 2)
    either = rows[:, 0] | rows[:, n]
    inner = np.column_stack([either, rows[:, 1:n]])
    values = exact_values(table[inner @ (1 << np.arange(n))])
    assert abs(values[n + 1]) < 1e-9
    assert values[0] == pytest.approx(values[n], abs=1e-9)


def test_exact_refuses_more_than_twenty_players_and_too_small_a_budget() -> None:
    with pytest.raises(ValueError, match="at most 20 players"):
        exact(FunctionGame(21, lambda rows: rows.sum(axis=1).astype(float)), 1 << 21)
    with pytest.raises(BudgetTooSmall, match="at least 8 evaluations"):
        exact(TableGame(np.zeros(8)), 7)


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_the_linear_maps_of_sampled_grids_are_exact_once_the_grid_is_full(n: int) -> None:
    """The maps themselves, not the hand-over to enumeration: size regression, and SVARM's strata made efficient."""
    pairs = np.concatenate(list(pair_stream(n, np.random.default_rng(0))))
    coalitions = with_ends(pairs)
    table = np.random.default_rng(n).normal(size=1 << n)
    worths = TableGame(table).worth(coalitions)
    np.testing.assert_allclose(regression_operator(coalitions) @ worths, exact_values(table), atol=1e-9)
    np.testing.assert_allclose(strata_operator(coalitions) @ worths, exact_values(table), atol=1e-9)
    assert strata_variance(coalitions, worths).max() == pytest.approx(0.0, abs=1e-12)


def test_exact_copies_share_one_row_of_a_grid_and_equal_rows_of_its_map() -> None:
    grid = full_grid(4, [[0, 2], [1], [3]])
    assert len(grid.coalitions) == 12
    assert grid.operator[0].tolist() == grid.operator[2].tolist()
    rows = all_coalitions(4)
    either = np.sqrt(rows[:, 0].astype(float) + rows[:, 2]) + rows[:, 1] * rows[:, 3]
    worths = TableGame(either).worth(grid.coalitions)
    np.testing.assert_allclose(grid.operator @ worths, exact_values(either), atol=1e-12)
