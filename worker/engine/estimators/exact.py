"""Exact Shapley values by enumerating all 2^n coalitions (Shapley 1953). Free choice up to 12 players, possible to 20.

Budget and generator are accepted for the common signature; nothing is sampled and the covariance is zero.
"""

import numpy as np

from contract.orders.estimators import EXACT, EXACT_UP_TO
from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.games.coalitions import Floats, shapley_weights, sizes_of
from worker.engine.games.game import Game, Worths, all_coalitions


def exact(game: Game, budget: int, rng: np.random.Generator | None = None) -> Estimate:  # noqa: ARG001 - common signature
    """Enumerate; raises ValueError above 20 players or where the budget is under 2^n."""
    n = game.n_players
    if n > EXACT_UP_TO:
        raise ValueError(f"exact enumeration is for at most {EXACT_UP_TO} players; this game has {n}: sample instead")
    require_budget(budget, EXACT, n)
    memo = remembered(game)
    values = exact_values(memo.worth(all_coalitions(n)))
    return Estimate(
        values=values,
        covariance=np.zeros((n, n)),
        evaluations=memo.evaluations,
        trace=(TracePoint(memo.evaluations, values),),
    )


def exact_values(table: Worths) -> Floats:
    """Shapley values float64[n] of a table of 2^n worths indexed by bitmask (bit i = player i)."""
    n = int(table.size).bit_length() - 1
    coalitions = all_coalitions(n)
    size = sizes_of(coalitions)
    plus, _ = shapley_weights(n)
    values = np.zeros(n)
    for i in range(n):
        with_i = np.flatnonzero(coalitions[:, i])
        marginal = table[with_i] - table[with_i ^ (1 << i)]
        values[i] = float(np.dot(plus[size[with_i]], marginal))
    return values
