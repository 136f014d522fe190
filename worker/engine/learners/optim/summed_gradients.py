"""Full-batch Adam on a stack of models where rows of some players are not here: their gradients are asked for.

A full batch's gradient is a sum over players, so the steps are those that training on all rows in one place takes, to
the rounding of sums. Each step is one round of questions, to all players that are away at once; a player is asked of
the models of its own coalitions alone. Rounding is felt: Adam divides by the gradient's size, so a model in 32 bits
would go its own way after some dozen steps. Hence 64 bits (``MLP``'s ``double``).
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.learners.optim.adam import Adam, Check
from worker.engine.tensors.batching import Batch, Pool, rung


class FullBatch(Protocol):
    """What is needed of a learner."""

    steps: int
    lr: float
    l2: float

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor: ...


def descend(learner: FullBatch, start: Tensor, pool: Pool, coalitions: Coalitions, check: Check) -> Tensor:
    """Models [K, P] of coalitions bool[K, n], trained from ``start`` [P]; the same bits in any stack."""
    params = start.expand(len(coalitions), -1).clone()
    optimiser = Adam(params, learner.lr)
    counts = torch.from_numpy(np.maximum(pool.row_counts(coalitions), 1)).to(params).unsqueeze(1)
    kept = {at: torch.from_numpy(np.flatnonzero(coalitions[:, at])) for at in pool.away}
    # one shape for all coalitions, so that none's bits depend on the others
    here = pool.gather(coalitions, rung(len(pool.X))) if len(pool.X) else None
    for _step in range(learner.steps):
        check()
        answers = {at: pool.away[at].gradients(params[places], check) for at, places in kept.items() if len(places)}
        update = torch.zeros_like(params) if here is None else learner.gradient(params, here)
        for at, answer in answers.items():
            update[kept[at]] += answer().to(update)
        update.div_(counts)
        if learner.l2:
            update.add_(params, alpha=learner.l2)
        optimiser.step(update)
    return params
