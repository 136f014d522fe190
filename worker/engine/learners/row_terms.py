"""One number of each row, whose sum over rows the sums of an answer determine: what opened rows are checked by.

With random weights u, v [d + 1] and q [C], and a [K] over models, a row x (a one last) with targets t has the term

- of moments: (u x)(v x + q t), whose sum is u A v + u b q;
- of curvature: w (u x)(v x) + (u x)(q r), r its working responses, with the same sum of A and b;
- of objectives: the sum over models of a (loss + (u x) q (p - t)), whose sum follows from values and gradients.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contract.agents import AgentQuestion, Array
from contract.metrics import Predicts
from contract.openings import OpeningDraw, OpeningQuestion
from contract.rows.asked import Encoded
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.ridge import with_constant
from worker.engine.tensors.batching import single_threaded

_BLOCK = 1 << 12


@dataclass(frozen=True)
class TermWeights:
    """u, v float64[d + 1] (of networks [P], or [k + 1] of tangents), q float64[C], a float64[K] of one check."""

    left: Tensor
    right: Tensor
    outputs: Tensor
    models: Tensor

    @classmethod
    def of(cls, opening: OpeningQuestion) -> "TermWeights":
        question, draw = opening.about, OpeningDraw(opening.seed)
        size = question.term_width
        counts = (
            ("left", size),
            ("right", size),
            ("outputs", question.encoding.outputs),
            ("models", max(1, question.stack)),
        )
        weights = cls(*(torch.from_numpy(draw.weights(name, count)) for name, count in counts))
        if not opening.toward:
            return weights
        along = torch.tensor(opening.toward, dtype=torch.float64)
        return replace(weights, left=along, right=torch.zeros_like(along))


def claimed_direction(arrays: dict[str, Array], weights: TermWeights) -> tuple[float, ...]:
    """float[d + 1], the largest 1: the model that A and b claim to fit, or the sum of claimed gradients. Along it b (or
    the gradient) is largest beside its terms, so that one which no rows bear out needs the most of them false."""
    A, *others = (torch.from_numpy(array) for array in arrays.values())
    if not others:
        # gradients [K, P], by themselves
        return _largest_one(weights.models @ A)
    b = others[0] @ weights.outputs
    little = 1e-6 * A.diagonal().mean().clamp(min=1e-12)
    return _largest_one(torch.linalg.solve(A + little * torch.eye(len(A), dtype=A.dtype), b))


def _largest_one(model: Tensor) -> tuple[float, ...]:
    largest = float(model.abs().max())
    return tuple((model / largest).tolist()) if 0.0 < largest < math.inf else ()


def row_terms(question: AgentQuestion, rows: Encoded, models: Array, weights: TermWeights) -> Array:
    """float64[n]: the terms of encoded rows, at the question's models."""
    X, y = rows
    theta = torch.from_numpy(models)
    terms = []
    with single_threaded():
        for a in range(0, len(X), _BLOCK):
            x = with_constant(torch.from_numpy(X[a : a + _BLOCK]))
            terms.append(_terms(question, x, torch.from_numpy(y[a : a + _BLOCK]), theta, weights))
    whole: Array = torch.cat(terms).numpy()
    return whole


def _terms(question: AgentQuestion, x: Tensor, y: Tensor, theta: Tensor, weights: TermWeights) -> Tensor:
    loss = LOSSES[Predicts.NUMBER if question.encoding.scale is not None else Predicts.CLASS]
    targets = loss.targets(y, question.encoding.outputs)
    left = x @ weights.left
    if question.asks == "moments":
        return left * (x @ weights.right + targets @ weights.outputs)
    if question.asks == "curvature":
        outputs = x @ theta[0].T
        bend = loss.bend(outputs)
        responses = targets - loss.expected(outputs) + bend[:, None] * outputs
        return bend * left * (x @ weights.right) + left * (responses @ weights.outputs)
    terms = torch.zeros(len(x), dtype=torch.float64)
    for model, weight in zip(theta, weights.models, strict=True):
        outputs = x @ model.T
        slopes = (loss.expected(outputs) - targets) @ weights.outputs
        terms += weight * (loss.of_rows(outputs, y) + left * slopes)
    return terms


def determined(question: AgentQuestion, arrays: dict[str, Array], weights: TermWeights) -> float:
    """What the terms of all rows add up to where these arrays are their sums."""
    # values and gradients, or A and b
    first, second = (torch.from_numpy(arrays[name]) for name in question.shapes)
    if question.asks == "objective":
        return float(weights.models @ (first + (second @ weights.left) @ weights.outputs))
    return float(weights.left @ first @ weights.right + weights.left @ second @ weights.outputs)
