"""Ridge regression in closed form (Hoerl and Kennard 1970): the one optimum of a number's squares, for every coalition.

Minimises the mean over the coalition's rows of half the squared error + (l2/2) ||w||^2; the constant is free, as is
usual. The optimum follows from sums over rows, X'X and X'y with a column of ones, and so do all coalitions' optima
(``unlearning/second_order/statistics``). Training here does not use that: it sums over the coalition's own rows, in one
product, so that a retrained worth is a check of an unlearned one.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from contract.errors import InvalidProblem
from contract.learning.learners import Hyper
from contract.metrics import Predicts
from worker.engine.games.game import Coalitions
from worker.engine.learners.learner import Check
from worker.engine.learners.linear import linear_gradient
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.options import read_options
from worker.engine.learners.rows import fill_rows
from worker.engine.tensors.batching import Batch, Pool
from worker.engine.tensors.layout import Layout

MOST_FEATURES = 2048


class RidgeOptions(NamedTuple):
    """The hyper-parameters."""

    l2: float


class Ridge:
    """``ridge:l2=0.001``."""

    name = "ridge"
    dtype = torch.float64
    linear = True
    slots = 1
    lr = 0.05  # for methods that descend by Adam; training itself does not
    batch = 0
    predicts = Predicts.NUMBER
    loss = LOSSES[Predicts.NUMBER]

    def __init__(self, hyper: Hyper, feature_shape: tuple[int, ...], classes: int) -> None:
        self.l2 = read_options(RidgeOptions, self.name, hyper).l2
        self.classes, self.feature_shape, self.features = classes, feature_shape, math.prod(feature_shape)
        if self.features > MOST_FEATURES:
            raise InvalidProblem(
                f"learner 'ridge' solves for all features at once, and rows encode to {self.features}, more than "
                f"{MOST_FEATURES}; leave text columns with many categories out, or use mlp"
            )
        self.layout = Layout.of([("weight", (classes, self.features)), ("bias", (classes,))])

    @property
    def gradients_per_row(self) -> float:
        return self.features / 3.0

    def row_gradients(self, rows: float) -> float:
        """Sums over rows and one solve, next to a row-gradient's 3 d multiplications."""
        size = self.features + 1.0
        return rows * size / 3.0 + size**2 / 9.0

    def by_rows(self) -> bool:
        return False

    def start(self, seed: int) -> Tensor:  # noqa: ARG002 - the interface's seed: the start is always zero
        return torch.zeros(self.layout.width, dtype=self.dtype)

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        shared = X.dim() == len(self.feature_shape) + 1
        rows = X.unsqueeze(0) if shared else X
        weight, bias = self.layout.views(params)
        filled = fill_rows(rows).flatten(2).expand(len(params), -1, -1)
        return (torch.bmm(filled, weight.transpose(1, 2)) + bias.unsqueeze(1))[:, : rows.shape[1]]

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
        models = start.expand(len(coalitions), -1).clone()
        for place, coalition in enumerate(coalitions):  # one at a time: a stack's size changes no bit
            check()
            rows, count = pool.indices(coalition), int(pool.row_counts(coalition[None])[0])
            if not count:
                continue
            A, b = sums(pool.X[rows], pool.y[rows])
            for at, away in pool.away.items():
                if coalition[at]:
                    A, b = (own + other for own, other in zip((A, b), away.moments(check), strict=True))
            models[place] = self.model(self.solved(A, b, count))
        return models

    def solved(self, A: Tensor, b: Tensor, rows: int) -> Tensor:
        """The optimum [d + 1, C], the constant last, by sums A [d + 1, d + 1] and b [d + 1, C] over so many rows."""
        ridge = torch.full((len(A),), self.l2 * rows, dtype=A.dtype, device=A.device)
        ridge[-1] = 0.0
        return torch.cholesky_solve(b, torch.linalg.cholesky(A + torch.diag(ridge)))

    def model(self, theta: Tensor) -> Tensor:
        """The model [P] of unknowns [d + 1, C]."""
        result = torch.zeros((1, self.layout.width), dtype=self.dtype, device=theta.device)
        weight, bias = self.layout.views(result)
        weight[0] = theta[:-1].T
        bias[0] = theta[-1]
        return result[0]

    def unknowns(self, params: Tensor) -> Tensor:
        """The unknowns [d + 1, C] of a model [P]."""
        weight, bias = self.layout.views(params.unsqueeze(0))
        return torch.cat([weight[0].T, bias])

    def bytes_per_model(self, rows: int) -> int:
        return 8 * (rows * (self.features + 1) + 3 * (self.features + 1) ** 2)


def with_constant(X: Tensor) -> Tensor:
    """Rows X [m, ...] as float64[m, d + 1], a one last."""
    return torch.nn.functional.pad(X.flatten(1).double(), (0, 1), value=1.0)


def sums(X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """X'X [d + 1, d + 1] and X'y [d + 1, 1] of rows X [m, ...] and numbers y [m], with a column of ones last."""
    rows = with_constant(X)
    return rows.T @ rows, rows.T @ y.double().unsqueeze(1)
