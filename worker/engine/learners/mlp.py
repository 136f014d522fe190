"""A multi-layer perceptron with ReLU, trained for a fixed number of Adam steps from a common start.

Parameters are named as torch.nn.Sequential(Linear, ReLU, ..., Linear) names them, so a state dict fits. The backward
pass is written out as batched matrix products: on stacks of small models autograd's bookkeeping costs more than the
arithmetic does.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from contract.learning.learners import Hyper
from contract.metrics import Predicts
from worker.engine.games.game import Coalitions
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.optim import adam, summed_gradients
from worker.engine.learners.options import read_options
from worker.engine.learners.rows import fill_rows, head_gradient, head_outputs, whole_rows
from worker.engine.learners.start import he_start
from worker.engine.tensors.batching import Batch, Pool
from worker.engine.tensors.layout import Layout


class MLPOptions(NamedTuple):
    """The hyper-parameters."""

    hidden: int
    layers: int
    steps: int
    lr: float
    l2: float
    batch: int
    double: int


class MLP:
    """``mlp:hidden=64,layers=1,steps=150,lr=0.01,l2=0,batch=0,double=0``; ``batch=0`` means all rows at every step, and
    ``double=1`` numbers of 64 bits. Where rows of some player are not here, their gradients are asked for, which needs
    both."""

    name = "mlp"
    linear = False
    slots = 1

    def __init__(
        self, hyper: Hyper, feature_shape: tuple[int, ...], classes: int, predicts: Predicts = Predicts.CLASS
    ) -> None:
        self.predicts, self.loss = predicts, LOSSES[predicts]
        options = read_options(MLPOptions, self.name, hyper)
        self.classes, self.feature_shape = classes, feature_shape
        widths = [math.prod(feature_shape), *[options.hidden] * options.layers, classes]
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            shapes += [(f"{2 * i}.weight", (fan_out, fan_in)), (f"{2 * i}.bias", (fan_out,))]
        self.layout, self.widths, self.features = Layout.of(shapes), widths, widths[0]
        self.steps, self.lr, self.l2 = options.steps, options.lr, options.l2
        self.batch = options.batch
        self.dtype = torch.float64 if options.double else torch.float32

    @property
    def gradients_per_row(self) -> float:
        return float(self.steps)

    def row_gradients(self, rows: float) -> float:
        return self.steps * (self.batch or rows)

    def by_rows(self) -> bool:
        return not self.batch

    def start(self, seed: int) -> Tensor:
        return he_start(self.name, self.layout, self.dtype, seed)

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        shared = X.dim() == len(self.feature_shape) + 1
        rows = X.unsqueeze(0) if shared else X
        return self._forward(self.layout.views(params), fill_rows(rows))[-1][:, : rows.shape[1]]

    def _forward(self, views: list[Tensor], rows: Tensor) -> list[Tensor]:
        """The input [K, m, d], each hidden layer's activations and the outputs [K, m, C]."""
        layers = [rows.flatten(2).expand(len(views[0]), -1, -1)]
        for i in range(0, len(views), 2):
            out = head_outputs(layers[-1], views[i]).add_(views[i + 1].unsqueeze(1))
            layers.append(out if i + 2 == len(views) else out.relu_())
        return layers

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        batch, residual = whole_rows(batch, residual)
        views = self.layout.views(params)
        layers = self._forward(views, batch.X)
        delta = self.loss.gradient(layers[-1], batch) if residual is None else residual
        result = torch.zeros(params.shape, dtype=params.dtype, device=params.device)
        out = self.layout.views(result)
        for i in range(len(views) - 2, -1, -2):
            below = layers[i // 2]
            out[i].copy_(head_gradient(delta, below))
            out[i + 1].copy_(delta.sum(dim=1))
            if i:
                delta = torch.bmm(delta, views[i]).mul_(below > 0)
        return result

    def train(self, start: Tensor, pool: Pool, coalitions: Coalitions, seed: int, check: adam.Check) -> Tensor:
        if pool.away:
            return summed_gradients.descend(self, start, pool, coalitions, check)
        stacked = start.expand(len(coalitions), -1)
        batches = (
            adam.mini_batches(pool, coalitions, self.batch, seed) if self.batch else adam.full_batches(pool, coalitions)
        )
        return adam.descend(self.gradient, stacked, batches, self.steps, self.lr, self.l2, check)

    def bytes_per_model(self, rows: int) -> int:
        rows = self.batch or rows
        return self.dtype.itemsize * (rows * (self.widths[0] + 3 * sum(self.widths[1:])) + 8 * self.layout.width)
