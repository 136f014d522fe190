"""Kronecker-factored curvature of adapters, gradients streamed: a diagonal in an eigenbasis that needs no P x P matrix.

For each adapter matrix with sequence gradients G [out, in], the eigenvectors U of sum G G^T and V of sum G^T G are the
basis, and the second moments of U^T G V its curvature there: eigenvalues corrected in a Kronecker basis (George et al.
2018, arXiv 1806.03884; used for influence by Grosse et al. 2023, arXiv 2308.03296), the factors taken from whole
sequences as in Shampoo. Two passes over gradients computed eight at a time: one over a sample for the bases, one over
all rows for the moments. A player is its moments and its summed gradient, and forgetting it is subtracting both.

``METHOD`` solves with them. Full mode, from the base: delta_S = -(c s_S + damping N_S)^-1 b_S, and what the solve for
everybody leaves of M_full is added in proportion to the rows kept. Partial mode, around M_full: delta_S = (c s_R +
damping N_R)^-1 sum of forgotten b, where s_R are the moments of what is kept, the hidden rows' from the anchor's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.tensors.layout import Layout
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.sequences import language_model, row_gradients, sample_rows
from worker.engine.unlearning.tokens.tangent import once

_DAMPINGS = np.geomspace(1e-3, 3e1, 10)
_PARTIAL_DAMPING = 1.0
_AGREE_ROWS = 32
Turn = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Eigenbasis:
    """For each array of a layout its two orthogonal bases; turns vectors [K, P] into the basis and back."""

    layout: Layout
    left: tuple[Tensor, ...]
    right: tuple[Tensor, ...]

    def into(self, vectors: Tensor) -> Tensor:
        """Coordinates [K, P] of vectors [K, P]; the padding stays zero."""
        return self._turned(vectors, lambda x, u, v: u.T @ x @ v)

    def out_of(self, coordinates: Tensor) -> Tensor:
        """Vectors [K, P] of coordinates [K, P]."""
        return self._turned(coordinates, lambda x, u, v: u @ x @ v.T)

    def _turned(self, flat: Tensor, turn: Turn) -> Tensor:
        result = torch.zeros_like(flat)
        views = zip(self.layout.views(flat), self.layout.views(result), self.left, self.right, strict=True)
        for plain, turned, u, v in views:
            turned.copy_(turn(plain, u, v))
        return result


def eigenbasis(context: Context, reference: Tensor, X: Tensor) -> Eigenbasis:
    """The bases that the gradients of rows X [m, L + 1] at a model [P] have."""
    layout = context.learner.layout
    shapes = [slot.shape for slot in layout.slots]
    left = [torch.zeros((out, out), dtype=torch.float64, device=X.device) for out, _ in shapes]
    right = [torch.zeros((into, into), dtype=torch.float64, device=X.device) for _, into in shapes]
    for block in row_gradients(context, reference, X):
        for i, G in enumerate(layout.views(block)):
            left[i] += (G @ G.transpose(1, 2)).double().sum(dim=0)
            right[i] += (G.transpose(1, 2) @ G).double().sum(dim=0)
    bases = [tuple(torch.linalg.eigh(sums)[1].to(reference.dtype) for sums in side) for side in (left, right)]
    return Eigenbasis(layout, bases[0], bases[1])


@dataclass(frozen=True)
class Moments:
    """Over some rows, in the eigenbasis: ``curvature`` = sum of squared gradients [P], ``gradient`` their sum [P]."""

    curvature: Tensor
    gradient: Tensor
    rows: float


def moments(context: Context, reference: Tensor, basis: Eigenbasis, X: Tensor) -> Moments:
    """The sums of rows X [m, L + 1] at a model [P], float64."""
    curvature = torch.zeros(len(reference), dtype=torch.float64, device=X.device)
    gradient = torch.zeros_like(curvature)
    for block in row_gradients(context, reference, X):
        seen = basis.into(block).double()
        curvature += seen.square().sum(dim=0)
        gradient += seen.sum(dim=0)
    return Moments(curvature, gradient, float(len(X)))


@dataclass(frozen=True)
class FactoredCurvature:
    """The terms of every coalition's solve: players' moments, those of rows that no coalition forgets, damping per row,
    and in full mode the step for all players [P]."""

    basis: Eigenbasis
    players: tuple[Moments, ...]
    nobody: Moments
    damping: float
    everybody: Tensor


def prepare(context: Context) -> FactoredCurvature:
    return context.once("ekfac", lambda: _prepare(context))


def _prepare(context: Context) -> FactoredCurvature:
    reference, pool = context.full if context.partial else context.base, context.players_only()
    basis = eigenbasis(context, reference, sample_rows(context))
    by_digest: dict[str, Moments] = {}
    for player, (a, b) in zip(context.problem.players, pool.spans, strict=True):
        if player.digest not in by_digest:
            by_digest[player.digest] = moments(context, reference, basis, pool.X[a:b])
    players = tuple(by_digest[player.digest] for player in context.problem.players)
    nobody = _of_nobody(context, reference, basis)
    total = nobody.curvature + torch.stack([own.curvature for own in players]).sum(dim=0)
    rows = nobody.rows + sum(own.rows for own in players)
    # the mean curvature where there is any: at the base model half of the adapters has none
    unit = float(total[total > 0].mean()) / rows * language_model(context).context
    model = FactoredCurvature(basis, players, nobody, unit * _PARTIAL_DAMPING, torch.zeros_like(context.base))
    damping = context.option("ekfac.damping", 0.0)
    if context.partial:
        return replace(model, damping=damping * unit) if damping else model
    return _damped(context, model, [damping * unit] if damping else [float(d) * unit for d in _DAMPINGS])


def _of_nobody(context: Context, reference: Tensor, basis: Eigenbasis) -> Moments:
    """Moments of rows that no coalition forgets; in partial mode those of the hidden rows, estimated by the anchor."""
    if context.anchor is None:
        return moments(context, reference, basis, context.pool.X[: context.pool.rest_rows])
    anchor = moments(context, reference, basis, context.anchor[0])
    scale = context.hidden_rows / anchor.rows
    return Moments(anchor.curvature * scale, anchor.gradient * 0.0, float(context.hidden_rows))


def _damped(context: Context, model: FactoredCurvature, dampings: list[float]) -> FactoredCurvature:
    """With the damping at which the solve for all players agrees best with M_full on training rows."""
    learner, kept = language_model(context), np.ones(len(model.players), dtype=bool)
    X = sample_rows(context)[:_AGREE_ROWS]
    target = learner.likelihoods(context.full.unsqueeze(0), X)[0]
    tried, apart = [], []
    for damping in dampings:
        step = _step(context, replace(model, damping=damping), kept)
        tried.append(replace(model, damping=damping, everybody=step))
        answered = learner.likelihoods((context.base + step).unsqueeze(0), X)[0]
        apart.append(float((answered - target).square().sum()))
    return tried[int(np.argmin(np.nan_to_num(apart, nan=np.inf)))]


def _step(context: Context, model: FactoredCurvature, kept: NDArray[np.bool_]) -> Tensor:
    """delta [P] of one coalition, from base or from M_full."""
    curvature, rows = model.nobody.curvature.clone(), model.nobody.rows
    pull = -model.nobody.gradient
    for player, stays in zip(model.players, kept, strict=True):
        if stays:
            curvature += player.curvature
            rows += player.rows
        if stays != context.partial:
            pull += player.gradient if context.partial else -player.gradient
    curvature *= language_model(context).context
    solved = pull / (curvature + model.damping * max(rows, 1.0))
    return model.basis.out_of(solved.to(context.base.dtype).unsqueeze(0))[0]


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; one coalition at a time, so that its bits depend on no other."""
    model = prepare(context)
    if context.partial:
        return torch.stack([context.full + _step(context, model, row) for row in coalitions])
    left = context.full - context.base - model.everybody
    shares = context.pool.row_counts(coalitions) / len(context.pool)
    steps = [_step(context, model, row) + float(share) * left for row, share in zip(coalitions, shares, strict=True)]
    return torch.stack([context.base + step for step in steps])


METHOD = Method(
    known("ekfac"),
    cost=lambda _context: 0.0,
    once=once,
    params=unlearn,
    prepare=prepare,
)
