"""SimNPO (Fan et al. 2024, arXiv 2410.07163): NPO without a reference model. A named baseline."""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning import preference
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import forgotten_rows
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    beta, margin = context.option("simnpo.beta", 2.5), context.option("simnpo.margin", 0.0)
    return preference.unlearn(context, coalitions, "simnpo", lambda loss, _: margin - beta * loss, False)


def cost(context: Context) -> float:
    return 1.33 * context.option("simnpo.steps", 20) * forgotten_rows(context)


METHOD = Method(
    known("simnpo"),
    cost=cost,
    params=unlearn,
    shape="forgotten",
)
