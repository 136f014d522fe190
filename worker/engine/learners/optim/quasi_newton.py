"""L-BFGS on many smooth strongly convex problems at once, each with its own steps, line search and end.

Liu & Nocedal (1989) with a preconditioner as the initial inverse Hessian and Armijo backtracking. A problem that has
converged leaves its place to the next one; what a problem returns does not depend on the problems beside it. Nothing
here knows models.
"""

from typing import Protocol

import torch
from torch import Tensor

from worker.engine.tensors.line_search import ARMIJO, MEMORY


class Stack(Protocol):
    """Places for K problems with unknowns [K, ...], and any number of problems waiting for a place."""

    places: int

    def load(self, place: int, problem: int) -> None:
        """Put a problem into a place, in the stead of the one before."""
        ...

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


def minimise(stack: Stack, problems: int, start: Tensor, tolerance: float, iterations: int) -> tuple[Tensor, Tensor]:
    """Minimisers [m, ...] of ``problems`` problems from one ``start`` [...], and the gradient norms [m] reached; the
    caller decides whether they are good enough.

    A place whose problem has ended takes the next that waits, so that a slow problem delays no other.
    """
    minimisers = start.expand(problems, *start.shape).clone()
    reached = torch.full((problems,), torch.inf, dtype=start.dtype, device=start.device)
    state = _Places(stack, start)
    waiting = iter(range(problems))
    for place, problem in zip(range(stack.places), waiting, strict=False):
        state.load(place, problem)
    while state.occupied():
        state.step(tolerance)
        for place in state.ended(tolerance, iterations):
            minimisers[state.holds[place]], reached[state.holds[place]] = state.theta[place], state.norm[place]
            state.load(place, next(waiting, None))
    return minimisers, reached


class _Places:
    """The state of each place's problem: its unknowns, its memory, its next step.

    A new problem has value infinity and no direction, so that its first step evaluates the start and accepts it.
    """

    def __init__(self, stack: Stack, start: Tensor) -> None:
        self.stack, self.start = stack, start
        self.theta = start.expand(stack.places, *start.shape).clone()
        self.gradient, self.direction = torch.zeros_like(self.theta), torch.zeros_like(self.theta)
        self.value = torch.full((stack.places,), torch.inf, dtype=start.dtype, device=start.device)
        self.norm, self.length = self.value.clone(), torch.ones_like(self.value)
        self.steps = torch.zeros(stack.places, dtype=torch.int64, device=start.device)
        self.holds: list[int | None] = [None] * stack.places
        self.active = torch.zeros(stack.places, dtype=torch.bool, device=start.device)
        zero = torch.zeros_like(self.value)
        self.history = [(self.gradient.clone(), self.gradient.clone(), zero.clone()) for _ in range(MEMORY)]

    def load(self, place: int, problem: int | None) -> None:
        """Give a place its next problem, or None: nothing is left to do there."""
        self.holds[place] = problem
        self.active[place] = problem is not None
        if problem is None:
            return
        self.stack.load(place, problem)
        self.theta[place] = self.start
        self.value[place] = self.norm[place] = torch.inf
        self.length[place], self.steps[place] = 1.0, 0
        for remembered in [(self.gradient, self.direction), *self.history]:
            for tensor in remembered:
                tensor[place] = 0.0

    def occupied(self) -> bool:
        return bool(self.active.any())

    def ended(self, tolerance: float, iterations: int) -> list[int]:
        """Places whose problem has converged, or has had its iterations."""
        over = self.active & ((self.norm <= tolerance) | (self.steps > iterations))
        return [int(place) for place in torch.nonzero(over)]

    def step(self, tolerance: float) -> None:
        """One trial step of every problem: accepted, or halved."""
        theta, gradient, value, norm = self.theta, self.gradient, self.value, self.norm
        slope = _dot(gradient, self.direction)
        trial = theta + _spread(self.length, theta) * self.direction
        trial_value, trial_gradient = self.stack.evaluate(trial)
        # Rounding hides the decrease near the optimum: there a smaller gradient is accepted instead.
        trial_norm = _dot(trial_gradient, trial_gradient).sqrt()
        slack = 1e-13 * value.abs().clamp(min=1.0)
        good = trial_value <= value + ARMIJO * self.length * slope
        good |= (trial_value <= value + slack) & (trial_norm <= norm)
        good &= self.active
        moved, learned = _spread(good, theta), _spread(good & (self.steps > 0), theta)
        s = torch.where(learned, trial - theta, 0.0)
        y = torch.where(learned, trial_gradient - gradient, 0.0)
        self.theta = torch.where(moved, trial, theta)
        self.gradient = torch.where(moved, trial_gradient, gradient)
        self.value, self.norm = torch.where(good, trial_value, value), torch.where(good, trial_norm, norm)
        curvature = _dot(s, y)
        inverse = torch.where(curvature > 0, 1.0 / curvature.clamp(min=1e-300), 0.0)
        self.history = _remember(self.history, good, s, y, inverse)
        self.length = torch.where(good, 1.0, 0.5 * self.length)
        self.direction = torch.where(moved, _two_loops(self.stack, self.gradient, self.history), self.direction)
        # A step that backtracking has shrunk to nothing starts again along the preconditioned gradient.
        lost = self.active & ((self.length < 1e-10) | (_dot(self.gradient, self.direction) >= 0))
        lost &= self.norm > tolerance
        if bool(lost.any()):
            again = -self.stack.precondition(self.gradient)
            self.direction = torch.where(_spread(lost, theta), again, self.direction)
            self.length = torch.where(lost, 1.0, self.length)
        self.steps += 1


def _remember(
    history: list[tuple[Tensor, Tensor, Tensor]], good: Tensor, s: Tensor, y: Tensor, inverse: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Shift each problem's own memory by one where it moved; where it did not, its memory stays as it is."""
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
    _, y, inverse = history[-1]
    # Both at once, side by side in the first dimension of the unknowns: an inverse is read from memory once.
    mapped_y, mapped = stack.precondition(torch.cat([y, q], dim=1)).chunk(2, dim=1)
    curvature = _dot(y, mapped_y)
    scale = torch.where(inverse > 0, 1.0 / (inverse.clamp(min=1e-300) * curvature.clamp(min=1e-300)), 1.0)
    q = mapped * _spread(scale, q)
    for (s, y, inverse), alpha in zip(history, reversed(alphas), strict=True):
        beta = inverse * _dot(y, q)
        q.add_(_spread(alpha - beta, q) * s)
    return -q
