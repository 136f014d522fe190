"""NegGrad+: descent on the retained rows and ascent on the forgotten ones in the same step.

Minimises b L(retained) - (1 - b) L(forgotten), b = .95, from M_full (Kurmanji et al. 2023, arXiv 2302.09880). Needs
the retained rows, so full mode only. A named baseline: with retained rows at hand, descent alone does better.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import skip_where_nothing_is_forgotten
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    learner, steps = context.learner, int(context.option("neggrad_plus.steps", 20))
    lr = context.option("neggrad_plus.lr", 0.1 * learner.lr)
    batches = signed_batches(context, coalitions, context.option("neggrad_plus.retain", 0.95))
    start = context.full.expand(len(coalitions), -1)
    models = adam.descend(learner.gradient, start, batches, steps, lr, 0.0, context.check)
    return skip_where_nothing_is_forgotten(context, coalitions, models)


def signed_batches(context: Context, coalitions: Coalitions, retain: float) -> Callable[[int], Batch]:
    """Batches whose weights make their sum b mean(retained) - (1 - b) mean(forgotten)."""
    pool, learner = context.pool, context.learner
    if learner.by_rows() or not learner.batch:
        kept = pool.masks(coalitions).to(pool.X.dtype)
        weight = _signed(kept, retain)
        X, y = pool.X.expand(len(kept), *pool.X.shape), pool.y.expand(len(kept), -1)
        return lambda _step: Weighted(X, y, weight)
    everybody, nobody = coalitions | ~coalitions.any(axis=1, keepdims=True), ~coalitions
    nobody = nobody | ~nobody.any(axis=1, keepdims=True)
    kept_batches = adam.mini_batches(pool, everybody, learner.batch, context.seed("neggrad_plus"))
    forgotten_batches = adam.mini_batches(pool, nobody, learner.batch, context.seed("neggrad_plus-"))
    some = torch.from_numpy(coalitions.any(axis=1)).to(pool.X).unsqueeze(1)

    def draw(step: int) -> Batch:
        a, b = kept_batches(step), forgotten_batches(step)
        weight = torch.cat([some * retain * a.weight, -(1 - retain) * b.weight], dim=1) / learner.batch
        return Weighted(torch.cat([a.X, b.X], dim=1), torch.cat([a.y, b.y], dim=1), weight)

    return draw


class Weighted(Batch):
    """A batch whose weights are normalised already."""

    @property
    def counts(self) -> Tensor:
        return torch.ones(len(self.weight), dtype=self.weight.dtype, device=self.weight.device)


def _signed(kept: Tensor, retain: float) -> Tensor:
    lost = 1 - kept
    up = retain * kept / kept.sum(dim=1, keepdim=True).clamp(min=1)
    return up - (1 - retain) * lost / lost.sum(dim=1, keepdim=True).clamp(min=1)


def cost(context: Context) -> float:
    return context.option("neggrad_plus.steps", 20) * (2.0 * context.learner.batch or len(context.pool))


METHOD = Method(
    known("neggrad_plus"),
    cost=cost,
    params=unlearn,
)
