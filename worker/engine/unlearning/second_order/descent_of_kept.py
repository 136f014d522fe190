"""A few steps towards the optimum of the kept rows, from where one solve on statistics has come: logistic regression.

The tangent's one Newton step uses curvature that was right at another model, and leaves most of the error of small
coalitions. From there nonlinear conjugate gradients (Polak and Ribiere 1969) go on, preconditioned by the same solve;
each step is as long as the loss's curvature along it says. A step takes about what one of the sixty or so evaluations
of a retraining takes on the kept rows. Needs the retained rows; never a retrained model or a test row.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contract.metrics import Predicts
from contract.orders.estimators import ENUMERATE_UP_TO, MOST_COALITIONS
from worker.engine.games.game import Coalitions
from worker.engine.tensors.layout import aligned
from worker.engine.unlearning.context import Context

_LONGEST = 4.0  # of a step, in those of the solve: where the loss is flat its curvature would let it go anywhere
_MOST, _OF_ALL = 3, 768  # steps of a coalition, and of all coalitions together: some six retrainings


@dataclass(frozen=True)
class KeptRows:
    """The rows of all coalitions, features float64[N, k] and ``labels`` float64[C, N], and which of them each of K
    coalitions keeps, ``weight`` float64[K, 1, N]; ``damping`` float64[K, 1, 1] is l2 times the rows kept. All
    coalitions share the rows, so that every place of a product has one shape and is rounded alike."""

    features: Tensor
    labels: Tensor
    weight: Tensor
    damping: Tensor


def steps_taken(context: Context) -> int:
    """How many steps every coalition takes: by default three, and fewer where coalitions are many, by the number of
    players alone. None in partial mode, of learners that are not linear in their rows, of numbers (where one solve is
    exact), and where rows are away."""
    learner = context.learner
    if context.partial or not learner.linear or learner.predicts is not Predicts.CLASS or context.pool.away:
        return 0
    n = len(context.problem.players)
    coalitions = 1 << n if n <= ENUMERATE_UP_TO else MOST_COALITIONS
    return int(context.option("tangent.steps", min(_OF_ALL // coalitions, _MOST)))


def kept(context: Context, coalitions: Coalitions, features: Tensor, l2: float) -> KeptRows:
    """What coalitions bool[K, n] keep of the pool, whose rows have the ``features`` [N, k]."""
    pool = context.pool
    filled, labels = context.once("rows of the pool, filled up", lambda: _filled(context, features))
    weight = torch.nn.functional.pad(pool.masks(coalitions).to(features), (0, len(filled) - len(pool.y)))
    damping = torch.from_numpy(np.maximum(pool.row_counts(coalitions), 1)).to(features) * l2
    return KeptRows(filled, labels, weight[:, None, :], damping[:, None, None])


def _filled(context: Context, features: Tensor) -> tuple[Tensor, Tensor]:
    """Features [N', k'] and labels [C, N'] with zeros, up to whole vectors of a processor (``tangent._whole``)."""
    height, width = aligned(len(features)) - len(features), aligned(features.shape[1], 8) - features.shape[1]
    labels = context.learner.loss.targets(context.pool.y, context.learner.classes)
    pad = torch.nn.functional.pad
    return pad(features, (0, width, 0, height)), pad(labels, (0, 0, 0, height)).T.contiguous()


def seconds_of_step(rows: float, width: int, classes: int) -> float:
    """What one step of a coalition takes on one core where there are so many rows."""
    return 20e-6 + rows * classes * (2.2 * width / 1.5e10 + 9e-9)


def descend(rows: KeptRows, factor: Tensor, solved: Tensor, steps: int) -> Tensor:
    """Models [K, k, C] after so many steps from ``solved``; ``factor`` [K, k, k] is the solve's Cholesky factor."""
    theta = solved.transpose(1, 2).contiguous()
    K, C, k = theta.shape
    outputs = _on_rows(theta, rows.features)
    direction, before, strength = torch.zeros_like(theta), torch.zeros_like(theta), None
    for _ in range(steps):
        p = torch.softmax(outputs, dim=1)
        left = (p - rows.labels).mul_(rows.weight)
        gradient = (left.view(K * C, -1) @ rows.features).view(K, C, k) + rows.damping * theta
        mapped = torch.cholesky_solve(gradient.transpose(1, 2), factor).transpose(1, 2)
        # at first, and where that would go up, straight along the solve
        turned = -mapped
        if strength is not None:
            turned = (_dot(gradient - before, mapped) / strength.clamp(min=1e-300)).clamp(min=0.0) * direction - mapped
        direction = torch.where(_dot(gradient, turned) < 0, turned, -mapped).contiguous()
        before, strength = gradient, _dot(gradient, mapped)
        moved = _on_rows(direction, rows.features)
        bent = (moved - (p * moved).sum(dim=1, keepdim=True)).mul_(moved).mul_(p).mul_(rows.weight)
        curvature = _sum(bent) + rows.damping * _dot(direction, direction)
        length = (-_dot(gradient, direction) / curvature.clamp(min=1e-300)).clamp(max=_LONGEST)
        theta, outputs = theta + length * direction, outputs.add_(length * moved)
    return theta.transpose(1, 2)


def _on_rows(theta: Tensor, features: Tensor) -> Tensor:
    """Outputs [K, C, N]."""
    return (theta.view(-1, theta.shape[2]) @ features.T).view(*theta.shape[:2], len(features))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return _sum(a * b)


def _sum(a: Tensor) -> Tensor:
    """[K, 1, 1]."""
    return a.flatten(1).sum(dim=1)[:, None, None]
