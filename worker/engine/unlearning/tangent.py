"""Tangent unlearning: exact unlearning of the linearised model by sufficient statistics.

Features are the gradients of the model's outputs at a reference point, brought to k dimensions; a player is its
statistics A_i = sum phi phi^T and b_i = sum phi y^T, and forgetting a player is subtracting them. A coalition is one
k x k solve, (A_S + lambda N_S I) theta = b_S, whatever its number of rows. Damping is chosen so that the linearised
game agrees with what is known exactly, never from retrained worths.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.engine.batching import Batch
from worker.engine.game import Coalitions
from worker.engine.seeds import derive, torch_generator
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method


@dataclass(frozen=True)
class Linearised:
    """The statistics of every player: A [n, k, k] and b [n, k, C] in float64, the rest's as (A0, b0), and damping."""

    A: Tensor
    b: Tensor
    A0: Tensor
    b0: Tensor
    damping: float
    sketch: Tensor
    direction: Tensor


def row_gradients(context: Context, params: Tensor, X: Tensor, direction: Tensor) -> Tensor:
    """Gradients [m, P] of the outputs' combination ``direction`` [C] at one model, for each row."""
    parts = []
    for a in range(0, len(X), 256):
        rows = X[a : a + 256].unsqueeze(1)
        ones = torch.ones(rows.shape[:2], dtype=X.dtype, device=X.device)
        batch = Batch(rows, torch.zeros(rows.shape[:2], dtype=torch.int64, device=X.device), ones)
        residual = direction.expand(len(rows), 1, -1)
        parts.append(context.learner.gradient(params.expand(len(rows), -1), batch, residual))
    return torch.cat(parts)


def features(context: Context, X: Tensor, sketch: Tensor, direction: Tensor) -> Tensor:
    """Tangent features [m, k + 1] in float64; the last is constant."""
    raw = row_gradients(context, context.base, X, direction) @ sketch
    return torch.cat([raw.double(), torch.ones((len(X), 1), dtype=torch.float64, device=X.device)], dim=1)


def prepare(context: Context) -> Linearised:
    return context.once("tangent", lambda: _prepare(context))


def _prepare(context: Context) -> Linearised:
    learner, pool = context.learner, context.pool
    k = min(int(context.option("tangent.k", 400)), learner.layout.width)
    generator = torch_generator(derive(0, "tangent sketch", learner.layout.width, k))
    sketch = torch.randn((learner.layout.width, k), generator=generator).to(pool.X) / math.sqrt(k)
    direction = (torch.randint(0, 2, (learner.classes,), generator=generator) * 2 - 1).to(pool.X)
    phi = features(context, pool.X, sketch, direction)
    targets = torch.nn.functional.one_hot(pool.y, learner.classes).double()
    spans = [(0, pool.rest_rows), *pool.spans]
    A = torch.stack([phi[a:b].T @ phi[a:b] for a, b in spans])
    b = torch.stack([phi[a:b].T @ targets[a:b] for a, b in spans])
    scale = float(A.sum(dim=0).diagonal()[:-1].mean()) / len(pool)
    return Linearised(A[1:], b[1:], A[0], b[0], context.option("tangent.damping", 0.01) * scale, sketch, direction)


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Outputs [K, T, C]."""
    model = prepare(context)
    counts = torch.from_numpy(context.pool.row_counts(coalitions)).to(context.device)
    phi = context.once(f"tangent rows {X.data_ptr()}", lambda: features(context, X, model.sketch, model.direction))
    results = []
    for coalition, count in zip(coalitions, counts, strict=True):
        A, b = model.A0.clone(), model.b0.clone()
        for i in coalition.nonzero()[0]:
            A += model.A[i]
            b += model.b[i]
        A.diagonal().add_(model.damping * count)
        results.append(phi @ torch.cholesky_solve(b, torch.linalg.cholesky(A)))
    # Outputs of a regression on labels are probabilities, roughly: their logarithm makes them logits.
    return torch.stack(results).clamp(min=1e-3).log()


def cost(context: Context) -> float:
    """One Cholesky of k^3/3 multiplications, next to a row-gradient's 3 P."""
    k = min(context.option("tangent.k", 400), context.learner.layout.width)
    return (k**3 / 3 + k**2 * context.learner.classes * 2) / (3 * context.learner.layout.width)


METHOD = Method(
    name="tangent",
    family="unlearn",
    source="unlearn:tangent",
    about="exact unlearning of the linearised model by subtracting sufficient statistics",
    cost=cost,
    outputs=outputs,
    prepare=prepare,
)
