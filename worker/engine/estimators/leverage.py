"""Leverage SHAP (Musco and Witter, arXiv 2410.01917): paired least squares with every coalition size drawn alike.

Antithetic pairs without replacement; each size's total weight is the Shapley kernel's, so all 2^n worths give exact
values. The covariance is a leave-one-pair-out (HC3) sandwich.
"""

import numpy as np

from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.estimators.exact import MOST_PLAYERS, exact
from worker.engine.estimators.grid import grid_pairs, pair_sandwich, sampled_grid
from worker.engine.game import Game


def leverage(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from ``budget`` distinct worths, the empty and the full coalition's among them."""
    n = game.n_players
    if n <= MOST_PLAYERS and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, 4, "leverage")
    memo = remembered(game)
    grid = sampled_grid(grid_pairs(n, budget, rng), ())
    worths = memo.worth(grid.coalitions)
    values = grid.operator @ worths
    pairs = (len(worths) - 2) // 2
    covariance = pair_sandwich(grid, worths)
    return Estimate(
        values, covariance, memo.evaluations, float(max(2, pairs - n)), (TracePoint(memo.evaluations, values),)
    )
