"""L-BFGS on many smooth strongly convex problems at once, each with its own steps, line search and end.

Liu & Nocedal (1989) with a preconditioner as the initial inverse Hessian and Armijo backtracking. Problems that have
converged are frozen: what a problem returns does not depend on the problems beside it. Nothing here knows models.
"""

from typing import Protocol

import torch
from torch import Tensor

_MEMORY = 10
_ARMIJO = 1e-4


class Stack(Protocol):
    """K problems with unknowns [K, ...]."""

    def evaluate(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Objective [K] and gradient, shaped as theta."""
        ...

    @property
    def precondition(self) -> "Precondition": ...


class Precondition(Protocol):
    def __call__(self, gradient: Tensor, /) -> Tensor:
        """An approximate inverse Hessian applied to a gradient."""
        ...


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(dim=1)


def _spread(scalars: Tensor, like: Tensor) -> Tensor:
    return scalars.view(-1, *[1] * (like.dim() - 1))


def minimise(stack: Stack, theta: Tensor, tolerance: float, iterations: int) -> tuple[Tensor, Tensor]:
    """Minimisers [K, ...] and the gradient norms [K] reached; the caller decides whether they are good enough."""
    value, gradient = stack.evaluate(theta)
    norm = _dot(gradient, gradient).sqrt()
    history: list[tuple[Tensor, Tensor, Tensor]] = []
    direction = -stack.precondition(gradient)
    step = torch.ones_like(value)
    for _ in range(iterations):
        active = norm > tolerance
        if not bool(active.any()):
            break
        slope = _dot(gradient, direction)
        trial = theta + _spread(step, theta) * direction
        trial_value, trial_gradient = stack.evaluate(trial)
        # Rounding hides the decrease near the optimum: there a smaller gradient is accepted instead.
        trial_norm = _dot(trial_gradient, trial_gradient).sqrt()
        slack = 1e-13 * value.abs().clamp(min=1.0)
        good = trial_value <= value + _ARMIJO * step * slope
        good |= (trial_value <= value + slack) & (trial_norm <= norm)
        good &= active
        moved = _spread(good, theta)
        s = torch.where(moved, trial - theta, 0.0)
        y = torch.where(moved, trial_gradient - gradient, 0.0)
        theta = torch.where(moved, trial, theta)
        gradient = torch.where(moved, trial_gradient, gradient)
        value, norm = torch.where(good, trial_value, value), torch.where(good, trial_norm, norm)
        curvature = _dot(s, y)
        inverse = torch.where(curvature > 0, 1.0 / curvature.clamp(min=1e-300), 0.0)
        history = _remember(history, good, s, y, inverse)
        step = torch.where(good, 1.0, 0.5 * step)
        direction = torch.where(moved, _two_loops(stack, gradient, history), direction)
        # A step that backtracking has shrunk to nothing starts again along the preconditioned gradient.
        lost = active & ((step < 1e-10) | (_dot(gradient, direction) >= 0))
        direction = torch.where(_spread(lost, theta), -stack.precondition(gradient), direction)
        step = torch.where(lost, 1.0, step)
    return theta, norm


def _remember(
    history: list[tuple[Tensor, Tensor, Tensor]], good: Tensor, s: Tensor, y: Tensor, inverse: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Shift each problem's own memory by one where it moved; where it did not, its memory stays as it is."""
    if len(history) < _MEMORY:
        zero = (torch.zeros_like(s), torch.zeros_like(y), torch.zeros_like(inverse))
        history = [zero, *history]
    if bool(good.all()):
        return [*history[1:], (s, y, inverse)]
    shifted = [*history[1:], (s, y, inverse)]
    mask = _spread(good, s)
    return [
        (torch.where(mask, new[0], old[0]), torch.where(mask, new[1], old[1]), torch.where(good, new[2], old[2]))
        for new, old in zip(shifted, history, strict=True)
    ]


def _two_loops(stack: Stack, gradient: Tensor, history: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    q = gradient.clone()
    alphas = []
    for s, y, inverse in reversed(history):
        alpha = inverse * _dot(s, q)
        q.sub_(_spread(alpha, q) * y)
        alphas.append(alpha)
    s, y, inverse = history[-1]
    mapped = _dot(y, stack.precondition(y))
    scale = torch.where(inverse > 0, 1.0 / (inverse.clamp(min=1e-300) * mapped.clamp(min=1e-300)), 1.0)
    q = stack.precondition(q) * _spread(scale, q)
    for (s, y, inverse), alpha in zip(history, reversed(alphas), strict=True):
        beta = inverse * _dot(y, q)
        q.add_(_spread(alpha - beta, q) * s)
    return -q
