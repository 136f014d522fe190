"""Shrink and repair: a few training steps on the retained rows from a point between the base model and M_full.

Starts at base + a (full - base), a = .3: far enough back that the forgotten rows' traces are weak, near enough that
few steps suffice (the shrink-and-perturb idea of Ash & Adams 2020, turned to unlearning). Needs the retained rows,
so full mode only. It never sees a retrained model.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.retained import mean_row_gradients, train_on_retained


def steps(context: Context) -> int:
    """Repair steps: a tenth of training's unless the option says otherwise."""
    return int(context.option("shrink_and_repair.steps", max(1, round(0.1 * context.learner.gradients_per_row))))


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    shrink = context.option("shrink_and_repair.shrink", 0.3)
    start = context.base + shrink * (context.full - context.base)
    return train_on_retained(context, start, coalitions, steps(context), "shrink_and_repair")


def cost(context: Context) -> float:
    return mean_row_gradients(context, steps(context))


METHOD = Method(
    known("shrink_and_repair"),
    cost=cost,
    steps=steps,
    params=unlearn,
    shape="kept",
)
