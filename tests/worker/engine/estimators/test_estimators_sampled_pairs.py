"""Pairs from a sample of coalitions: exact where the fitted functions make up the game, unbiased where they do not."""

from itertools import combinations

import numpy as np
import pytest

from worker.engine.estimators.grid import outer_and_pairs, with_ends
from worker.engine.estimators.sampled_pairs import sampled_pairs
from worker.engine.games.game import all_coalitions
from worker.engine.loop.interactions import pair_operator

N = 8


def drawn(seed: int, budget: int = 120) -> np.ndarray:
    return with_ends(outer_and_pairs(N, budget, np.random.default_rng(seed)))


def worths(table: np.ndarray, coalitions: np.ndarray) -> np.ndarray:
    return table[coalitions @ (1 << np.arange(N))]


def smooth() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.tanh(all_coalitions(N) @ rng.uniform(0.2, 1.0, N) / 2.0)


def test_a_game_of_pairs_that_fall_with_the_size_is_told_but_for_the_ridge() -> None:
    rng, kept = np.random.default_rng(0), all_coalitions(N).astype(np.float64)
    size = np.maximum(kept.sum(axis=1), 1.0)
    table = kept @ rng.normal(size=N)
    for first, second in combinations(range(N), 2):
        table += kept[:, first] * kept[:, second] * (rng.normal() + rng.normal() / size)
    exact = pair_operator(all_coalitions(N)) @ table
    coalitions = drawn(1)
    pairs = sampled_pairs(coalitions)
    np.testing.assert_allclose(pairs.operator @ worths(table, coalitions), exact, atol=0.02 * exact.std())


def test_with_all_coalitions_it_is_the_map_of_the_definition_and_nothing_is_open() -> None:
    every = all_coalitions(N)
    order = np.concatenate([[0], *[[at, len(every) - 1 - at] for at in range(1, len(every) // 2)], [len(every) - 1]])
    pairs = sampled_pairs(every[order.astype(np.int64)])
    table = smooth() + 0.05 * np.random.default_rng(2).normal(size=1 << N)
    some = worths(table, pairs.drawn)
    np.testing.assert_allclose(pairs.operator @ some, pair_operator(every) @ table, atol=1e-9)
    assert np.abs(pairs.covariance(some)).max() < 1e-12


@pytest.mark.parametrize("budget", [80, 140])
def test_errors_over_draws_are_those_that_are_told(budget: int) -> None:
    rng = np.random.default_rng(5)
    table = smooth() + 0.02 * rng.normal(size=1 << N)
    exact = pair_operator(all_coalitions(N)) @ table
    errors, told = [], []
    for seed in range(12):
        pairs = sampled_pairs(drawn(seed, budget))
        some = worths(table, pairs.drawn)
        errors.append(pairs.operator @ some - exact)
        told.append(np.diag(pairs.covariance(some)))
    apart, expected = np.sqrt(np.mean(np.square(errors))), np.sqrt(np.mean(told))
    assert 0.4 < apart / expected < 1.3
