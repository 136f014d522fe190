"""Leaves fitted anew: M_full's trees keep their splits, and their values become those that the kept rows give.

Round after round each leaf's value is minus the sum of gradients over the sum of Hessians (plus the ridge), both over
the coalition's rows in that leaf at the outputs so far: what LightGBM calls a refit, with nothing kept of the old
values. The splits were found with everybody's rows, so forgetting is not exact. It needs the retained rows.
"""

from typing import cast

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.boosted_trees import BoostedTrees
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method

_COST = 0.75  # of a training on as many rows: measured on Adult (docs/benchmarks-trees.md)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    learner, leaf, models = cast(BoostedTrees, context.learner), leaves(context), []
    for coalition in coalitions:
        context.check()
        kept = context.pool.indices(coalition)
        models.append(learner.refitted(context.full, leaf[kept], context.pool.y[kept]))
    return torch.stack(models)


def leaves(context: Context) -> Tensor:
    """Where M_full's trees put the pool's rows, int64[N, T]."""
    learner = cast(BoostedTrees, context.learner)
    return context.once("leaves of M_full", lambda: learner.leaves_of(context.full, context.pool.X))


def cost(context: Context) -> float:
    return _COST * context.learner.row_gradients(0.5 * len(context.pool))


METHOD = Method(known("refit_leaves"), cost=cost, params=unlearn, prepare=leaves)
