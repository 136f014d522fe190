"""Paired KernelSHAP (Lundberg and Lee 2017; Covert and Lee, arXiv 2012.01536): least squares on sampled coalitions.

Sizes are drawn by the Shapley kernel, each coalition comes with its complement, and how often a pair was drawn is its
weight. A pair drawn again costs nothing. Once the budget covers all 2^n coalitions the values are exact.
"""

import numpy as np
from numpy.typing import NDArray

from contract.orders.estimators import EXACT_UP_TO
from worker.engine.estimators.estimate import Estimate, TracePoint, remembered, require_budget
from worker.engine.estimators.exact import exact
from worker.engine.games.coalitions import Floats, kernel_by_size, key, random_coalition
from worker.engine.games.game import Game

_DECIDES = 0.99  # of the fit at a pair: above it the pair decides its own fit
MOST_DRAWS = 200  # draws per distinct pair afforded, so that a nearly exhausted game ends


def kernelshap(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from ``budget`` distinct worths, the empty and the full coalition's among them; needs about 4 n."""
    n = game.n_players
    if n <= EXACT_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, "kernelshap", n)
    memo = remembered(game)
    law = kernel_by_size(n)[1:n]
    affordable = (budget - 2) // 2
    rows: list[NDArray[np.bool_]] = []
    counts: list[int] = []
    where: dict[bytes, int] = {}
    for _ in range(MOST_DRAWS * affordable):
        row = random_coalition(n, int(rng.choice(np.arange(1, n), p=law / law.sum())), rng)
        # A pair is one draw whichever half came up: keep the half with player 0.
        row = row if row[0] else ~row
        if key(row) in where:
            counts[where[key(row)]] += 1
        elif len(rows) < affordable:
            where[key(row)] = len(rows)
            rows.append(row)
            counts.append(1)
        else:
            break
    half = np.array(rows)
    ends = memo.worth(np.array([[False] * n, [True] * n]))
    worths = memo.worth(np.concatenate([half, ~half]))
    odd = np.asarray((worths[: len(half)] - worths[len(half) :]) / 2, dtype=np.float64)
    total = float(ends[1] - ends[0])
    values, covariance = paired_least_squares(
        half.astype(np.float64) - 0.5, odd, np.array(counts, dtype=np.float64), total
    )
    freedom = float(max(2, len(half) - n))
    return Estimate(values, covariance, memo.evaluations, freedom, (TracePoint(memo.evaluations, values),))


def paired_least_squares(members: Floats, odd: Floats, weight: Floats, total: float) -> tuple[Floats, Floats]:
    """Values float64[n] with sum ``total`` that fit odd float64[p] on members float64[p, n], and their HC3
    covariance."""
    n = members.shape[1]
    basis = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    root = np.sqrt(weight / weight.mean())
    design = (members @ basis) * root[:, None]
    target = (odd - members.sum(axis=1) * total / n) * root
    inverse = np.linalg.pinv(design)
    inner = inverse @ target
    residual = target - design @ inner
    influence = np.einsum("pk,kp->p", design, inverse)
    # a pair that alone decides a direction is fitted without a residual: how far off it is, the others tell, and
    # where each pair is such a one, the pairs themselves
    decided = influence < _DECIDES
    error = residual / (1.0 - np.where(decided, influence, 0.0))
    error[~decided] = np.sqrt((error[decided] ** 2).mean()) if decided.any() else np.sqrt((target**2).mean())
    spread = basis @ (inverse * error)
    return np.asarray(total / n + basis @ inner), np.asarray(spread @ spread.T)
