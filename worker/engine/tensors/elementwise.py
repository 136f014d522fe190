"""Functions of each element that round every element alike, wherever it stands in a stack.

torch computes some functions in blocks of a vector's width and the last elements one by one, by other formulas; which
elements those are depends on how many models a stack holds. It computes GELU by a library whose formula depends on the
processor. Exponentials, logarithms and error functions are the same everywhere in a stack.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 64  # elements; a multiple of what torch computes at once with any instructions


def silu(x: Tensor) -> Tensor:
    """x / (1 + exp(-x))."""
    short = -x.numel() % _BLOCK
    if not short:
        return functional.silu(x)
    return functional.silu(functional.pad(x.reshape(-1), (0, short)))[: x.numel()].view(x.shape)


def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's function of x."""
    return _Gelu.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class _Gelu(torch.autograd.Function):
    """With the derivative written out, so that x alone is kept for it, as torch's own does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _below(x).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        density = torch.exp(-0.5 * x.square()).mul_(1.0 / math.sqrt(2.0 * math.pi))
        return gradient * density.mul_(x).add_(_below(x))


def _below(x: Tensor) -> Tensor:
    """The normal distribution's function."""
    return torch.erf(x * math.sqrt(0.5)).add_(1.0).mul_(0.5)
