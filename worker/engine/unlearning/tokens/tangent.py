"""Tangent unlearning of a language model's adapters: one damped Gauss-Newton solve per coalition, from sums alone.

A player is A_i, the empirical Fisher of its sequences in the k directions that carry most gradient, and b_i, the sum
of their gradients; forgetting it is subtracting both. Full mode solves from the BASE model, so the empty coalition is
the base model by construction: delta_S = -(c A_S + damping N_S I)^-1 b_S; what the solve for everybody leaves of
M_full is added in proportion to the rows kept, so both ends are exact. The damping is where the solve for everybody
answers most like M_full on training rows. Partial mode is the delta form around M_full: with the retained gradient
minus the forgotten one, delta_S = (c A_R + damping N_R I)^-1 sum of forgotten b, A_R from the kept players and from
anchor rows scaled up to the hidden ones. c is the context's length: a block's gradient is a mean over its tokens.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.learning.costs import ModelCost
from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.sequences import Sums, basis, language_model, row_gradients, sample_rows, sums

_DAMPINGS = np.geomspace(1e-3, 3e1, 10)
_PARTIAL_DAMPING = 0.1
_WIDTH = 128
_AGREE_ROWS = 32


@dataclass(frozen=True)
class ProjectedCurvature:
    """The terms of every coalition's solve: directions [P, k], A [n, k, k] and b [n, k] of players, A0, b0 and rows of
    the rows that no coalition forgets, damping per row, and the step for all players [P]."""

    directions: Tensor
    A: Tensor
    b: Tensor
    A0: Tensor
    b0: Tensor
    rows0: float
    player_rows: Tensor
    damping: float
    everybody: Tensor


def prepare(context: Context) -> ProjectedCurvature:
    return context.once("token tangent", lambda: _prepare(context))


def _prepare(context: Context) -> ProjectedCurvature:
    reference = context.full if context.partial else context.base
    sampled = torch.cat(list(row_gradients(context, reference, sample_rows(context))))
    directions = basis(sampled, int(context.option("tangent.k", _WIDTH)))
    pool = context.players_only()
    of_players = _sums_of_players(context, reference, directions, pool.spans)
    rest, rows0 = _of_nobody(context, reference, directions)
    model = ProjectedCurvature(
        directions=directions,
        A=torch.stack([own.A for own in of_players]),
        b=torch.stack([directions.double().T @ own.b for own in of_players]),
        A0=rest.A,
        b0=directions.double().T @ rest.b,
        rows0=rows0,
        player_rows=torch.tensor([own.rows for own in of_players], dtype=torch.float64, device=pool.device),
        damping=0.0,
        everybody=torch.zeros_like(context.base),
    )
    return _damped(context, model)


def _sums_of_players(
    context: Context, reference: Tensor, directions: Tensor, spans: list[tuple[int, int]]
) -> list[Sums]:
    """One pass over the rows; equal players are one content."""
    X, by_digest, result = context.players_only().X, dict[str, Sums](), []
    for player, (a, b) in zip(context.problem.players, spans, strict=True):
        if player.digest not in by_digest:
            by_digest[player.digest] = sums(context, reference, directions, X[a:b])
        result.append(by_digest[player.digest])
    return result


def _of_nobody(context: Context, reference: Tensor, directions: Tensor) -> tuple[Sums, float]:
    """Sums of rows that no coalition forgets; in partial mode those of the hidden rows, estimated by the anchor."""
    if context.anchor is None:
        rest = sums(context, reference, directions, context.pool.X[: context.pool.rest_rows])
        return rest, float(rest.rows)
    anchor = sums(context, reference, directions, context.anchor[0])
    scale = context.hidden_rows / anchor.rows
    return Sums(anchor.A * scale, anchor.b * 0.0, anchor.rows), float(context.hidden_rows)


def _damped(context: Context, model: ProjectedCurvature) -> ProjectedCurvature:
    """With the damping, in units of the mean curvature per row and direction, and the step for all players."""
    rows = model.rows0 + float(model.player_rows.sum())
    total = model.A0 + model.A.sum(dim=0)
    unit = float(total.diagonal().mean()) / rows * language_model(context).context
    if context.partial:
        damping = context.option("tangent.damping", _PARTIAL_DAMPING) * unit
        return ProjectedCurvature(**{**model.__dict__, "damping": damping})
    kept = np.ones(len(model.A), dtype=bool)
    X = sample_rows(context)[:_AGREE_ROWS]
    ordered = context.option("tangent.damping", 0.0)
    tried = [
        ProjectedCurvature(**{**model.__dict__, "damping": d * unit}) for d in ([ordered] if ordered else _DAMPINGS)
    ]
    steps = [_step(context, candidate, kept) for candidate in tried]
    learner = language_model(context)
    target = learner.likelihoods(context.full.unsqueeze(0), X)[0]
    apart = [
        float((learner.likelihoods((context.base + step).unsqueeze(0), X)[0] - target).square().sum()) for step in steps
    ]
    best = int(np.argmin(np.nan_to_num(apart, nan=np.inf)))
    return ProjectedCurvature(**{**tried[best].__dict__, "everybody": steps[best]})


def _step(context: Context, model: ProjectedCurvature, kept: NDArray[np.bool_]) -> Tensor:
    """delta [P] of one coalition, from base or from M_full."""
    A = model.A0.clone()
    b = torch.zeros_like(model.b0) if context.partial else -model.b0
    rows = model.rows0
    for i, stays in enumerate(kept):
        if stays:
            A += model.A[i]
            rows += float(model.player_rows[i])
        if stays != context.partial:
            b += model.b[i] if context.partial else -model.b[i]
    A *= language_model(context).context
    A.diagonal().add_(model.damping * max(rows, 1.0))
    solved = torch.cholesky_solve(b.unsqueeze(1), torch.linalg.cholesky(A)).squeeze(1)
    return model.directions @ solved.to(model.directions.dtype)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; one coalition at a time, so that its bits depend on no other."""
    model = prepare(context)
    if context.partial:
        return torch.stack([context.full + _step(context, model, row) for row in coalitions])
    left = context.full - context.base - model.everybody
    shares = context.pool.row_counts(coalitions) / len(context.pool)
    return torch.stack(
        [
            context.base + _step(context, model, row) + float(share) * left
            for row, share in zip(coalitions, shares, strict=True)
        ]
    )


def once(context: Context, cost: ModelCost) -> float:
    """One pass over all rows for their gradients."""
    return len(context.pool) * cost.row


METHOD = Method(
    known("tangent"),
    cost=lambda _context: 0.0,
    params=unlearn,
    prepare=prepare,
    once=once,
)
