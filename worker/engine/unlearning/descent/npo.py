"""Negative preference optimisation (Zhang et al. 2024, arXiv 2404.05868). A named baseline."""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning import preference
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import forgotten_rows
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.sequences import language_model


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; ``npo.beta`` is per sequence, as published, on the loss summed over a block."""
    beta = context.option("npo.beta", 0.1) * language_model(context).context
    return preference.unlearn(context, coalitions, "npo", lambda loss, kept: beta * (kept - loss), True)


def cost(context: Context) -> float:
    return 1.67 * context.option("npo.steps", 20) * forgotten_rows(context)


METHOD = Method(
    known("npo"),
    cost=cost,
    params=unlearn,
    shape="forgotten",
)
