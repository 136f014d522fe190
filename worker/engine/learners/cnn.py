"""A small convolutional network for images, trained on minibatches for a fixed number of Adam steps.

Two 3 x 3 convolutions of stride 2 with ReLU, then one linear layer; no normalisation, so no model depends on its
batch. Convolutions are patches times a matrix (``patches`` says why). Rows are images [h, w] or [h, w, c]; weights are
[out, 3, 3, in].
"""

from typing import NamedTuple

import torch
from torch import Tensor

from contract.errors import InvalidProblem
from contract.learning.learners import Hyper
from contract.metrics import Predicts
from worker.engine.learners.backbones import patches
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.optim import adam
from worker.engine.learners.options import read_options
from worker.engine.learners.rows import fill_rows, head_gradient, head_outputs, whole_rows
from worker.engine.learners.start import he_start
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import Layout

_SIDE, _STRIDE = 3, 2


class CNNOptions(NamedTuple):
    """The hyper-parameters."""

    channels: int
    steps: int
    lr: float
    l2: float
    batch: int


class CNN(adam.FixedSteps):
    """``cnn:channels=8,steps=120,lr=0.005,l2=0,batch=64``."""

    name = "cnn"
    dtype = torch.float32
    linear = False
    slots = 1

    def __init__(
        self, hyper: Hyper, feature_shape: tuple[int, ...], classes: int, predicts: Predicts = Predicts.CLASS
    ) -> None:
        self.predicts, self.loss = predicts, LOSSES[predicts]
        options = read_options(CNNOptions, self.name, hyper)
        if len(feature_shape) not in (2, 3) or min(feature_shape[:2]) < 4:
            raise InvalidProblem(
                f"learner 'cnn' takes images [height, width] or [height, width, channels] of at least 4 x 4; rows have"
                f" shape {list(feature_shape)}: give arrays X [n, height, width], or use mlp"
            )
        self.feature_shape, self.classes = feature_shape, classes
        channels = options.channels
        self.planes = [feature_shape[2] if len(feature_shape) == 3 else 1, channels, 2 * channels]
        height, width = ((size + 3) // 4 for size in feature_shape[:2])
        self.features = height * width * 2 * channels
        self.layout = Layout.of(
            [
                ("conv0.weight", (self.planes[1], 3, 3, self.planes[0])),
                ("conv0.bias", (self.planes[1],)),
                ("conv1.weight", (self.planes[2], 3, 3, self.planes[1])),
                ("conv1.bias", (self.planes[2],)),
                ("head.weight", (classes, self.features)),
                ("head.bias", (classes,)),
            ]
        )
        self.steps, self.lr, self.l2 = options.steps, options.lr, options.l2
        self.batch = options.batch

    def start(self, seed: int) -> Tensor:
        return he_start(self.name, self.layout, self.dtype, seed)

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        shared = X.dim() == len(self.feature_shape) + 1
        images = X.unsqueeze(0) if shared else X
        return self._forward(params, fill_rows(images))[-1][:, : images.shape[1]]

    def _forward(self, params: Tensor, images: Tensor) -> list[Tensor]:
        """Patches and activations of both convolutions, then the outputs: [cols0, act0, cols1, act1, outputs]."""
        w0, b0, w1, b1, head, bias = self.layout.views(params)
        K, m = len(params), images.shape[1]
        maps = images if len(self.feature_shape) == 3 else images.unsqueeze(4)
        result = []
        for weight, shift in ((w0, b0), (w1, b1)):
            cols = patches.cut(maps, _SIDE, _STRIDE)
            height, width = (patches.reach(size, _SIDE, _STRIDE) for size in maps.shape[2:4])
            out = torch.bmm(cols.expand(K, -1, -1), weight.flatten(2).transpose(1, 2)).add_(shift.unsqueeze(1)).relu_()
            result += [cols, out]
            maps = out.view(K, m, height, width, -1)
        outputs = head_outputs(maps.flatten(2), head).add_(bias.unsqueeze(1))
        return [*result, outputs]

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        batch, residual = whole_rows(batch, residual)
        cols0, act0, cols1, act1, outputs = self._forward(params, batch.X)
        delta = self.loss.gradient(outputs, batch) if residual is None else residual
        K, m = delta.shape[:2]
        result = torch.zeros(params.shape, dtype=params.dtype, device=params.device)
        _w0, _b0, w1, _b1, head, _bias = self.layout.views(params)
        g0, s0, g1, s1, g2, s2 = self.layout.views(result)
        g2.copy_(head_gradient(delta, act1.view(K, m, -1)))
        s2.copy_(delta.sum(dim=1))
        back = torch.bmm(delta, head).view(act1.shape).mul_(act1 > 0)
        g1.copy_(torch.bmm(back.transpose(1, 2), cols1).view(g1.shape))
        s1.copy_(back.sum(dim=1))
        spread = torch.bmm(back, w1.flatten(2))
        sides = [(size + 1) // 2 for size in self.feature_shape[:2]]
        maps = act0.view(K, m, *sides, self.planes[1])
        back = patches.gathered(spread, maps.shape, _SIDE, _STRIDE).view(act0.shape).mul_(act0 > 0)
        g0.copy_(torch.bmm(back.transpose(1, 2), cols0.expand(K, -1, -1)).view(g0.shape))
        s0.copy_(back.sum(dim=1))
        return result

    def bytes_per_model(self, rows: int) -> int:  # noqa: ARG002 - a step holds one minibatch
        height, width = ((size + 1) // 2 for size in self.feature_shape[:2])
        per_row = height * width * (9 * self.planes[0] + 3 * self.planes[1]) + height * width // 4 * (
            9 * self.planes[1] * 2 + 3 * self.planes[2]
        )
        return 4 * (self.batch * per_row + 8 * self.layout.width)
