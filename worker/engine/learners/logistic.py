"""Multinomial logistic regression, solved to its unique optimum for every coalition.

Minimises mean cross-entropy over the coalition's rows + (l2/2)(||W||^2 + ||b||^2) to a gradient norm of at most
``tol``; the bias is penalised too, so the optimum exists and is unique even where a coalition lacks a class. The
solver is L-BFGS on all coalitions at once, preconditioned by Böhning's bound on the Hessian,
(1/2) X'X/n + l2 (Böhning 1992); a coalition that has converged leaves its place to the next, and its bits do not
depend on the coalitions beside it. It never returns a model that has not reached the tolerance.
"""

import math
import threading
import weakref
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from contract.learning.learners import Hyper
from contract.metrics import Predicts
from worker.engine.games.game import Coalitions, EvaluationFailed
from worker.engine.learners.learner import Check
from worker.engine.learners.linear import linear_gradient
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.optim.quasi_newton import minimise
from worker.engine.learners.options import read_options
from worker.engine.learners.rows import fill_rows
from worker.engine.tensors.batching import Batch, Pool
from worker.engine.tensors.layout import Layout, aligned

_DENSE_FEATURES = 640  # above it a Cholesky factor per coalition costs more than the iterations it saves
_TYPICAL_ITERATIONS = 60
# places of every stack: see ``LogisticStack``; sixteen are 6 % faster on many coalitions, and slower on few dozens
_SLOTS = 8


class LogisticOptions(NamedTuple):
    """The hyper-parameters."""

    l2: float
    tol: float
    iterations: int


class Logistic:
    """``logistic:l2=0.001,tol=1e-6,iterations=5000``."""

    name = "logistic"
    predicts = Predicts.CLASS
    loss = LOSSES[Predicts.CLASS]
    dtype = torch.float64
    linear = True
    slots = _SLOTS
    lr = 0.05  # for methods that descend by Adam; training itself does not
    batch = 0

    def __init__(self, hyper: Hyper, feature_shape: tuple[int, ...], classes: int) -> None:
        options = read_options(LogisticOptions, self.name, hyper)
        self.classes, self.feature_shape, self.features = classes, feature_shape, math.prod(feature_shape)
        self.l2, self.tol, self.iterations = options.l2, options.tol, options.iterations
        self.layout = Layout.of([("weight", (classes, self.features)), ("bias", (classes,))])
        self._shared: weakref.WeakKeyDictionary[Pool, Shared] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self.taken = 0  # evaluations of the objective until everybody's model was found; 0: it was not trained here

    @property
    def gradients_per_row(self) -> float:
        return float(_TYPICAL_ITERATIONS)

    def row_gradients(self, rows: float) -> float:
        return _TYPICAL_ITERATIONS * rows

    def by_rows(self) -> bool:
        return False

    def start(self, seed: int) -> Tensor:  # noqa: ARG002 - the interface's seed: the start is always zero
        return torch.zeros(self.layout.width, dtype=self.dtype)

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        if X.dim() == len(self.feature_shape) + 1:
            return self._on_shared(params, X)
        weight, bias = self.layout.views(params)
        return (torch.bmm(fill_rows(X).flatten(2), weight.transpose(1, 2)) + bias.unsqueeze(1))[:, : X.shape[1]]

    def _on_shared(self, params: Tensor, X: Tensor) -> Tensor:
        """One product for as many models as a stack has places, always: see ``LogisticStack``."""
        weight, bias = self.layout.views(params)
        rows = fill_rows(X.unsqueeze(0))[0].flatten(1)
        width = aligned(self.features) - self.features
        rows, weight = torch.nn.functional.pad(rows, (0, width)), torch.nn.functional.pad(weight, (0, width))
        places = -(-len(params) // _SLOTS) * _SLOTS
        weight = torch.cat([weight, weight.new_zeros((places - len(params), *weight.shape[1:]))])
        parts = torch.split(weight, _SLOTS)
        products = torch.cat([(part.flatten(0, 1) @ rows.T).view(_SLOTS, self.classes, -1) for part in parts])
        products = products[: len(params), :, : len(X)]
        return (products + bias.unsqueeze(2)).transpose(1, 2)

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        return linear_gradient(self, params, batch, residual)

    def train(
        self,
        start: Tensor,
        pool: Pool,
        coalitions: Coalitions,
        seed: int,  # noqa: ARG002 - the interface's seed: the optimum is unique
        check: Check,
    ) -> Tensor:
        # The model of all players is trained before the others and never beside one: it needs no empty places.
        alone = len(coalitions) == 1 and bool(coalitions.all())
        stack = LogisticStack(self, pool, coalitions, check, places=1 if alone else self.slots)
        theta, norm = minimise(stack, len(coalitions), stack.initial(start)[0], self.tol, self.iterations)
        if alone:
            self.taken = stack.evaluations
        worst = float(norm.max())
        if not worst <= self.tol:
            raise EvaluationFailed(
                f"logistic regression stopped at gradient norm {worst:.2e} after {self.iterations} iterations; the"
                f" rule is {self.tol:.0e}: scale the features, raise l2 ({self.l2}), or allow more iterations"
            )
        return stack.models(theta)

    def shared(self, pool: Pool) -> "Shared":
        """What all stacks over a pool share, computed once."""
        with self._lock:
            if pool not in self._shared:
                self._shared[pool] = Shared(self.features, pool)
            return self._shared[pool]

    def bytes_per_model(self, rows: int) -> int:
        return 8 * (4 * rows * self.classes + 40 * self.layout.width + 3 * self.features**2)


class Shared:
    """A pool's rows [N, d], the bias after the features, and where they are few enough the second moments [d, d] of
    each player's rows. Rows and columns are filled up with zeros: every place of every stack is then aligned alike."""

    def __init__(self, features: int, pool: Pool) -> None:
        rows = pool.X.flatten(1)
        height, width = aligned(len(rows)), aligned(features + 1)
        self.X = torch.zeros((height, width), dtype=rows.dtype, device=rows.device)
        self.X[: len(rows), :features] = rows
        self.X[: len(rows), features] = 1
        self.y = torch.zeros(height, dtype=torch.int64, device=rows.device)
        self.y[: len(rows)] = pool.y
        self.spans = ([(0, pool.rest_rows)] if pool.rest_rows else []) + pool.spans
        self.grams = None
        if width <= _DENSE_FEATURES:
            self.grams = torch.stack([self.X[a:b].T @ self.X[a:b] for a, b in self.spans])
        # of players that are away, by their place: A [width, width]
        self.away: dict[int, Tensor] = {}

    def bound_of(self, place: int, pool: Pool, check: Check) -> Tensor:
        """The second moments [width, width] of a player that is away, asked for once."""
        if place not in self.away:
            A = pool.away[place].moments(check).A
            missing = self.X.shape[1] - len(A)
            self.away[place] = torch.nn.functional.pad(A, (0, missing, 0, missing))
        return self.away[place]


@dataclass(frozen=True)
class KnownByCurvature:
    """Rows that are not here, of whose summed loss a quadratic is known: its curvature A [d + 1, d + 1] for each class,
    the bias last, and its slope [C, d + 1] at the model ``at`` [C, d + 1]."""

    A: Tensor
    slope: Tensor
    at: Tensor
    rows: int


class LogisticStack:
    """The objectives of coalitions over shared rows, ``places`` at a time; unknowns are [K, C, d], the bias after the
    features. ``beside``, where given, are rows of every coalition.

    There are always as many places, however few coalitions there are: products with shared rows round differently at
    other widths, but alike in every place of one width. ``load`` puts a coalition into a place.
    """

    def __init__(
        self,
        learner: Logistic,
        pool: Pool,
        coalitions: Coalitions,
        check: Check,
        places: int,
        beside: KnownByCurvature | None = None,
    ) -> None:
        self.learner, self.check, self.places = learner, check, places
        self._masks, self._pool, self._coalitions = pool.masks(coalitions), pool, coalitions
        self._beside = beside
        self._rows = pool.row_counts(coalitions) + (0 if beside is None else beside.rows)
        # one over each place's rows, by which those beside count
        self._each = torch.ones(self.places, dtype=torch.float64, device=pool.device)
        # by how much the rows of players that are away count in each place
        self._away_weight = torch.zeros((self.places, len(coalitions[0])), dtype=torch.float64)
        self._shared = learner.shared(pool)
        self.X, self.y = self._shared.X, self._shared.y
        self.weight = torch.zeros((self.places, len(self.X)), dtype=self.X.dtype, device=self.X.device)
        self.precondition = self._preconditioner()
        self.evaluations = 0

    def _preconditioner(self) -> "_Dense | _Diagonal":
        d = self.X.shape[1]
        if self._shared.grams is None:
            return _Diagonal(torch.ones((self.places, d), dtype=self.X.dtype, device=self.X.device))
        return _Dense(torch.zeros((self.places, d, d), dtype=torch.float32, device=self.X.device))

    def load(self, place: int, problem: int) -> None:
        """Put the coalition with this number into a place: its rows' weights and its preconditioner."""
        mask, each = self._masks[problem], 1.0 / max(int(self._rows[problem]), 1)
        self._each[place] = each
        self.weight[place, : len(mask)] = mask.to(self.weight.dtype) / max(int(self._rows[problem]), 1)
        self._away_weight[place] = torch.from_numpy(self._coalitions[problem]) * each
        if isinstance(self.precondition, _Diagonal):
            own = 0.5 * (self.weight[place] @ self.X.square()) + self.learner.l2
            for at in self._kept_away(problem):
                own += 0.5 * each * self._shared.bound_of(at, self._pool, self.check).diagonal()
            if self._beside is not None:
                own[: len(self._beside.A)] += each * self._beside.A.diagonal()
            self.precondition.diagonal[place, 0] = own
            return
        assert self._shared.grams is not None  # noqa: S101 - else the preconditioner is a diagonal
        bound = torch.zeros_like(self._shared.grams[0])
        for (a, _), gram in zip(self._shared.spans, self._shared.grams, strict=True):
            if a < len(mask) and mask[a]:  # a player without rows there would add nothing
                bound.add_(gram, alpha=0.5 * float(self.weight[place, a]))
        for at in self._kept_away(problem):
            bound.add_(self._shared.bound_of(at, self._pool, self.check), alpha=0.5 * each)
        if self._beside is not None:
            width = len(self._beside.A)
            bound[:width, :width].add_(self._beside.A, alpha=each)
        bound.diagonal().add_(self.learner.l2)
        self.precondition.inverse[place] = torch.cholesky_inverse(torch.linalg.cholesky(bound))

    def initial(self, start: Tensor) -> Tensor:
        """One model [P] in every place, [K, C, d]."""
        weight, bias = self.learner.layout.views(start.unsqueeze(0))
        theta = torch.zeros((1, self.learner.classes, self.X.shape[1]), dtype=start.dtype, device=start.device)
        theta[:, :, : self.learner.features] = weight
        theta[:, :, self.learner.features] = bias
        return theta.expand(self.places, -1, -1).contiguous()

    def models(self, theta: Tensor) -> Tensor:
        """Models [m, P] of unknowns [m, C, d]."""
        result = torch.zeros((len(theta), self.learner.layout.width), dtype=theta.dtype, device=theta.device)
        weight, bias = self.learner.layout.views(result)
        weight.copy_(theta[:, :, : self.learner.features])
        bias.copy_(theta[:, :, self.learner.features])
        return result

    def evaluate(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Objective [K] and gradient [K, C, d]; rows go in blocks of fixed size to bound memory."""
        self.check()
        self.evaluations += 1
        value = 0.5 * self.learner.l2 * theta.square().sum(dim=(1, 2))
        gradient = self.learner.l2 * theta
        for a in range(0, len(self.X), 1 << 15):
            X, y, weight = self.X[a : a + (1 << 15)], self.y[a : a + (1 << 15)], self.weight[:, a : a + (1 << 15)]
            losses, slopes = weighted_losses(theta, X, y, weight)
            value = value + losses
            gradient += slopes
        width = self.learner.features + 1
        # all places, whoever is in them: one shape, so that no place's bits depend on the others
        shared = theta[:, :, :width].contiguous()
        questions = {
            at: away.objective(shared, self.check)
            for at, away in self._pool.away.items()
            if bool(self._away_weight[:, at].any())
        }
        for at, answer in questions.items():
            losses, slopes = answer()
            weight = self._away_weight[:, at].to(value)
            value = value + weight * losses
            gradient[:, :, :width] += weight[:, None, None] * slopes
        if self._beside is not None:
            away = shared - self._beside.at
            bent = (away.view(-1, width) @ self._beside.A).view_as(away)
            value = value + self._each * (0.5 * bent + self._beside.slope).mul(away).sum(dim=(1, 2))
            gradient[:, :, :width] += self._each[:, None, None] * (bent + self._beside.slope)
        return value, gradient

    def _kept_away(self, problem: int) -> list[int]:
        """The players of a coalition that are away."""
        return [at for at in self._pool.away if self._coalitions[problem][at]]

    def curve(self, theta: Tensor, step: Tensor) -> Tensor:
        """The Hessian at theta times a step, both [K, C, d]."""
        self.check()
        K, C, d = theta.shape
        result = self.learner.l2 * step
        for a in range(0, len(self.X), 1 << 15):
            X, weight = self.X[a : a + (1 << 15)], self.weight[:, a : a + (1 << 15)]
            p = torch.softmax((theta.reshape(-1, d) @ X.T).view(K, C, len(X)), dim=1)
            moved = (step.reshape(-1, d) @ X.T).view(K, C, len(X))
            moved = p * (moved - (p * moved).sum(dim=1, keepdim=True)) * weight.unsqueeze(1)
            result += (moved.view(-1, len(X)) @ X).view(K, C, d)
        return result


def weighted_losses(theta: Tensor, X: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted sums [K] of the cross-entropy of rows X [m, d] with labels y [m] at models theta [K, C, d], weights
    [K, m], and their gradients [K, C, d]."""
    K, C, d = theta.shape
    out = (theta.view(-1, d) @ X.T).view(K, C, len(X))
    top = out.amax(dim=1, keepdim=True)
    out.sub_(top)
    picked = out.gather(1, y.expand(K, 1, -1)).squeeze(1)
    out.exp_()
    total = out.sum(dim=1, keepdim=True)
    losses = ((total.squeeze(1).log() - picked) * weight).sum(dim=1)
    out.div_(total)
    out.scatter_add_(1, y.expand(K, 1, -1), torch.full_like(total, -1.0))
    out.mul_(weight.unsqueeze(1))
    return losses, (out.view(-1, len(X)) @ X).view(K, C, d)


class _Dense:
    """Applies one inverse [d, d] per coalition. Float32 is enough: it shapes the steps and not the optimum."""

    def __init__(self, inverse: Tensor) -> None:
        self.inverse = inverse

    def __call__(self, gradient: Tensor) -> Tensor:
        return torch.bmm(gradient.float(), self.inverse).double()


class _Diagonal:
    """Divides by one diagonal [d] per coalition."""

    def __init__(self, diagonal: Tensor) -> None:
        self.diagonal = diagonal.unsqueeze(1)

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient / self.diagonal
