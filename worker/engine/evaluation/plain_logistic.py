"""Logistic regressions of many coalitions in numpy alone: the minimiser of ``learners.logistic``, step for step.

Small games need no torch, whose import takes longer than all of their models. The problem, the preconditioner, the line
search and the tolerance are those of the learner, and so are the models but for rounding (tests compare them). All
coalitions go at once, in places of their own, and are stepped until each has reached the tolerance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.game import EvaluationFailed
from worker.engine.tensors.line_search import ARMIJO, MEMORY

Floats = NDArray[np.float64]
# a step that backtracking has shrunk below this starts again along the preconditioned gradient
_LOST = 1e-10


@dataclass(frozen=True)
class LogisticRows:
    """Rows float64[N, d], a one last, class numbers int64[N], and whose rows they are: ``spans`` of the players."""

    X: Floats
    y: NDArray[np.int64]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FittedLogistic:
    """Models float64[K, C, d] of the coalitions, and how often the objective was evaluated until all were found."""

    theta: Floats
    evaluations: int


def train(
    rows: LogisticRows, coalitions: NDArray[np.bool_], classes: int, l2: float, tol: float, iterations: int
) -> FittedLogistic:
    """The optima of coalitions bool[K, n]; raises EvaluationFailed where one is not reached."""
    stack = _Stack(rows, coalitions, l2)
    state = _Descent.at_start(stack, len(coalitions), classes)
    while True:
        open_ = (state.norm > tol) & (state.steps <= iterations)
        if not open_.any():
            break
        state.step(open_, tol)
    worst = float(state.norm.max(initial=0.0))
    if not worst <= tol:
        raise EvaluationFailed(
            f"logistic regression stopped at gradient norm {worst:.2e} after {iterations} iterations; the rule is "
            f"{tol:.0e}: scale the features, raise l2 ({l2}), or allow more iterations"
        )
    return FittedLogistic(state.theta, stack.evaluations)


class _Stack:
    """The objectives of all coalitions over shared rows; unknowns are [K, C, d]."""

    def __init__(self, rows: LogisticRows, coalitions: NDArray[np.bool_], l2: float) -> None:
        self._X, self._y, self._l2 = rows.X, rows.y, l2
        self.evaluations = 0
        kept = np.zeros((len(coalitions), len(rows.X)))
        for player, (begin, end) in enumerate(rows.spans):
            kept[:, begin:end] = coalitions[:, player : player + 1]
        self._weight = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1.0)
        grams = np.stack([rows.X[a:b].T @ rows.X[a:b] for a, b in rows.spans])
        scale = np.stack([self._weight[:, a] if b > a else np.zeros(len(coalitions)) for a, b in rows.spans], axis=1)
        bound = 0.5 * np.einsum("kn,nde->kde", scale, grams) + l2 * np.eye(rows.X.shape[1])
        self._inverse = np.linalg.inv(bound).astype(np.float32)
        self._rows = np.arange(len(rows.y))

    def evaluate(self, theta: Floats) -> tuple[Floats, Floats]:
        """Objective [K] and gradient [K, C, d]."""
        self.evaluations += 1
        K, C, d = theta.shape
        out = (theta.reshape(-1, d) @ self._X.T).reshape(K, C, -1)
        out -= out.max(axis=1, keepdims=True)
        picked = out[:, self._y, self._rows]
        np.exp(out, out=out)
        total = out.sum(axis=1, keepdims=True)
        value = 0.5 * self._l2 * np.square(theta).sum(axis=(1, 2))
        value = value + ((np.log(total[:, 0]) - picked) * self._weight).sum(axis=1)
        out /= total
        out[:, self._y, self._rows] -= 1.0
        out *= self._weight[:, None]
        return value, self._l2 * theta + (out.reshape(K * C, -1) @ self._X).reshape(K, C, d)

    def precondition(self, gradient: Floats) -> Floats:
        """Böhning's bound, inverted, on gradients [K, c, d]; float32 shapes the steps and not the optimum."""
        return np.asarray(np.matmul(gradient.astype(np.float32), self._inverse), dtype=np.float64)


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray((a * b).reshape(len(a), -1).sum(axis=1))


def _spread(scalars: Any) -> Any:
    """Numbers [K] beside unknowns [K, C, d]."""
    return scalars[:, None, None]


@dataclass
class _Descent:
    """Each problem's unknowns, memory and next step, as in ``learners.optim.quasi_newton``."""

    stack: _Stack
    theta: Floats
    gradient: Floats
    direction: Floats
    value: Floats
    norm: Floats
    length: Floats
    steps: NDArray[np.int64]
    history: list[tuple[Floats, Floats, Floats]]

    @classmethod
    def at_start(cls, stack: _Stack, problems: int, classes: int) -> "_Descent":
        zero, unknown = np.zeros((problems, classes, stack._X.shape[1])), np.full(problems, np.inf)
        history = [(zero, zero, np.zeros(problems)) for _ in range(MEMORY)]
        steps = np.zeros(problems, dtype=np.int64)
        return cls(stack, zero.copy(), zero, zero, unknown, unknown.copy(), np.ones(problems), steps, history)

    def step(self, active: NDArray[np.bool_], tolerance: float) -> None:
        """One trial step of every open problem: accepted, or halved."""
        slope = _dot(self.gradient, self.direction)
        trial = self.theta + _spread(self.length) * self.direction
        trial_value, trial_gradient = self.stack.evaluate(trial)
        # rounding hides the decrease near the optimum: there a smaller gradient is accepted instead
        trial_norm = np.sqrt(_dot(trial_gradient, trial_gradient))
        first = self.steps == 0
        with np.errstate(invalid="ignore"):
            slack = 1e-13 * np.maximum(np.abs(self.value), 1.0)
            good = trial_value <= self.value + ARMIJO * self.length * slope
            good |= (trial_value <= self.value + slack) & (trial_norm <= self.norm)
        good &= active
        moved, learned = _spread(good), _spread(good & ~first)
        s = np.where(learned, trial - self.theta, 0.0)
        y = np.where(learned, trial_gradient - self.gradient, 0.0)
        self.theta = np.where(moved, trial, self.theta)
        self.gradient = np.where(moved, trial_gradient, self.gradient)
        self.value, self.norm = np.where(good, trial_value, self.value), np.where(good, trial_norm, self.norm)
        curvature = _dot(s, y)
        inverse = np.where(curvature > 0, 1.0 / np.maximum(curvature, 1e-300), 0.0)
        self.history = [
            (np.where(moved, new[0], old[0]), np.where(moved, new[1], old[1]), np.where(good, new[2], old[2]))
            for new, old in zip([*self.history[1:], (s, y, inverse)], self.history, strict=True)
        ]
        self.length = np.where(good, 1.0, 0.5 * self.length)
        self.direction = np.where(moved, self._two_loops(), self.direction)
        lost = active & ((self.length < _LOST) | (_dot(self.gradient, self.direction) >= 0)) & (self.norm > tolerance)
        if lost.any():
            again = -self.stack.precondition(self.gradient)
            self.direction = np.where(_spread(lost), again, self.direction)
            self.length = np.where(lost, 1.0, self.length)
        self.steps = self.steps + active

    def _two_loops(self) -> Floats:
        q, alphas = self.gradient.copy(), []
        for s, y, inverse in reversed(self.history):
            alpha = inverse * _dot(s, q)
            q -= _spread(alpha) * y
            alphas.append(alpha)
        _, y, inverse = self.history[-1]
        mapped_y, mapped = np.split(self.stack.precondition(np.concatenate([y, q], axis=1)), 2, axis=1)
        curvature = _dot(y, mapped_y)
        known = inverse > 0
        scale = 1.0 / np.where(known, np.maximum(inverse, 1e-300) * np.maximum(curvature, 1e-300), 1.0)
        q = mapped * _spread(scale)
        for (s, y, inverse), alpha in zip(self.history, reversed(alphas), strict=True):
            q += _spread(alpha - inverse * _dot(y, q)) * s
        return np.asarray(-q, dtype=np.float64)
