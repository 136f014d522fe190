"""Patches of maps, and their adjoint: a convolution is patches times a matrix, forward and backward.

A batched matrix product gives each slot of a stack the same bits in any stack, which grouped convolutions do not
promise. Maps are [K, m, H, W, c] and the columns of a patch lie as [side, side, c]; the map is padded
with zeros, half the kernel's side wide.
"""

import torch
from torch import Tensor


def reach(size: int, side: int, stride: int) -> int:
    """How many places a kernel of that side and stride has along ``size`` pixels."""
    return (size + 2 * (side // 2) - side) // stride + 1


def cut(maps: Tensor, side: int, stride: int) -> Tensor:
    """Patches [K, m h w, side^2 c] of maps [K, m, H, W, c]."""
    K, m, H, W, c = maps.shape
    h, w, edge = reach(H, side, stride), reach(W, side, stride), side // 2
    if edge:
        maps = torch.nn.functional.pad(maps, (0, 0, edge, edge, edge, edge))
    shifts = [
        maps[:, :, i : i + stride * (h - 1) + 1 : stride, j : j + stride * (w - 1) + 1 : stride]
        for i in range(side)
        for j in range(side)
    ]
    columns = torch.cat(shifts, dim=4) if len(shifts) > 1 else shifts[0]
    return columns.reshape(K, m * h * w, side * side * c)


def gathered(spread: Tensor, shape: torch.Size, side: int, stride: int) -> Tensor:
    """The adjoint of ``cut``: patch gradients [K, m h w, side^2 c] summed back onto maps of a shape [K, m, H, W, c]."""
    K, m, H, W, c = shape
    h, w, edge = reach(H, side, stride), reach(W, side, stride), side // 2
    padded = torch.zeros((K, m, H + 2 * edge, W + 2 * edge, c), dtype=spread.dtype, device=spread.device)
    parts = spread.view(K, m, h, w, side * side, c)
    for i in range(side):
        for j in range(side):
            into = padded[:, :, i : i + stride * (h - 1) + 1 : stride, j : j + stride * (w - 1) + 1 : stride]
            into += parts[..., side * i + j, :]
    return padded[:, :, edge : edge + H, edge : edge + W].contiguous()
