"""What linear models share, whatever their loss: the gradient by weights and biases."""

from typing import Protocol

import torch
from torch import Tensor

from worker.engine.learners.losses import Loss
from worker.engine.learners.rows import whole_rows
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import Layout


class Linear(Protocol):
    """A model of one matrix [C, d] and its biases [C]."""

    layout: Layout

    @property
    def loss(self) -> Loss: ...

    def logits(self, params: Tensor, X: Tensor) -> Tensor: ...


def linear_gradient(model: Linear, params: Tensor, batch: Batch, residual: Tensor | None) -> Tensor:
    """The gradient [K, P] of the batch's loss by ``params`` [K, P]; ``residual`` [K, B, C] is the loss's by the
    outputs, computed where it is None."""
    batch, residual = whole_rows(batch, residual)
    if residual is None:
        residual = model.loss.gradient(model.logits(params, batch.X), batch)
    result = torch.zeros(params.shape, dtype=params.dtype, device=params.device)
    weight, bias = model.layout.views(result)
    weight.copy_(torch.bmm(residual.transpose(1, 2), batch.X.flatten(2)))
    bias.copy_(residual.sum(dim=1))
    return result
