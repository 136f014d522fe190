"""What a learner is: stacked models [K, P], their outputs, their gradients, and how a coalition is trained.

Unlearning methods are written against this interface and know no architecture. A learner never knows players,
worths or money, and never draws a number that its seeds do not fix.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from contract.metrics import Predicts
from worker.engine.games.game import Coalitions
from worker.engine.learners.losses import Loss
from worker.engine.tensors.batching import Batch, Pool
from worker.engine.tensors.layout import Layout

Check = Callable[[], None]


class Learner(Protocol):
    """A family of models over one flat vector of parameters. ``classes`` is how many outputs a model has, one of a
    number; ``predicts`` what it predicts, and ``loss`` what it is trained to make small."""

    name: str
    predicts: Predicts
    loss: Loss
    layout: Layout
    classes: int
    dtype: torch.dtype
    lr: float
    l2: float
    batch: int
    features: int
    linear: bool
    slots: int  # a stack is computed as a multiple of this many models, so smaller stacks cost as much

    @property
    def gradients_per_row(self) -> float:
        """How often training a model touches each of its rows; for fixed-step minibatches, see ``row_gradients``."""
        ...

    def row_gradients(self, rows: float) -> float:
        """Row-gradients that training on ``rows`` rows takes: the deterministic unit of cost."""
        ...

    def by_rows(self) -> bool:
        """Whether training's shapes depend on the number of rows (full batch), so that stacks need equal rungs."""
        ...

    def start(self, seed: int) -> Tensor:
        """The untrained model [P] of a seed."""
        ...

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        """Outputs [K, m, C] of K models [K, P] on rows [K, m, ...] or on shared rows [m, ...]."""
        ...

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        """Gradient [K, P] of the weighted sum of losses; ``residual`` [K, m, C], where given, replaces the
        derivative of the loss with respect to the outputs (weights are then the caller's)."""
        ...

    def train(self, start: Tensor, pool: Pool, coalitions: Coalitions, seed: int, check: Check) -> Tensor:
        """Models [K, P] trained from ``start`` [P] on the rows of each coalition [K, n]; same bits in any stack."""
        ...

    def bytes_per_model(self, rows: int) -> int:
        """Memory that training one model on ``rows`` padded rows takes, for the plan of stacks."""
        ...
