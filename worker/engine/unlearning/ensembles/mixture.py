"""A mixture of models trained on one provider each: probabilities are added, not outputs and not weights.

p_S = sum over kept players of (n_i / n_S) p_i, with p_i the probabilities of the model trained on player i alone: the
distribution of a row drawn from the union, if its provider were drawn first (linear opinion pool; Genest and Zidek
1986). The rest, where there is one, is represented by the model trained on its rows.

Of numbers, what the models predict is added as it is.

In partial mode M_full represents the hidden rows, and all worths are shifted so that the one that is known, M_full's
own, is exact: v(S) = v(N) + mixture's v(S) - mixture's v(N). To move probabilities instead, p_full mix_S / mix_N, did
worse where the mixture is far from M_full (docs/benchmarks-text.md).

Costs one training and one pass over the rows that measure per provider; a coalition is then a sum.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contract.learning.methods import known
from contract.metrics import Predicts
from contract.rows.token_blocks import NO_TOKEN
from worker.engine.games.game import Coalitions
from worker.engine.learners.causal_lm import token_likelihoods
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

Take = Callable[[Tensor], Tensor]


class Probabilities(NamedTuple):
    """Of rows [m, ...]: the base's, those of the model for rows of no player here, and by digest those of the models
    of single players."""

    base: Tensor
    others: Tensor
    alone: dict[str, Tensor]


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Log-probabilities [K, m, ..., C] on rows X [m, ...], or numbers [K, m, 1]."""
    models = kept(context, "mixture", X, lambda: _probabilities(context, X, context.learner.loss.expected))
    if context.learner.predicts is Predicts.NUMBER:
        return _sum(context, coalitions, models)
    return _log_of_sum(context, coalitions, models)


def likelihoods(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Log-likelihoods [K, m, L] of the next tokens of blocks X [m, L + 1], 0 where there is none: a vocabulary's
    breadth less to hold and to add than ``outputs``."""

    models = kept(context, "mixture of targets", X, lambda: of_tokens(context, X), width=1)
    return _log_of_sum(context, coalitions, models) * (X[:, 1:] != NO_TOKEN)


def of_tokens(context: Context, X: Tensor) -> Probabilities:
    """What each model gives the next tokens of blocks X [m, L + 1], [m, L]; 1 where there is none."""

    def take(answers: Tensor) -> Tensor:
        return token_likelihoods(answers.unsqueeze(0), X)[0][0].exp()

    return _probabilities(context, X, take)


def _log_of_sum(context: Context, coalitions: Coalitions, models: Probabilities) -> Tensor:
    mixed = _sum(context, coalitions, models)
    # a probability that underflows is small, not zero
    return mixed.clamp_(min=torch.finfo(mixed.dtype).tiny).log_()


def _sum(context: Context, coalitions: Coalitions, models: Probabilities) -> Tensor:
    weights = row_shares(context, coalitions, of_kept=True).to(models.base)
    ones = [1] * models.base.dim()
    mixed = (1 - weights.sum(dim=1)).clamp(min=0).view(-1, *ones) * models.others
    for i, player in enumerate(context.problem.players):  # one at a time: a stack's size changes no bit
        mixed += weights[:, i].view(-1, *ones) * models.alone[player.digest]
    nothing = torch.from_numpy(context.pool.row_counts(coalitions) + context.hidden_rows == 0).to(context.device)
    mixed[nothing] = models.base
    return mixed


def _probabilities(context: Context, X: Tensor, take: Take) -> Probabilities:
    base = take(answers(context, context.base, X))
    model = model_of_others(context)
    others = base if model is None else take(answers(context, model, X))
    return Probabilities(base, others, each_alone(context, X, take))


def model_of_others(context: Context) -> Tensor | None:
    """The model [P] that answers for rows of no player here; None where there are none."""
    if context.partial:
        return context.full
    return _of_the_rest(context) if context.pool.rest_rows else None


def _of_the_rest(context: Context) -> Tensor:
    nobody = np.zeros((1, len(context.problem.players)), dtype=bool)

    def train() -> Tensor:
        return context.learner.train(context.base, context.pool, nobody, context.seed("retrain"), context.check)[0]

    return context.once("the rest alone", train)


METHOD = Method(
    known("mixture"),
    cost=lambda _context: 0.0,
    seconds=mixing_seconds,
    once=answers_seconds,
    outputs=outputs,
    likelihoods=likelihoods,
    prepare=provider_vectors,
    level=True,
)
