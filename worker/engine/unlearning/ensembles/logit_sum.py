"""Adding answers instead of weights: a coalition's outputs are the base's plus row-weighted shifts of its players'.

z_S = z_base + sum over kept players of (n_i / n_S) (z_i - z_base), with z_i the outputs of the model trained on player
i alone: a product of experts beside the base (Liu et al. 2021, arXiv 2105.03023, for two of them). Costs one training
and one pass over the rows that measure per provider; a coalition is then a sum, and no pass through a model.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.provider_vectors import provider_vectors, row_shares
from worker.engine.unlearning.single_provider_models import (
    answers,
    answers_seconds,
    each_alone,
    kept,
    mixing_seconds,
)


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Outputs [K, m, ...] on rows X [m, ...]: of a language model's blocks [K, m, L, V], of others [K, m, C]."""
    base, shifts = kept(context, "logit sum", X, lambda: _shifts(context, X))
    ones = [1] * base.dim()
    weights = row_shares(context, coalitions, of_kept=True)
    result = base.unsqueeze(0).repeat(len(coalitions), *ones)
    for i, player in enumerate(context.problem.players):  # one at a time: a stack's size changes no bit
        result += weights[:, i].view(-1, *ones) * shifts[player.digest]
    return result


def _shifts(context: Context, X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The base's outputs [m, ...] on some rows, and players' shifts by digest."""
    base = answers(context, context.base, X)
    return base, each_alone(context, X, lambda outputs: outputs - base)


METHOD = Method(
    known("logit_sum"),
    cost=lambda _context: 0.0,
    seconds=mixing_seconds,
    once=answers_seconds,
    outputs=outputs,
    prepare=provider_vectors,
)
