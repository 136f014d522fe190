"""An estimator of another library as a learner: a model is the rows that it is fitted to.

The vector [P] of a model says which of the problem's rows it has seen, and the seed of its draws; the estimator is
fitted to those rows when the model is asked, and then dropped. So a model is small, is the same in every process, and
holds nothing of the library's. It cannot be kept beyond its job, added, or derived: what unlearns it adds the answers
of models of single players. The untrained model has seen nothing, and to it all classes are alike.
"""

import math

import numpy as np
import torch
from torch import Tensor

from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS, Hyper
from contract.metrics import Predicts
from worker.engine.games.game import Coalitions
from worker.engine.learners.learner import Check
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.outside.estimators import answers
from worker.engine.tensors.batching import Batch, Pool
from worker.engine.tensors.layout import Layout

_SEEDS = 1 << 40  # that a float64 holds exactly


class ByName:
    """``random_forest``, ``knn``, ``svm_rbf``: see ``outside.estimators``."""

    predicts, loss = Predicts.CLASS, LOSSES[Predicts.CLASS]
    dtype = torch.float64
    linear = False
    slots = 1
    batch = 0
    lr = 0.0
    l2 = 0.0

    def __init__(self, name: str, hyper: Hyper, feature_shape: tuple[int, ...], classes: int, rows: int) -> None:
        self.name, self.kind = name, LEARNERS[name]
        self.options = self.kind.checked(hyper)
        self.classes, self.feature_shape, self.features = classes, feature_shape, math.prod(feature_shape)
        self.layout = Layout.of([("rows", (rows,)), ("seed", (1,))])
        self._pool: Pool | None = None

    def bind(self, pool: Pool) -> None:
        """The rows that models are subsets of: those of the whole problem."""
        self._pool = pool

    @property
    def gradients_per_row(self) -> float:
        return float(self.kind.passes)

    def row_gradients(self, rows: float) -> float:
        return self.gradients_per_row * rows

    def by_rows(self) -> bool:
        return False

    def start(self, seed: int) -> Tensor:
        start = torch.zeros(self.layout.width, dtype=self.dtype)
        if self.kind.draws:
            self._views(start)[1][0] = seed % _SEEDS
        return start

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        shared = X.dim() == len(self.feature_shape) + 1
        return torch.stack([self._outputs(model, X if shared else X[k]) for k, model in enumerate(params)])

    def _outputs(self, params: Tensor, X: Tensor) -> Tensor:
        """Outputs [m, C] of one model [P]."""
        if self._pool is None:
            raise AssertionError(f"learner {self.name} was asked before it was given the problem's rows")
        seen, seed = self._views(params)
        kept = torch.nonzero(seen).squeeze(1)
        if not len(kept) or not len(X):
            return params.new_zeros((len(X), self.classes))
        rows, queries = (
            np.ascontiguousarray(part.flatten(1).cpu().double().numpy()) for part in (self._pool.X[kept], X)
        )
        y = self._pool.y[kept].cpu().numpy()
        answered = answers(self.name, self.options, rows, y, queries, self.classes, int(seed[0]))
        return torch.from_numpy(answered).to(params)

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:  # noqa: ARG002
        raise InvalidProblem(f"learner {self.name!r} has no gradient; choose a method that is written for it")

    def train(self, start: Tensor, pool: Pool, coalitions: Coalitions, seed: int, check: Check) -> Tensor:
        if self._pool is None:
            self.bind(pool)
        whole = len(self._views(start)[0])
        models = []
        for coalition in coalitions:
            check()
            model = torch.zeros(self.layout.width, dtype=self.dtype, device=start.device)
            rows, draws = self._views(model)
            # the rest comes first; a pool without it begins where it ends
            rows[pool.indices(coalition) + (whole - len(pool))] = 1.0
            draws[0] = seed % _SEEDS if self.kind.draws else 0
            models.append(model)
        return torch.stack(models)

    def _views(self, model: Tensor) -> list[Tensor]:
        return [view[0] for view in self.layout.views(model.unsqueeze(0))]

    def bytes_per_model(self, rows: int) -> int:
        """Memory of one coalition at its largest: its rows twice, and what an estimator makes of them."""
        return 40 * rows * self.features + 16 * self.layout.width
