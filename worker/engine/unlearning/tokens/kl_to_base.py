"""KL to the base model on the forgotten sequences: M_full's adapters are taught to answer there as the base does.

Twenty Adam steps on the mean over tokens of KL(base || model); the token-wise twin of ``kl_to_base``. A named baseline.
"""

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import forgotten_batches, forgotten_rows, skip_where_nothing_is_forgotten
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.sequences import language_model


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    learner = language_model(context)
    steps, lr = int(context.option("kl_to_base.steps", 20)), context.option("kl_to_base.lr", 0.1 * learner.lr)

    def gradient(params: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            teacher = torch.softmax(learner.logits(context.base.expand(len(params), -1), batch.X), dim=3)
            residual = torch.softmax(learner.logits(params, batch.X), dim=3).sub_(teacher)
            residual *= (batch.X[..., 1:] >= 0).unsqueeze(3) / learner.context
        return learner.gradient(params, batch, residual * batch.weight[:, :, None, None])

    batches = forgotten_batches(context, coalitions, "kl_to_base")
    start = context.full.expand(len(coalitions), -1)
    models = adam.descend(gradient, start, batches, steps, lr, 0.0, context.check)
    return skip_where_nothing_is_forgotten(context, coalitions, models)


def cost(context: Context) -> float:
    return 1.67 * context.option("kl_to_base.steps", 20) * forgotten_rows(context)


METHOD = Method(
    known("kl_to_base"),
    cost=cost,
    params=unlearn,
    shape="forgotten",
)
