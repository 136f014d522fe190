"""Natural gradient for adapters: the first-order cousin of the tangent method, around M_full in every mode.

theta_S = theta_full + (N / N_S) sum over forgotten of d_i, d_i = (c F + damping)^-1 grad_i / N, with F the empirical
Fisher of a sample of whole sequences, inverted in the sample's space (Woodbury): no P x P matrix is formed, and only
one direction per player is kept.
"""

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.provider_vectors import weighted_sum
from worker.engine.unlearning.sequences import language_model, row_gradients, sample_rows
from worker.engine.unlearning.tokens.tangent import once


def directions(context: Context) -> Tensor:
    """d_i [n, P] of every player."""
    return context.once("natural gradient of tokens", lambda: _directions(context))


def _directions(context: Context) -> Tensor:
    pool, by_digest, result = context.players_only(), dict[str, Tensor](), []
    G = torch.cat(list(row_gradients(context, context.full, sample_rows(context)))).double()
    gram = G @ G.T * (language_model(context).context / len(G))
    damping = context.option("natural_gradient.damping", 1.0) * float(gram.diagonal().mean())
    factor = torch.linalg.cholesky(gram + damping * torch.eye(len(G), dtype=gram.dtype, device=gram.device))
    for player, (a, b) in zip(context.problem.players, pool.spans, strict=True):
        if player.digest not in by_digest:
            g = torch.zeros(len(context.full), dtype=torch.float64, device=pool.device)
            for block in row_gradients(context, context.full, pool.X[a:b]):
                g += block.double().sum(dim=0)
            inner = torch.cholesky_solve((G @ g).unsqueeze(1), factor).squeeze(1)
            seen = G.T @ inner * (language_model(context).context / len(G))
            by_digest[player.digest] = ((g - seen) / damping / context.total_rows).to(context.full.dtype)
        result.append(by_digest[player.digest])
    return torch.stack(result)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    kept = torch.from_numpy(context.pool.row_counts(coalitions) + context.hidden_rows).to(context.base)
    weights = torch.from_numpy(~coalitions).to(context.base) * (context.total_rows / kept.clamp(min=1)).unsqueeze(1)
    return weighted_sum(context.full, directions(context), weights)


METHOD = Method(
    known("natural_gradient"),
    cost=lambda _context: 0.0,
    params=unlearn,
    prepare=directions,
    once=once,
)
