"""Stratified sampling of marginal contributions by player and size (Maleki et al. 2013, arXiv 1306.4265).

phi_i is the mean over sizes of the mean marginal contribution of i to coalitions of that size. Strata are visited in
turns, so that every size weighs alike whatever the budget; a stratum not reached takes the mean of its player's others.
"""

import math

import numpy as np

from contract.orders.estimators import EXACT_UP_TO
from worker.engine.estimators.estimate import (
    Estimate,
    TracePoint,
    centre_covariance,
    make_efficient,
    remembered,
    require_budget,
)
from worker.engine.estimators.exact import exact
from worker.engine.games.coalitions import Floats, key
from worker.engine.games.game import Coalitions, Game

IDLE_ROUNDS = 50  # rounds over all strata that bring nothing new before the sampling ends


def stratified(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from ``budget`` distinct worths (at least n + 3)."""
    n = game.n_players
    if n <= EXACT_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, "stratified", n)
    memo = remembered(game)
    draws = _draws(n, budget, rng)
    without = np.array([row for _, _, row in draws])
    players = np.array([i for i, _, _ in draws])
    strata = np.array([k for _, k, _ in draws])
    with_i = without.copy()
    with_i[np.arange(len(draws)), players] = True
    ends = memo.worth(np.array([[False] * n, [True] * n]))
    worths = memo.worth(np.concatenate([without, with_i]))
    marginal = worths[len(draws) :] - worths[: len(draws)]
    values, variance = np.zeros(n), np.zeros(n)
    for i in range(n):
        spread = _spread(marginal, players == i, float(ends[1] - ends[0]))
        means, errors = _strata(marginal, players == i, strata, n, spread)
        known = ~np.isnan(means)
        fallback = float(means[known].mean()) if known.any() else float(ends[1] - ends[0]) / n
        values[i] = float(np.where(known, means, fallback).mean())
        # A stratum that was not reached may be anywhere among this player's marginal contributions.
        variance[i] = float(np.where(known, errors, spread).sum()) / n**2
    values = make_efficient(values, float(ends[1] - ends[0]))
    freedom = float(max(2, len(draws) // n - 1))
    return Estimate(
        values,
        centre_covariance(np.diag(variance)),
        memo.evaluations,
        freedom,
        (TracePoint(memo.evaluations, values),),
    )


def _spread(marginal: Floats, mine: Coalitions, total: float) -> float:
    """Variance of one player's marginal contributions. One draw says nothing of it: all players' draws stand in then,
    and for a single draw of anybody the square of what there is to share."""
    drawn = marginal[mine] if mine.sum() > 1 else marginal
    return float(drawn.var(ddof=1)) if len(drawn) > 1 else total**2


def _strata(marginal: Floats, mine: Coalitions, strata: Floats, n: int, everything: float) -> tuple[Floats, Floats]:
    """Means and squared standard errors float64[n] by size of one player's marginal contributions; NaN where none. A
    stratum of a single draw has the variance ``everything`` of all the player's."""
    means, errors = np.full(n, np.nan), np.zeros(n)
    for k in range(n):
        drawn = marginal[mine & (strata == k)]
        if len(drawn) == 0:
            continue
        means[k] = float(drawn.mean())
        if len(drawn) < math.comb(n - 1, k):
            spread = float(drawn.var(ddof=1)) if len(drawn) > 1 else everything
            errors[k] = spread / len(drawn) * (1.0 - len(drawn) / math.comb(n - 1, k))
    return means, errors


def _draws(n: int, budget: int, rng: np.random.Generator) -> list[tuple[int, int, Floats]]:
    """(player, size, coalition without the player), distinct, strata in turns, within the budget of distinct worths."""
    seen = {key(np.zeros(n, dtype=bool)), key(np.ones(n, dtype=bool))}
    used: set[tuple[int, bytes]] = set()
    draws: list[tuple[int, int, Floats]] = []
    idle = 0
    while idle < IDLE_ROUNDS:
        idle += 1
        for k in (int(s) for s in rng.permutation(n)):
            for i in (int(p) for p in rng.permutation(n)):
                row = np.zeros(n, dtype=bool)
                row[rng.permutation(np.delete(np.arange(n), i))[:k]] = True
                if (i, key(row)) in used:
                    continue
                other = row.copy()
                other[i] = True
                fresh = {key(row), key(other)} - seen
                if len(seen) + len(fresh) > budget:
                    return draws
                used.add((i, key(row)))
                seen |= fresh
                draws.append((i, k, row))
                idle = 0
    return draws
