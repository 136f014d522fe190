"""Leverage SHAP (Musco and Witter, arXiv 2410.01917): paired least squares with every coalition size drawn alike.

Antithetic pairs without replacement; each size's total weight is the Shapley kernel's, so all 2^n worths give exact
values. The covariance is a leave-one-pair-out (HC3) sandwich.
"""

import numpy as np

from contract.orders.estimators import EXACT_UP_TO
from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.estimators.exact import exact
from worker.engine.estimators.grid import pairs_only, with_ends
from worker.engine.estimators.kernelshap import paired_least_squares
from worker.engine.games.coalitions import kernel_by_size, sizes_of
from worker.engine.games.game import Game


def leverage(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from ``budget`` distinct worths, the empty and the full coalition's among them; needs about 4 n."""
    n = game.n_players
    if n <= EXACT_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, "leverage", n)
    memo = remembered(game)
    coalitions = with_ends(pairs_only(n, budget, rng))
    worths = memo.worth(coalitions)
    half = coalitions[1:-1:2]
    size = sizes_of(half)
    weight = kernel_by_size(n)[size] / np.bincount(size, minlength=n + 1)[size]
    odd = (worths[1:-1:2] - worths[2:-1:2]) / 2
    values, covariance = paired_least_squares(half.astype(np.float64) - 0.5, odd, weight, float(worths[-1] - worths[0]))
    freedom = float(max(2, len(half) - n))
    return Estimate(values, covariance, memo.evaluations, freedom, (TracePoint(memo.evaluations, values),))
