"""Stratified SVARM, paired (Kolpaczki et al., AAAI 2024, arXiv 2302.00736): every worth updates every player.

phi_i is a mean over sizes of the difference of two strata: worths of coalitions with i, and without i. Sizes 0, 1, n -
1 and n are bought whole; the sizes between by antithetic pairs without replacement. Given all 2^n worths the strata are
complete and the values exact.
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
from worker.engine.estimators.grid import outer_and_pairs, with_ends
from worker.engine.games.coalitions import Floats, sizes_of
from worker.engine.games.game import Coalitions, Game


def svarm(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from ``budget`` distinct worths; needs 2 n + 2 for the outer sizes, and some between."""
    n = game.n_players
    if n <= EXACT_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, "svarm", n)
    memo = remembered(game)
    coalitions = with_ends(outer_and_pairs(n, budget, rng))
    worths = memo.worth(coalitions)
    values = make_efficient(strata_operator(coalitions) @ worths, float(worths[-1] - worths[0]))
    covariance = centre_covariance(np.diag(strata_variance(coalitions, worths)))
    freedom = float(max(2, (budget - 2 * n - 2) // 2))
    return Estimate(values, covariance, memo.evaluations, freedom, (TracePoint(memo.evaluations, values),))


def _counts(coalitions: Coalitions) -> tuple[Floats, Floats, Floats]:
    """How many coalitions fall into each stratum: with i float64[n + 1, n], without i float64[n + 1, n], all float64[n
    + 1]."""
    n = coalitions.shape[1]
    by_size = np.eye(n + 1)[sizes_of(coalitions)]
    having = by_size.T @ coalitions
    everyone = by_size.sum(axis=0)
    return having, everyone[:, None] - having, everyone


def strata_operator(coalitions: Coalitions) -> Floats:
    """The linear map float64[n, m] from worths of coalitions bool[m, n] to values by strata means.

    A stratum that nobody was drawn from takes the mean of its size.
    """
    n = coalitions.shape[1]
    size = sizes_of(coalitions)
    having, lacking, everyone = _counts(coalitions)
    mine = np.divide(1.0, having, out=np.zeros_like(having), where=having > 0)[size]
    others = np.divide(1.0, lacking, out=np.zeros_like(lacking), where=lacking > 0)[size]
    operator = np.where(coalitions, mine, -others)
    k = np.arange(n + 1)[:, None]
    # +1 where "with i" is missing though it exists at this size, -1 where "without i" is.
    missing = ((having == 0) & (k > 0)).astype(np.float64) - ((lacking == 0) & (k < n))
    operator = operator + missing[size] / everyone[size][:, None]
    return np.asarray(operator.T / n, dtype=np.float64)


def strata_variance(coalitions: Coalitions, worths: Floats) -> Floats:
    """Error variances float64[n] of ``strata_operator``'s values for want of the rest of each stratum."""
    n = coalitions.shape[1]
    size = sizes_of(coalitions)
    having, lacking, everyone = _counts(coalitions)
    by_size = np.eye(n + 1)[size]
    level = (by_size.T @ worths) / np.maximum(everyone, 1)
    centred = worths - level[size]
    spread = (by_size.T @ centred**2) / np.maximum(everyone - 1, 1)
    # one coalition of a size, or none, says nothing of how the size varies: the other sizes' mean stands in
    alone = everyone <= 1
    alone[[0, n]] = False
    spread[alone] = float(spread[1:n][~alone[1:n]].mean()) if (~alone[1:n]).any() else float(worths.var())
    result = np.zeros(n)
    choose = np.array([float(math.comb(n - 1, k)) for k in range(n)])
    having_total, lacking_total = np.append(0.0, choose), np.append(choose, 0.0)
    for members, count, total in (
        (coalitions, having, having_total[:, None]),
        (~coalitions, lacking, lacking_total[:, None]),
    ):
        first = (by_size.T @ (members * centred[:, None])) / np.maximum(count, 1)
        second = (by_size.T @ (members * (centred**2)[:, None])) / np.maximum(count, 1)
        own = np.where(count > 1, (second - first**2) * count / np.maximum(count - 1, 1), spread[:, None])
        left = np.clip(1.0 - count / np.maximum(total, 1.0), 0.0, 1.0)
        error = np.maximum(own, 0.0) / np.maximum(count, 1) * left
        result += np.where(total > 0, error, 0.0).sum(axis=0) / n**2
    return result
