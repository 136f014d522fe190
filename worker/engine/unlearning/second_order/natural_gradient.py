"""Natural gradient: the first-order cousin of the tangent method, for models whose tangents are too large to store.

theta_S = theta_full + (N / N_S) sum over forgotten of d_i, d_i = (F + lambda)^-1 grad_i / N: at a stationary point the
retained gradient is minus the forgotten one, so one natural step on what is forgotten stands for a step on what is
kept (influence functions on groups, Koh et al. 2019). F is the Fisher matrix at M_full on a sample of rows with labels
drawn from the model, inverted in the sample's space (Woodbury), so no P x P matrix is made. In partial mode the
sample is the buyer's anchor rows.
"""

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.seeds import derive, torch_generator
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.provider_vectors import weighted_sum

_SAMPLE = 512


def directions(context: Context) -> Tensor:
    """d_i [n, P] of every player."""
    return context.once("natural gradient", lambda: _directions(context))


def _directions(context: Context) -> Tensor:
    pool, learner = context.players_only(), context.learner
    rows = context.anchor[0] if context.anchor is not None else context.pool.X
    generator = torch_generator(derive(context.problem.seed, "fisher sample"))
    picked = torch.randperm(len(rows), generator=generator)[:_SAMPLE].to(context.device)
    rows = rows[picked]
    labels = learner.loss.drawn(learner.logits(context.full.unsqueeze(0), rows)[0], generator)
    G = _row_gradients(context, rows, labels).double()
    gram = G @ G.T / len(G)
    damping = context.option("natural_gradient.damping", 1.0) * float(gram.diagonal().mean())
    factor = torch.linalg.cholesky(gram + damping * torch.eye(len(G), dtype=gram.dtype, device=gram.device))
    result = []
    for a, b in pool.spans:
        weight = torch.ones((1, b - a), dtype=pool.X.dtype, device=context.device)
        batch = Batch(pool.X[a:b].unsqueeze(0), pool.y[a:b].unsqueeze(0), weight)
        g = learner.gradient(context.full.unsqueeze(0), batch)[0].double()
        inner = torch.cholesky_solve((G @ g).unsqueeze(1), factor).squeeze(1)
        result.append(((g - G.T @ inner / len(G)) / damping / context.total_rows).to(context.full.dtype))
    return torch.stack(result)


def _row_gradients(context: Context, rows: Tensor, labels: Tensor) -> Tensor:
    parts = []
    for a in range(0, len(rows), 64):
        X, y = rows[a : a + 64].unsqueeze(1), labels[a : a + 64].unsqueeze(1)
        batch = Batch(X, y, torch.ones(y.shape, dtype=rows.dtype, device=rows.device))
        parts.append(context.learner.gradient(context.full.expand(len(X), -1), batch))
    return torch.cat(parts)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    kept = torch.from_numpy(context.pool.row_counts(coalitions) + context.hidden_rows).to(context.base)
    weights = torch.from_numpy(~coalitions).to(context.base) * (context.total_rows / kept.clamp(min=1)).unsqueeze(1)
    return weighted_sum(context.full, directions(context), weights)


def cost(_context: Context) -> float:
    return 3.0


METHOD = Method(
    known("natural_gradient"),
    cost=cost,
    params=unlearn,
    prepare=directions,
)
