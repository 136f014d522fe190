"""Permutation sampling (Castro, Gomez and Tejada 2009), the estimator of the seed paper (arXiv 2505.16147), kept as
published.

Each random order of the players gives one marginal contribution of each. ``antithetic`` follows every order by its
reverse. Unbiased, efficient, and among the weakest choices at few evaluations; it is here as the reference to beat.
"""

import numpy as np

from contract.orders.estimators import EXACT_UP_TO
from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.estimators.exact import exact
from worker.engine.games.coalitions import Floats, Ints
from worker.engine.games.game import Coalitions, Game
from worker.engine.games.memo import MemoGame

IDLE_ORDERS = 2000  # orders in a row that bring nothing new before the game counts as seen


def permutation(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from random orders, as many as ``budget`` distinct worths allow (at least one order: n + 1)."""
    return _sample(game, budget, rng, mirrored=False)


def antithetic(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """The same with every order followed by its reverse (Mitchell et al., JMLR 2022)."""
    return _sample(game, budget, rng, mirrored=True)


def _sample(game: Game, budget: int, rng: np.random.Generator, *, mirrored: bool) -> Estimate:
    n = game.n_players
    if n <= EXACT_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, "antithetic" if mirrored else "permutation", n)
    memo = remembered(game)
    orders = _affordable(n, budget, rng, mirrored=mirrored)
    memo.worth(np.concatenate([_prefixes(order) for order in orders]))
    marginals = np.array([_marginals(memo, order) for order in orders])
    # A mirrored pair is one draw: its two halves are not independent.
    draws = marginals.reshape(-1, 2, n).mean(axis=1) if mirrored else marginals
    running = np.cumsum(draws, axis=0) / np.arange(1, len(draws) + 1)[:, None]
    values = running[-1]
    covariance = _covariance(draws)
    trace = tuple(TracePoint((k + 1) * (n + 1), running[k]) for k in range(len(draws)))
    return Estimate(values, covariance, memo.evaluations, float(max(1, len(draws) - 1)), trace[-64:])


def _covariance(draws: Floats) -> Floats:
    """Covariance float64[n, n] of the mean of draws float64[b, n].

    A player whose few draws happen to agree is not known exactly: each variance is mixed with the players' mean one,
    which counts as one more draw.
    """
    count, n = draws.shape
    if count == 1:
        return np.diag(np.full(n, max(float(draws.var()), float((draws**2).mean()))))
    own = np.cov(draws.T).reshape(n, n)
    pooled = np.eye(n) * float(np.trace(own)) / n
    return np.asarray((own * count + pooled) / (count + 1) / count, dtype=np.float64)


def _affordable(n: int, budget: int, rng: np.random.Generator, *, mirrored: bool) -> list[Ints]:
    """The orders whose coalitions fit the budget; the stream does not depend on the budget."""
    seen: set[bytes] = set()
    orders: list[Ints] = []
    idle = 0
    while idle < IDLE_ORDERS:
        order = rng.permutation(n)
        batch = [order, order[::-1]] if mirrored else [order]
        fresh = {row.tobytes() for one in batch for row in _prefixes(one)} - seen
        if len(seen) + len(fresh) > budget:
            break
        idle = 0 if fresh else idle + 1
        seen |= fresh
        orders += batch
    return orders


def _prefixes(order: Ints) -> Coalitions:
    """The n + 1 coalitions bool[n + 1, n] along an order, from nobody to everybody."""
    n = len(order)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    return rank[None, :] < np.arange(n + 1)[:, None]


def _marginals(memo: MemoGame, order: Ints) -> Floats:
    result = np.empty(len(order))
    result[order] = np.diff(memo.worth(_prefixes(order)))
    return result
