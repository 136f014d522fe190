"""Batches of forgotten rows, for methods that see no others.

Follows the learner's recipe (all rows, or minibatches by content-derived order) and keeps M_full, bit for bit, where
nothing is forgotten.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.context import Context


def forgotten_batches(context: Context, coalitions: Coalitions, purpose: str) -> Callable[[int], Batch]:
    """Batches of the rows of players that are NOT kept."""
    pool, learner = context.players_only(), context.learner
    forgotten = ~coalitions
    if learner.by_rows() or not learner.batch:
        return adam.full_batches(pool, forgotten)
    # Where nothing is forgotten any rows will do: the result is put back to M_full afterwards.
    some = forgotten | ~forgotten.any(axis=1, keepdims=True)
    return adam.mini_batches(pool, some, learner.batch, context.seed(purpose))


def skip_where_nothing_is_forgotten(context: Context, coalitions: Coalitions, models: Tensor) -> Tensor:
    """``models`` [K, P] with M_full where the coalition keeps all players."""
    everybody = torch.from_numpy(coalitions.all(axis=1)).to(context.device)
    return torch.where(everybody.unsqueeze(1), context.full, models)


def forgotten_rows(context: Context) -> float:
    """Rows per step for a mean-size coalition."""
    return float(context.learner.batch or 0.5 * context.pool.player_rows.sum())


def distil(context: Context, target: Tensor) -> Callable[[Tensor, Batch], Tensor]:
    """Gradient of the weighted sum over rows of KL(target model [P] || model); of numbers, of half the square of what
    is between the two."""

    def gradient(params: Tensor, batch: Batch) -> Tensor:
        learner = context.learner
        teacher = learner.loss.expected(learner.logits(target.expand(len(params), -1), batch.X))
        residual = learner.loss.expected(learner.logits(params, batch.X)) - teacher
        return context.learner.gradient(params, batch, residual.mul_(batch.weight.unsqueeze(2)))

    return gradient
