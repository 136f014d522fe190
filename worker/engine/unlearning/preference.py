"""Shared by NPO and SimNPO: gradient ascent whose weight on a sequence fades once the model has forgotten it.

Negative preference optimisation (Zhang et al. 2024, arXiv 2404.05868): loss (2/b) log(1 + (p / p_ref)^b) on forgotten
sequences, p_ref M_full's own; its gradient is ascent with weight 2 s(b (l_ref - l)) on a sequence of loss l. SimNPO
(Fan et al. 2024, arXiv 2410.07163) drops the reference: weight 2 s(g - b l) with l per token. Needs forgotten rows
only.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import forgotten_batches, skip_where_nothing_is_forgotten
from worker.engine.unlearning.sequences import language_model

Fade = Callable[[Tensor, Tensor], Tensor]


def unlearn(context: Context, coalitions: Coalitions, name: str, fade: Fade, needs_reference: bool) -> Tensor:
    """Models [K, P]; ``fade`` maps the losses [K, m] of sequences, now and under M_full, to the weight's logit."""
    learner = language_model(context)
    steps, lr = int(context.option(f"{name}.steps", 20)), context.option(f"{name}.lr", 0.1 * learner.lr)

    def losses(params: Tensor, batch: Batch) -> Tensor:
        likelihood, present = learner.likelihoods(params, batch.X)
        return -likelihood.sum(dim=2) / present.sum(dim=2).clamp(min=1)

    def gradient(params: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            loss = losses(params, batch)
            reference = losses(context.full.expand(len(params), -1), batch) if needs_reference else loss
            weight = -2.0 * _each(torch.sigmoid, fade(loss, reference)) * batch.weight
        return learner.gradient(params, Batch(batch.X, batch.y, weight))

    batches = forgotten_batches(context, coalitions, name)
    start = context.full.expand(len(coalitions), -1)
    models = adam.descend(gradient, start, batches, steps, lr, 0.0, context.check)
    return skip_where_nothing_is_forgotten(context, coalitions, models)


def _each(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The function of each model's row [K, B] by itself: a vectorised one may round the last elements of a row
    otherwise than the first, and which those are would depend on how many models are in the stack."""
    return torch.stack([function(row) for row in values])
