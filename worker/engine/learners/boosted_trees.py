"""Gradient-boosted trees: grown by LightGBM for every coalition, held and computed here as plain arrays.

A model [P] is the log-odds of the classes as they are frequent in its rows (each counted once more than it is there, so
that a class that a coalition lacks is rare and not impossible), and rounds x classes trees that add to them; of two
classes one tree a round adds to the second. Of a number it is the mean of its rows' targets, and a tree a round. A tree
that was not grown is a single leaf of 0, and so the untrained model, all zeros, says that all classes are alike, or the
number about which targets are scaled. Trees are not vectors: models cannot be added, and have no gradient. Training
draws nothing. With ``categories`` a table's columns are given to LightGBM as they are, categories and missing cells
included (``outside.native_columns``). Numbers are float64, and a coalition's do not depend on what is computed beside
it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contract.architectures.trees import forest_shapes, outputs_of
from contract.errors import InvalidProblem
from contract.learning.learners import Hyper
from contract.metrics import Predicts
from contract.rows.columns import ColumnBlock
from worker.engine.games.game import Coalitions
from worker.engine.learners.learner import Check
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.options import read_options
from worker.engine.learners.outside.lightgbm_trees import Tree, TreeOptions, grow
from worker.engine.learners.outside.native_columns import native_columns
from worker.engine.tensors.batching import Batch, Pool
from worker.engine.tensors.layout import Layout

_ROWS = 4096  # rows that are sent down the trees at a time


class BoostedOptions(NamedTuple):
    """The hyper-parameters."""

    rounds: int
    leaves: int
    lr: float
    least_rows: int
    l2: float
    categories: int


class Forest(NamedTuple):
    """One model's trees [T, ...]: of each inner node the column, the threshold and the children (an inner node's number
    below 0 with its sign turned, else a leaf's), the leaves' values [T, L], and the log-odds it starts from [C]."""

    start: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor


class BoostedTrees:
    """``boosted_trees:rounds=60,leaves=15,lr=0.1,least_rows=10,l2=1,categories=0``."""

    name = "boosted_trees"
    dtype = torch.float64
    linear = False
    slots = 1
    batch = 0

    def __init__(
        self,
        hyper: Hyper,
        feature_shape: tuple[int, ...],
        classes: int,
        predicts: Predicts = Predicts.CLASS,
        columns: Sequence[ColumnBlock] = (),
    ) -> None:
        self.predicts, self.loss = predicts, LOSSES[predicts]
        options = read_options(BoostedOptions, self.name, hyper)
        self.classes, self.feature_shape, self.features = classes, feature_shape, math.prod(feature_shape)
        self.lr, self.l2 = options.lr, options.l2
        self.options = TreeOptions(*options)
        self.columns = native_columns(columns) if options.categories else []
        self.outputs = outputs_of(classes)
        self.layout = Layout.of(forest_shapes(options.rounds, options.leaves, classes, options.categories))

    @property
    def gradients_per_row(self) -> float:
        return float(self.options.rounds * self.outputs)

    def row_gradients(self, rows: float) -> float:
        return self.gradients_per_row * rows

    def by_rows(self) -> bool:
        return False

    def start(self, seed: int) -> Tensor:  # noqa: ARG002 - the interface's seed: nothing is drawn
        return torch.zeros(self.layout.width, dtype=self.dtype)

    def forest(self, params: Tensor) -> Forest:
        """The trees of one model [P]; raises InvalidProblem where its numbers are no trees."""
        start, *nodes, value = (view[0] for view in self.layout.views(params.unsqueeze(0)))
        feature, threshold, left, right = nodes
        whole = torch.stack([feature, left, right])
        inner = torch.arange(feature.shape[1], dtype=self.dtype, device=params.device)
        fits = bool(torch.equal(whole, whole.floor())) and bool(((feature >= 0) & (feature < self.features)).all())
        for child in (left, right):
            # an inner node's number is larger than its parent's, so that every row comes to a leaf
            fits &= bool(((child >= 0) & (child < value.shape[1]) | (child < -inner) & (-child <= inner[-1])).all())
        if not fits:
            raise InvalidProblem(
                "learner 'boosted_trees': the checkpoint's arrays are no trees: columns, leaves and inner nodes must be"
                " whole numbers that exist, and an inner node must come after its parent; export the model again"
            )
        return Forest(start, feature.long(), threshold, left.long(), right.long(), value)

    def leaves(self, forest: Forest, X: Tensor) -> Tensor:
        """The leaf of each tree that rows X [m, ...] come to, int64[m, T]."""
        rows = X.flatten(1).to(self.dtype)
        count, inner = len(forest.value), forest.feature.shape[1]
        feature, threshold, left, right = (each.reshape(-1) for each in forest[1:5])
        # a row on its way down a tree: where its values begin, where the tree's nodes do, and at which of them it is
        walk = torch.arange(len(rows) * count, device=X.device)
        first_value, first_node = walk // count * rows.shape[1], walk % count * inner
        node, leaf, values = first_node.clone(), torch.zeros_like(walk), rows.reshape(-1)
        while len(walk):
            goes_left = values[first_value + feature[node]] <= threshold[node]
            child = torch.where(goes_left, left[node], right[node])
            ends = child >= 0
            leaf[walk[ends]] = child[ends]
            goes_on = ~ends
            walk, first_value, first_node = walk[goes_on], first_value[goes_on], first_node[goes_on]
            node = first_node - child[goes_on]
        return leaf.view(len(rows), count)

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        shared = X.dim() == len(self.feature_shape) + 1
        return torch.stack([self._outputs(model, X if shared else X[k]) for k, model in enumerate(params)])

    def _outputs(self, params: Tensor, X: Tensor) -> Tensor:
        """Outputs [m, C] of one model [P]."""
        forest = self.forest(params)
        parts = [self._added(forest, self.leaves(forest, rows)) for rows in torch.split(X, _ROWS)]
        return torch.cat(parts) if parts else params.new_zeros((0, self.classes))

    def _added(self, forest: Forest, leaf: Tensor) -> Tensor:
        """Outputs [m, C] of rows at leaves [m, T]."""
        values = forest.value.gather(1, leaf.T).T
        sums = values.reshape(len(leaf), -1, self.outputs).sum(dim=1)
        return forest.start + torch.nn.functional.pad(sums, (self.classes - self.outputs, 0))

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:  # noqa: ARG002
        raise InvalidProblem("learner 'boosted_trees' has no gradient; choose a method that is written for it")

    def train(
        self,
        start: Tensor,
        pool: Pool,
        coalitions: Coalitions,
        seed: int,  # noqa: ARG002 - the interface's seed: nothing is drawn
        check: Check,
    ) -> Tensor:
        models = []
        for coalition in coalitions:
            check()
            kept = pool.indices(coalition)
            models.append(self._trained(pool.X[kept], pool.y[kept]) if len(kept) else self.start(0))
        return torch.stack(models).to(start.device)

    def _trained(self, X: Tensor, y: Tensor) -> Tensor:
        start = self.prior(y).cpu().numpy()
        rows = X.flatten(1).to(torch.float64).cpu().numpy()
        return self._packed(start, grow(rows, y.cpu().numpy(), start, self.options, self.predicts, self.columns))

    def prior(self, y: Tensor) -> Tensor:
        """Log-odds float64[C] of the classes in labels [m], each counted once more than it is there; of numbers their
        mean float64[1]."""
        if self.predicts is Predicts.NUMBER:
            return y.to(torch.float64).mean().reshape(1)
        counts = torch.bincount(y, minlength=self.classes).to(torch.float64) + 1.0
        return torch.log(counts / counts.sum())

    def _packed(self, start: np.ndarray[tuple[int], np.dtype[np.float64]], trees: list[Tree]) -> Tensor:
        shapes = {slot.name: slot.shape for slot in self.layout.slots}
        arrays = {name: np.zeros(shape) for name, shape in shapes.items()} | {"start": start}
        for at, tree in enumerate(trees):
            inner = len(tree.feature)
            arrays["feature"][at, :inner] = tree.feature
            arrays["threshold"][at, :inner] = tree.threshold
            for side, children in (("left", tree.left), ("right", tree.right)):
                arrays[side][at, :inner] = np.where(children < 0, -1 - children, -children)
            arrays["value"][at, : len(tree.value)] = tree.value
        return self.layout.pack(arrays, self.dtype)

    def leaves_of(self, params: Tensor, X: Tensor) -> Tensor:
        """The leaf of each tree of one model [P] that rows X [m, ...] come to, int64[m, T]."""
        forest = self.forest(params)
        return torch.cat([self.leaves(forest, rows) for rows in torch.split(X, _ROWS)])

    def refitted(self, params: Tensor, leaf: Tensor, y: Tensor) -> Tensor:
        """The model [P] with its splits, and its leaves' values fitted anew, round after round, to rows at leaves
        int64[m, T] with labels y [m]: by each leaf's sums of gradients and Hessians, as when they were grown."""
        if not len(y):
            return self.start(0).to(params)
        start = self.prior(y).to(params)
        outputs = start.expand(len(y), -1).clone()
        labels = self.loss.targets(y, self.classes).to(params)
        model = params.clone()
        views = {slot.name: view[0] for slot, view in zip(self.layout.slots, self._views(model), strict=True)}
        views["start"].copy_(start)
        value, first = views["value"].zero_(), self.classes - self.outputs
        # LightGBM's: of two classes the Hessian p (1 - p), of C the upper bound C / (C - 1) p (1 - p)
        factor = 1.0 if self.classes <= 2 else self.classes / (self.classes - 1)
        for at in range(0, len(value), self.outputs):
            p = self.loss.expected(outputs)
            slope = p - labels
            bend = torch.ones_like(p) if self.predicts is Predicts.NUMBER else factor * p * (1 - p)
            for output in range(self.outputs):
                own, column = leaf[:, at + output], first + output
                sums, bends = (
                    torch.bincount(own, weights=each[:, column], minlength=value.shape[1]) for each in (slope, bend)
                )
                fitted = -self.lr * sums / (bends + self.l2).clamp(min=1e-12)
                value[at + output] = fitted
                outputs[:, column] += fitted[own]
        return model

    def _views(self, model: Tensor) -> list[Tensor]:
        return self.layout.views(model.unsqueeze(0))

    def bytes_per_model(self, rows: int) -> int:
        """Memory of one coalition at its largest: its rows as LightGBM takes them, and its trees."""
        return 10 * rows * self.features + 8 * (rows * self.outputs + 4 * self.layout.width)
