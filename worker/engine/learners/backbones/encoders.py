"""Frozen models as plain algebra: BERT and its kin on tokens, ResNet and vision transformer on images.

Weights have the names that the libraries which save them give. Features are a head's inputs: of a text the last layer's
states of its tokens, averaged or as the model was trained to be pooled, of an image the model's output before its
classifier. The caller may compute the products with the matrices of attention and MLP, and the convolutions, by name,
so that adapters can be added to them; everything else is frozen. Nothing here trains, reads a file or knows a job.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from contract.architectures import bert as bert_names
from contract.architectures import vision_transformer as vit_names
from contract.architectures.resnet import NORM_PARTS, STEM, STEM_NORM, STEM_STRIDE, blocks_of
from worker.engine.tensors.elementwise import gelu

Weights = Mapping[str, Tensor]
Linear = Callable[[Tensor, str], Tensor]
Convolution = Callable[[Tensor, str, str, int], Tensor]
BATCH_NORM_EPS = 1e-5
_VIT_EPS = 1e-6
_FURTHEST = 128  # tokens apart, from which on all share a bucket


class BertLayers(Protocol):
    """The sizes of an encoder of texts that its weights do not tell."""

    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def eps(self) -> float: ...
    @property
    def offset(self) -> int: ...
    @property
    def pooling(self) -> int: ...


class VitBlocks(Protocol):
    """The sizes of a vision transformer that its weights do not tell."""

    @property
    def depth(self) -> int: ...
    @property
    def heads(self) -> int: ...


class ResNetBlocks(Protocol):
    """The blocks of each stage of a ResNet, and whether a block is a bottleneck."""

    @property
    def blocks(self) -> Sequence[int]: ...
    @property
    def bottleneck(self) -> int: ...


def plain(weights: Weights) -> Linear:
    """W x + b with the frozen weights alone."""
    return lambda x, name: functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def bert(
    sizes: BertLayers,
    weights: Weights,
    tokens: Tensor,
    present: Tensor,
    linear: Linear | None = None,
    *,
    recompute: bool = False,
) -> Tensor:
    """Features float32[m, width] of ``tokens`` int64[m, L]; ``present`` bool[m, L] says where a text has any.

    ``linear(x [m, L, in], name)`` computes a layer's product [m, L, out]; with ``recompute`` a backward pass keeps each
    layer's input alone and computes the layer again.
    """
    linear = linear or plain(weights)
    L, eps, heads = tokens.shape[1], sizes.eps, sizes.heads
    hidden = weights[bert_names.WORDS][tokens] + weights[bert_names.POSITIONS][sizes.offset : sizes.offset + L]
    if bert_names.TYPES in weights:
        hidden = hidden + weights[bert_names.TYPES][0]
    hidden = _normed(hidden, weights, bert_names.EMBEDDING_NORM, eps)
    mask = present[:, None, None, :]
    if bert_names.RELATIVE in weights:
        mask = _relative(weights[bert_names.RELATIVE], L).masked_fill(~mask, -torch.inf)

    def through(x: Tensor, layer: int) -> Tensor:
        at = f"{bert_names.LAYERS}.{layer}"
        query, key, value = (
            _split(linear(x, f"{at}.{part}"), heads) for part in (bert_names.QUERY, bert_names.KEY, bert_names.VALUE)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = linear(_joined(mixed), f"{at}.{bert_names.MIXED}")
        x = _normed(mixed + x, weights, f"{at}.{bert_names.MIXED_NORM}", eps)
        out = linear(gelu(linear(x, f"{at}.{bert_names.INNER}")), f"{at}.{bert_names.OUTER}")
        return _normed(out + x, weights, f"{at}.{bert_names.OUTER_NORM}", eps)

    for layer in range(sizes.layers):
        hidden = _layer(through, hidden, layer, recompute)
    return pooled(hidden, present, sizes.pooling)


def pooled(hidden: Tensor, present: Tensor, pooling: int) -> Tensor:
    """Features [m, width] of the states [m, L, width] of a text's tokens."""
    if pooling == bert_names.FIRST:
        return hidden[:, 0]
    if pooling == bert_names.LARGEST:
        return hidden.masked_fill(~present.unsqueeze(2), -torch.inf).amax(dim=1)
    kept = present.unsqueeze(2).to(hidden.dtype)
    return (hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1.0)


def _relative(table: Tensor, length: int) -> Tensor:
    """What attention from each token to each other gets besides, [1, heads, L, L], of a table [buckets, heads]: half of
    the buckets are for tokens before, and in each half the near ones have their own, the far ones share."""
    half = len(table) // 2
    exact = half // 2
    at = torch.arange(length, device=table.device)
    apart = at[:, None] - at[None, :]
    away = apart.abs()
    far = torch.log(away.clamp(min=1).float() / exact) / math.log(_FURTHEST / exact) * (half - exact)
    bucket = torch.where(away < exact, away, (exact + far.long()).clamp(max=half - 1)) + half * (apart < 0)
    return table[bucket].permute(2, 0, 1).unsqueeze(0)


def patches(weights: Weights, images: Tensor) -> Tensor:
    """Embedded patches [m, n, width] of prepared images float32[m, 3, size, size], without their positions."""
    kernel = weights[vit_names.PATCH_KERNEL]
    bias = weights[vit_names.PATCH_BIAS]
    embedded = functional.conv2d(images, kernel, bias, stride=kernel.shape[2])
    return embedded.flatten(2).transpose(1, 2)


def vit(
    sizes: VitBlocks, weights: Weights, embedded: Tensor, linear: Linear | None = None, *, recompute: bool = False
) -> Tensor:
    """Features float32[m, width] of embedded patches [m, n, width]: the class token after the last norm."""
    linear = linear or plain(weights)
    first = weights[vit_names.CLASS_TOKEN].expand(len(embedded), -1, -1)
    hidden = torch.cat([first, embedded], dim=1) + weights[vit_names.POSITIONS]
    heads = sizes.heads

    def through(x: Tensor, block: int) -> Tensor:
        at = f"{vit_names.BLOCKS}.{block}"
        inside = linear(_normed(x, weights, f"{at}.{vit_names.FIRST_NORM}", _VIT_EPS), f"{at}.{vit_names.ATTENTION}")
        query, key, value = (_split(part, heads) for part in inside.chunk(3, dim=2))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + linear(_joined(mixed), f"{at}.{vit_names.MIXED}")
        inside = linear(_normed(x, weights, f"{at}.{vit_names.SECOND_NORM}", _VIT_EPS), f"{at}.{vit_names.INNER}")
        return x + linear(gelu(inside), f"{at}.{vit_names.OUTER}")

    for block in range(sizes.depth):
        hidden = _layer(through, hidden, block, recompute)
    return _normed(hidden, weights, vit_names.LAST_NORM, _VIT_EPS)[:, 0]


def _layer(through: Callable[[Tensor, int], Tensor], hidden: Tensor, number: int, recompute: bool) -> Tensor:
    if recompute and torch.is_grad_enabled():
        recomputed: Tensor = checkpoint(through, hidden, number, use_reentrant=False, preserve_rng_state=False)
        return recomputed
    return through(hidden, number)


def convolved(weights: Weights) -> Convolution:
    """A convolution with the frozen kernel alone, and the batch norm after it."""

    def of(x: Tensor, name: str, norm: str, stride: int) -> Tensor:
        kernel = weights[f"{name}.weight"]
        return _batch_norm(functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2), weights, norm)

    return of


def resnet(
    sizes: ResNetBlocks,
    weights: Weights,
    images: Tensor,
    convolution: Convolution | None = None,
    *,
    recompute: bool = False,
) -> Tensor:
    """Features float32[m, width] of prepared images float32[m, 3, size, size]: the last maps, averaged.

    ``convolution(x [m, in, h, w], name, norm, stride)`` computes the kernel's product after the batch norm of that
    name, [m, out, h', w']; with ``recompute`` a backward pass keeps each block's input alone and computes the block
    again.
    """
    convolution = convolution or convolved(weights)
    x = functional.relu(convolution(images, STEM, STEM_NORM, STEM_STRIDE))
    x = functional.max_pool2d(x, 3, stride=2, padding=1)
    blocks = blocks_of(sizes.blocks, bottleneck=bool(sizes.bottleneck))

    def through(x: Tensor, number: int) -> Tensor:
        block, shortcut = blocks[number], x
        kernel, norm = block.shortcut
        if f"{kernel}.weight" in weights:
            shortcut = convolution(x, kernel, norm, block.stride)
        for at, (_, stride) in enumerate(block.kernels, start=1):
            x = convolution(x, *block.kernel(at), stride)
            if at < len(block.kernels):
                x = functional.relu(x)
        return functional.relu(x + shortcut)

    for number in range(len(blocks)):
        x = _layer(through, x, number, recompute)
    return x.mean(dim=(2, 3))


def _batch_norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    weight, bias, mean, spread = (weights[f"{name}.{part}"] for part in NORM_PARTS)
    return functional.batch_norm(x, mean, spread, weight, bias, eps=BATCH_NORM_EPS)


def _normed(x: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def _split(x: Tensor, heads: int) -> Tensor:
    """[m, L, width] to [m, heads, L, size]."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
