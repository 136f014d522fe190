"""Fine-tuning M_full on the retained rows: forgetting by going on without the forgotten.

A fifth of training's steps from M_full. Faithful where little is forgotten and dear everywhere; in a bake-off near
retraining's own cost it does not pay. Needs the retained rows, so full mode only.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.retained import mean_row_gradients, train_on_retained


def steps(context: Context) -> int:
    return int(context.option("finetune_retained.steps", max(1, round(0.2 * context.learner.gradients_per_row))))


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    return train_on_retained(context, context.full, coalitions, steps(context), "finetune_retained")


def cost(context: Context) -> float:
    return mean_row_gradients(context, steps(context))


METHOD = Method(
    known("finetune_retained"),
    cost=cost,
    steps=steps,
    params=unlearn,
    shape="kept",
)
