"""Gradient ascent on the forgotten rows: a few Adam steps up the loss of what must be forgotten, from M_full.

The oldest recipe and a poor one: it has no rule when to stop, and it damages the rest of the model. Kept as a named
baseline; measured here, it correlates negatively with retraining.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import forgotten_batches, forgotten_rows, skip_where_nothing_is_forgotten
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    learner, steps = context.learner, int(context.option("gradient_ascent.steps", 10))
    lr = context.option("gradient_ascent.lr", 0.1 * learner.lr)
    start = context.full.expand(len(coalitions), -1)
    batches = forgotten_batches(context, coalitions, "gradient_ascent")
    models = adam.descend(
        lambda params, batch: learner.gradient(params, batch).neg_(), start, batches, steps, lr, 0.0, context.check
    )
    return skip_where_nothing_is_forgotten(context, coalitions, models)


def cost(context: Context) -> float:
    return context.option("gradient_ascent.steps", 10) * forgotten_rows(context)


METHOD = Method(
    known("gradient_ascent"),
    cost=cost,
    params=unlearn,
    shape="forgotten",
)
