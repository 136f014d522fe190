"""A mixture of models trained on one provider each: probabilities are added, not outputs and not weights.

p_S = sum over kept players of (n_i / n_S) p_i, with p_i the probabilities of the model trained on player i alone: the
distribution of a row drawn from the union, if its provider were drawn first (linear opinion pool; Genest and Zidek
1986). Rows of the rest, where there is one, are answered for by the model trained on them.

In partial mode M_full answers for the hidden rows, and worths are moved as one to where the one that is known stands,
M_full's own: v(S) = v(N) + mixture's v(S) - mixture's v(N). To move probabilities instead, p_full mix_S / mix_N, did
worse where the mixture is far from M_full (docs/benchmarks-text.md).

Costs one training and one pass over the rows that measure per provider; a coalition is then a sum.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worker.engine.game import Coalitions
from worker.engine.unlearning.alone import answers, each_alone, kept
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.vectors import provider_vectors, row_shares, training_cost


class Probabilities(NamedTuple):
    """Of rows [m, ..., C]: the base's, those of who answers for rows that are no player's here, and by digest those of
    the players alone."""

    base: Tensor
    others: Tensor
    alone: dict[str, Tensor]


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Log-probabilities [K, m, ..., C] on rows X [m, ...]."""
    found = kept(context, "mixture", X, lambda: _probabilities(context, X))
    weights = row_shares(context, coalitions, of_kept=True).to(found.base)
    ones = [1] * found.base.dim()
    mixed = (1 - weights.sum(dim=1)).clamp(min=0).view(-1, *ones) * found.others
    for i, player in enumerate(context.problem.players):  # one at a time: a stack's size changes no bit
        mixed += weights[:, i].view(-1, *ones) * found.alone[player.digest]
    nothing = torch.from_numpy(context.pool.row_counts(coalitions) + context.hidden_rows == 0).to(context.device)
    mixed[nothing] = found.base
    # what underflows is improbable, not impossible
    return mixed.clamp_(min=torch.finfo(mixed.dtype).tiny).log_()


def _probabilities(context: Context, X: Tensor) -> Probabilities:
    def chances(outputs: Tensor) -> Tensor:
        return torch.softmax(outputs, dim=-1)

    base = chances(answers(context, context.base, X))
    others = base
    if context.partial:
        others = chances(answers(context, context.full, X))
    elif context.pool.rest_rows:
        others = chances(answers(context, _of_the_rest(context), X))
    return Probabilities(base, others, each_alone(context, X, chances))


def _of_the_rest(context: Context) -> Tensor:
    nobody = np.zeros((1, len(context.problem.players)), dtype=bool)

    def train() -> Tensor:
        return context.learner.train(context.base, context.pool, nobody, context.seed("retrain"), context.check)[0]

    return context.once("the rest alone", train)


METHOD = Method(
    name="mixture",
    family="unlearn",
    source="unlearn:mixture",
    about="row-weighted mean of the probabilities of models trained on one provider each",
    cost=training_cost,
    outputs=outputs,
    prepare=provider_vectors,
    partial=True,
    level=True,
)
