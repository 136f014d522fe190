"""Row counts that keep slots aligned: shared by stacked learners.

A stack [K, m, C] starts every slot at the same alignment only where m is a multiple of 32; learners therefore fill
rows up with zeros of weight zero. Single rows (m = 1, per-row gradients) are left alone.
"""

import torch
from torch import Tensor

from contract.architectures import adapters
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import ALIGNMENT, aligned

WHOLE = adapters.WHOLE


def fill_rows(X: Tensor) -> Tensor:
    """X [K, m, ...] with m filled up to the alignment by zero rows; m = 1 stays."""
    missing = aligned(X.shape[1]) - X.shape[1]
    if missing == 0 or X.shape[1] == 1:
        return X
    return torch.cat([X, X.new_zeros((X.shape[0], missing, *X.shape[2:]))], dim=1)


def wide_enough(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Adapters A [K, r, in] and B [K, out, r], those of rank 1 with a second row of zeros: a product with one vector is
    rounded otherwise alone than in a stack."""
    if a.shape[1] > 1:
        return a, b
    pad = torch.nn.functional.pad
    return pad(a, (0, 0, 0, 1)), pad(b, (0, 1))


def head_outputs(features: Tensor, head: Tensor) -> Tensor:
    """Features [K, m, in] by heads [K, C, in]. One of one output has a second of zeros beside it: a product with one
    vector is rounded otherwise alone than in a stack."""
    wide = torch.nn.functional.pad(head, (0, 0, 0, 1)) if head.shape[1] == 1 else head
    return torch.bmm(features, wide.transpose(1, 2))[..., : head.shape[1]]


def head_gradient(delta: Tensor, features: Tensor) -> Tensor:
    """Gradient [K, C, in] of heads, of the outputs' [K, m, C] and features [K, m, in]; one output as above."""
    wide = torch.nn.functional.pad(delta, (0, 1)) if delta.shape[2] == 1 else delta
    return torch.bmm(wide.transpose(1, 2), features)[:, : delta.shape[2]]


def whole_rows(batch: Batch, residual: Tensor | None) -> tuple[Batch, Tensor | None]:
    """A batch, and its residual where given, filled up in the same way."""
    if batch.y.shape[1] % ALIGNMENT == 0 or batch.y.shape[1] == 1:
        return batch, residual
    filled = Batch(fill_rows(batch.X), fill_rows(batch.y), fill_rows(batch.weight))
    return filled, None if residual is None else fill_rows(residual)
