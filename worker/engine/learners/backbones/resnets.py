"""A ResNet as a host of adapters: LoRA of convolutions, beside every kernel of its blocks.

A is a kernel like the frozen one but to ``rank`` channels, B is 1 x 1; their product is added before the frozen batch
norm, whose running statistics no training changes (so no row depends on others), as PEFT's LoRA of a Conv2d does. The
stem has none. Convolutions are patches times a matrix (``patches`` says why); patches are as many times their map as a
kernel is large, so a gradient keeps maps and cuts them again, and few rows go through at a time.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contract.architectures.resnet import NORM_PARTS, STEM, STEM_NORM, STEM_SIDE, STEM_STRIDE, blocks_of, stage_name
from contract.errors import InvalidProblem
from worker.engine.learners.backbones import encoders, patches
from worker.engine.learners.backbones.adapter_hosts import Host, Weights, check_whole
from worker.engine.learners.rows import WHOLE, wide_enough
from worker.engine.tensors.layout import aligned

_LEAST_SIDE = 16
_AT_ONCE = 1 << 28  # bytes that the rows of one model may keep: what is computed at a time is a function of sizes alone
_Adapter = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _Kernel:
    """A convolution [out, into, side, side] with its batch norm, and the size of the map that it makes of ``before``
    numbers."""

    name: str
    norm: str
    shape: tuple[int, int, int, int]
    before: int
    places: int

    @property
    def columns(self) -> int:
        return aligned(math.prod(self.shape[1:]), WHOLE)


class ResNet(Host):
    """timm's ResNets of basic blocks or bottlenecks; a row is prepared pixels [3, size, size], any square."""

    def __init__(self, weights: Weights, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape != (3, shape[1], shape[1]) or shape[1] < _LEAST_SIDE:
            raise InvalidProblem(
                f"learner 'lora' takes images of shape [3, size, size], size {_LEAST_SIDE} or more, on a ResNet; rows"
                f" have shape {list(shape)}"
            )
        self.sizes = _sizes(weights)
        self._blocks = _kernels(self.sizes, weights, shape[1])
        (stem,), *inside = self._blocks
        self.beside = {}
        for kernel in itertools.chain.from_iterable(inside):
            check_whole(kernel.name, kernel.shape[0], kernel.shape[1])
            self.beside[kernel.name] = kernel.shape
        check_whole(stem.name, stem.shape[0], stem.columns)
        self.width = inside[-1][-1].shape[0]
        self.rows = max(1, min(Host.rows, _AT_ONCE // (2 * self.bytes_scored(1))))
        self.step_rows = max(1, min(Host.step_rows, _AT_ONCE // self.bytes_kept(1, 2, recompute=False)))

    def products(self) -> float:
        return float(sum(math.prod(each.shape) * each.places for each in itertools.chain.from_iterable(self._blocks)))

    def prepared(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Kernels as matrices [out, side^2 in], the order of patches, and batch norms as factors and shifts."""
        prepared = {}
        for kernel in itertools.chain.from_iterable(self._blocks):
            matrix = weights[f"{kernel.name}.weight"].permute(0, 2, 3, 1).flatten(1)
            prepared[f"{kernel.name}.weight"] = torch.nn.functional.pad(matrix, (0, kernel.columns - matrix.shape[1]))
            weight, bias, mean, spread = (weights[f"{kernel.norm}.{part}"] for part in NORM_PARTS)
            factor = weight / torch.sqrt(spread + encoders.BATCH_NORM_EPS)
            prepared[f"{kernel.norm}.factor"], prepared[f"{kernel.norm}.shift"] = factor, bias - mean * factor
        return prepared

    def bytes_prepared(self) -> int:
        return 4 * sum(kernel.shape[0] * (kernel.columns + 2) for block in self._blocks for kernel in block)

    def encoded(self, frozen: Weights, named: Weights, rows: Tensor, scale: float, *, recompute: bool) -> Tensor:
        K, m = rows.shape[:2]
        kernels = {kernel.name: kernel for block in self._blocks for kernel in block}

        def convolution(x: Tensor, name: str, norm: str, stride: int) -> Tensor:
            """[K m, in, h, w] to [K m, out, h', w']; in memory the channels come last."""
            maps = x.permute(0, 2, 3, 1).contiguous()
            maps = maps.view(K, m, *maps.shape[1:])
            side = kernels[name].shape[2]
            matrix, factor, shift = frozen[f"{name}.weight"], frozen[f"{norm}.factor"], frozen[f"{norm}.shift"]
            if name in self.beside:
                a, b = named[f"{name}.lora_A.weight"], named[f"{name}.lora_B.weight"]
                a, b = wide_enough(a.permute(0, 1, 3, 4, 2).flatten(2), b.flatten(2))
                made: Tensor = _Adapted.apply(maps, a, b, matrix, factor, shift, side, stride, scale)  # type: ignore[no-untyped-call]
            else:
                flat, _ = _product(_patches(maps, side, stride, matrix.shape[1]), matrix, None, scale)
                made = _mapped(flat.mul_(factor).add_(shift), maps, side, stride)
            return made.flatten(0, 1).permute(0, 3, 1, 2)

        images = rows.reshape(K * m, *rows.shape[2:])
        features = encoders.resnet(self.sizes, frozen, images, convolution, recompute=recompute)
        return features.view(K, m, self.width)

    def bytes_kept(self, rows: int, rank: int, *, recompute: bool) -> int:
        """Maps of all blocks with their products by A, or the blocks' inputs and one block's maps; the memory of its
        dearest kernel; and A in the order of patches, with its gradients."""
        stem, *inside = self._blocks
        blocks = [
            sum(rows * kernel.places * kernel.shape[0] + aligned(rows * kernel.places) * rank for kernel in block)
            for block in inside
        ]
        inputs = [rows * block[0].before for block in inside]
        kept = sum(inputs) + max(blocks) if recompute else inputs[0] + sum(blocks)
        again = 3 * rank * sum(kernel.columns for block in inside for kernel in block)
        return max(_moment(stem, rows), 4 * (kept + again) + max(_moment(block, rows) for block in inside))

    def bytes_scored(self, rows: int) -> int:
        return max(_moment(block, rows) for block in self._blocks)


def _moment(block: Sequence[_Kernel], rows: int) -> int:
    """Memory while the dearest kernel of a block, or its gradient, is computed: patches filled up, or their gradient,
    its maps and theirs, and the gradients of the block's own maps."""
    one = max(
        aligned(rows * kernel.places) * (2 * kernel.columns + 3 * kernel.shape[0]) + 3 * rows * kernel.before
        for kernel in block
    )
    return 4 * (one + 2 * rows * max(kernel.places * kernel.shape[0] for kernel in block))


class _Adapted(torch.autograd.Function):
    """(W + scale B A) on the patches of maps [K, m, H, W, in], then a factor and a shift, the frozen batch norm: maps
    [K, m, h, w, out]. W [out, side^2 in] is frozen, A [K, r, side^2 in] and B [K, out, r] are not."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, a: Tensor, b: Tensor, *frozen: Any) -> Tensor:
        matrix, factor, shift, side, stride, scale = frozen
        flat, low = _product(_patches(maps, side, stride, matrix.shape[1]), matrix, (a, b), scale)
        ctx.save_for_backward(maps, a, b, low, matrix, factor)
        ctx.constants = (side, stride, scale)
        return _mapped(flat.mul_(factor).add_(shift), maps, side, stride)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, a, b, low, matrix, factor = ctx.saved_tensors
        side, stride, scale = ctx.constants
        flat = gradient.flatten(1, 3) * factor
        if low.shape[1] > flat.shape[1]:
            flat = torch.nn.functional.pad(flat, (0, 0, 0, low.shape[1] - flat.shape[1]))
        into_b = torch.bmm(flat.transpose(1, 2), low).mul_(scale)
        lower = torch.bmm(flat, b).mul_(scale)
        into_a = torch.bmm(lower.transpose(1, 2), _patches(maps, side, stride, matrix.shape[1]))
        into_maps = None
        if ctx.needs_input_grad[0]:
            spread = torch.bmm(flat, matrix.expand(len(flat), -1, -1)).baddbmm_(lower, a)
            spread = spread[:, : math.prod(gradient.shape[1:4])]
            into_maps = patches.gathered(spread, maps.shape, side, stride)
        return into_maps, into_a, into_b, *[None] * 6


def _patches(maps: Tensor, side: int, stride: int, columns: int) -> Tensor:
    """Patches [K, places, columns] of maps [K, m, H, W, in], zeros after them up to the alignment."""
    cut = patches.cut(maps, side, stride)
    missing = (columns - cut.shape[2], aligned(cut.shape[1]) - cut.shape[1])
    return torch.nn.functional.pad(cut, (0, missing[0], 0, missing[1])) if any(missing) else cut


def _product(cut: Tensor, matrix: Tensor, adapter: _Adapter | None, scale: float) -> tuple[Tensor, Tensor]:
    """Patches [K, places, columns] times a frozen matrix and an adapter, and their product with its A."""
    product = torch.bmm(cut, matrix.t().expand(len(cut), -1, -1))
    if adapter is None:
        return product, product
    low = torch.bmm(cut, adapter[0].transpose(1, 2))
    return product.baddbmm_(low, adapter[1].transpose(1, 2), alpha=scale), low


def _mapped(flat: Tensor, maps: Tensor, side: int, stride: int) -> Tensor:
    """[K, places, out], of which some may be filling, as the maps [K, m, h, w, out] that a kernel makes of ``maps``."""
    K, m, H, W, _ = maps.shape
    h, w = patches.reach(H, side, stride), patches.reach(W, side, stride)
    return flat[:, : m * h * w].reshape(K, m, h, w, flat.shape[2])


@dataclass(frozen=True)
class _Blocks:
    """The blocks of each stage, and whether they are bottlenecks."""

    blocks: tuple[int, ...]
    bottleneck: bool


def _sizes(weights: Weights) -> _Blocks:
    """The blocks, by the weights' names."""
    blocks: list[int] = []
    while count := len({name.split(".")[1] for name in weights if name.startswith(stage_name(len(blocks) + 1))}):
        blocks.append(count)
    if not blocks:
        raise InvalidProblem("learner 'lora': the backbone has no layer1.0.conv1.weight; give all weights of a resnet*")
    third, _ = blocks_of(blocks, bottleneck=True)[0].kernel(3)
    return _Blocks(tuple(blocks), f"{third}.weight" in weights)


def _kernels(sizes: _Blocks, weights: Weights, side: int) -> list[list[_Kernel]]:
    """The stem's kernel, then those of each block, on images of that side; a weight that is missing is named."""

    def kernel(name: str, norm: str, stride: int, side: int) -> _Kernel:
        for weight in (f"{name}.weight", *(f"{norm}.{part}" for part in NORM_PARTS)):
            if weight not in weights:
                raise InvalidProblem(f"learner 'lora': the backbone has no {weight}; give all weights of a resnet*")
        out, into, tall, _ = weights[f"{name}.weight"].shape
        return _Kernel(name, norm, (out, into, tall, tall), into * side**2, patches.reach(side, tall, stride) ** 2)

    kernels = [[kernel(STEM, STEM_NORM, STEM_STRIDE, side)]]
    side = patches.reach(patches.reach(side, STEM_SIDE, STEM_STRIDE), 3, 2)
    for block in blocks_of(sizes.blocks, bottleneck=sizes.bottleneck):
        held, inside = [], side
        if f"{block.shortcut[0]}.weight" in weights:
            held.append(kernel(*block.shortcut, block.stride, side))
        for number, (tall, stride) in enumerate(block.kernels, start=1):
            held.append(kernel(*block.kernel(number), stride, inside))
            inside = patches.reach(inside, tall, stride)
        kernels.append(held)
        side = inside
    return kernels
