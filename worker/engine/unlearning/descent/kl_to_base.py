"""KL to the base model on the forgotten rows: M_full is taught to answer there as the base model does.

Twenty Adam steps on KL(base || model); bounded, unlike gradient ascent (the "bad teacher" of Chundawat et al. 2023,
arXiv 2205.08096, without its good one). A named baseline.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import (
    distil,
    forgotten_batches,
    forgotten_rows,
    skip_where_nothing_is_forgotten,
)
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    steps, lr = int(context.option("kl_to_base.steps", 20)), context.option("kl_to_base.lr", 0.1 * context.learner.lr)
    batches = forgotten_batches(context, coalitions, "kl_to_base")
    start = context.full.expand(len(coalitions), -1)
    models = adam.descend(distil(context, context.base), start, batches, steps, lr, 0.0, context.check)
    return skip_where_nothing_is_forgotten(context, coalitions, models)


def cost(context: Context) -> float:
    return 1.33 * context.option("kl_to_base.steps", 20) * forgotten_rows(context)


METHOD = Method(
    known("kl_to_base"),
    cost=cost,
    params=unlearn,
    shape="forgotten",
)
