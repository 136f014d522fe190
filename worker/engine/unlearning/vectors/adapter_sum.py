"""Merging adapters as the matrices that they represent: the row-weighted mean of B_i A_i, brought back to rank r.

Averaging A and B apart is not averaging B A; here the products are averaged and their best approximation of rank r
(singular values of the small core, by QR of both sides) is taken. Costs one training per provider, once, like
``merge``. Shapes are those of the adapters; nothing of the base model is read.
"""

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.provider_vectors import adding_seconds, provider_vectors, row_shares, training_seconds
from worker.engine.unlearning.sequences import language_model


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; where one player is kept its own adapter, where none is the base."""
    adapters = context.base + provider_vectors(context)
    weights = row_shares(context, coalitions, of_kept=True) * context.option("adapter_sum.scale", 1.0)
    return torch.stack([_merged(context, adapters, row) for row in weights])


def _merged(context: Context, adapters: Tensor, weights: Tensor) -> Tensor:
    learner = language_model(context)
    kept = torch.nonzero(weights).squeeze(1)
    result = context.base.clone()
    if not len(kept):
        return result
    views, out = learner.layout.views(adapters[kept]), learner.layout.views(result.unsqueeze(0))
    for i in range(0, len(views), 2):
        # A_i [r, in] below one another, w_i B_i [out, r] beside one another: their product is the weighted sum
        lower = views[i].reshape(-1, views[i].shape[2])
        upper = (views[i + 1] * weights[kept][:, None, None]).permute(1, 0, 2).reshape(views[i + 1].shape[1], -1)
        left, core_left = torch.linalg.qr(upper.double())
        right, core_right = torch.linalg.qr(lower.double().T)
        u, s, v = torch.linalg.svd(core_left @ core_right.T)
        rank = views[i].shape[1]
        root = s[:rank].sqrt()
        out[i + 1][0].copy_(left @ (u[:, :rank] * root))
        out[i][0].copy_((right @ (v[:rank].T * root)).T)
    return result


METHOD = Method(
    known("adapter_sum"),
    cost=lambda _context: 0.0,
    seconds=adding_seconds,
    once=training_seconds,
    params=unlearn,
    prepare=provider_vectors,
)
