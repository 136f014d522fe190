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

_CUBIC, _SLOPE = 0.044715, 2.0 * math.sqrt(2.0 / math.pi)
_FLOAT32_BYTES = 4
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


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by the hyperbolic tangent that stands for the normal distribution's function (Hendrycks and Gimpel 2016)."""
    return _GeluTanh.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class _Gelu(torch.autograd.Function):
    """With the derivative written out, so that x alone is kept for it, as torch's own does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        wide = _wide(x)
        return _below(wide).mul_(wide).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        wide = _wide(x)
        density = torch.exp(-0.5 * wide.square()).mul_(1.0 / math.sqrt(2.0 * math.pi))
        return (gradient * density.mul_(wide).add_(_below(wide))).to(x.dtype)


class _GeluTanh(torch.autograd.Function):
    """With the derivative written out, as above. The tangent is made of exponentials, which torch computes alike
    everywhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        wide = _wide(x)
        return _logistic(_bent(wide)).mul_(wide).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        wide = _wide(x)
        below = _logistic(_bent(wide))
        slope = wide.square().mul_(3.0 * _CUBIC).add_(1.0).mul_(_SLOPE)
        return (gradient * slope.mul_(wide).mul_(below).mul_(1.0 - below).add_(below)).to(x.dtype)


def _wide(x: Tensor) -> Tensor:
    """Numbers of 16 bits as float32, in which torch computes them too."""
    return x.float() if x.itemsize < _FLOAT32_BYTES else x


def _bent(x: Tensor) -> Tensor:
    """Twice the tangent's argument: (1 + tanh(u)) / 2 is the logistic function of 2 u."""
    return x.square().mul_(_CUBIC).add_(1.0).mul_(x).mul_(_SLOPE)


def _logistic(x: Tensor) -> Tensor:
    return torch.exp(-x).add_(1.0).reciprocal_()


def _below(x: Tensor) -> Tensor:
    """The normal distribution's function."""
    return torch.erf(x * math.sqrt(0.5)).add_(1.0).mul_(0.5)
