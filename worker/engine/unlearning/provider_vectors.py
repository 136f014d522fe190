"""Provider vectors: the change of the base model by a training on one provider's rows alone.

tau_i = train(base, D_i) - base, computed once per job (or once beside the data, by the provider itself). Methods
that add or subtract them never touch a row again. Sums run in player order, so that a stack's size changes no bit.
"""

import numpy as np
import torch
from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context


def provider_vectors(context: Context) -> Tensor:
    """tau [n, P], trained by the learner's own recipe."""
    return context.once("provider vectors", lambda: single_models(context) - context.base)


def single_models(context: Context) -> Tensor:
    """The models [n, P] of single players themselves."""
    return context.once("single players' models", lambda: _train(context))


def _train(context: Context) -> Tensor:
    pool, models = context.players_only(), dict[str, Tensor]()
    seed = context.seed("retrain")  # the draws of a retraining, so that chance favours a player and its vector alike
    for player, row in zip(context.problem.players, np.eye(len(context.problem.players), dtype=bool), strict=True):
        if player.digest not in models:  # copies have one content and so one vector
            models[player.digest] = context.learner.train(context.base, pool, row[None], seed, context.check)
    return torch.cat([models[player.digest] for player in context.problem.players])


def weighted_sum(start: Tensor, vectors: Tensor, weights: Tensor) -> Tensor:
    """start [P] + sum_i weights[:, i] vectors[i], [K, P], added one player at a time."""
    result = start.expand(len(weights), -1).clone()
    for i in range(len(vectors)):
        result += weights[:, i : i + 1] * vectors[i]
    return result


def row_shares(context: Context, coalitions: Coalitions, *, of_kept: bool) -> Tensor:
    """Where a player is in the coalition, n_i / n_S of kept rows or n_i / n of all rows M_full saw (hidden ones are in
    both), [K, n]."""
    counts = torch.from_numpy(coalitions * context.pool.player_rows).to(context.base)
    if of_kept:
        kept = torch.from_numpy(context.pool.row_counts(coalitions) + context.hidden_rows)
        return counts / kept.to(counts).clamp(min=1).unsqueeze(1)
    return counts / context.total_rows


def training_cost(context: Context) -> float:
    """Row-gradients of all vectors, spread over a thousand coalitions at most."""
    rows = [float(r) for r in context.pool.player_rows]
    return sum(context.learner.row_gradients(r) for r in rows) / min(1 << len(rows), 1024)
