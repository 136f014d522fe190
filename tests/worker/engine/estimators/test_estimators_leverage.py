"""Leverage SHAP: pairs without replacement, every size alike, each size weighing what the Shapley kernel gives it."""

import numpy as np
import pytest

from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.leverage import leverage
from worker.engine.games.coalitions import key, sizes_of
from worker.engine.games.game import Coalitions, FunctionGame, TableGame, Worths


def test_complements_are_bought_together_and_no_pair_twice_and_sizes_come_alike() -> None:
    bought: list[Coalitions] = []

    def worth(rows: Coalitions) -> Worths:
        bought.append(rows.copy())
        return rows.sum(axis=1).astype(float)

    leverage(FunctionGame(9, worth), 50, np.random.default_rng(0))
    inner = np.concatenate(bought)
    inner = inner[(sizes_of(inner) > 0) & (sizes_of(inner) < 9)]
    known = {key(row) for row in inner}
    assert len(known) == len(inner) == 48
    assert all(key(~row) in known for row in inner)
    halves = np.bincount(np.minimum(sizes_of(inner), 9 - sizes_of(inner)), minlength=5)[1:]
    assert halves.max() - halves.min() <= 2


def test_what_is_linear_is_found_without_error_whatever_is_drawn() -> None:
    weights = np.random.default_rng(0).normal(size=12)
    game = FunctionGame(12, lambda rows: rows @ weights + rows.sum(axis=1) ** 2)
    estimate = leverage(game, 50, np.random.default_rng(1))
    np.testing.assert_allclose(estimate.values, weights + 12.0, atol=1e-9)
    assert estimate.values.sum() == pytest.approx(weights.sum() + 144.0)


def test_all_worths_but_few_are_nearly_exact_and_all_are() -> None:
    table = np.random.default_rng(4).normal(size=64)
    nearly = leverage(TableGame(table), 60, np.random.default_rng(0))
    assert np.abs(nearly.values - exact_values(table)).max() < 0.2
    assert np.array_equal(leverage(TableGame(table), 64, np.random.default_rng(0)).values, exact_values(table))
