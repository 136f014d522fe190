"""Frozen models as plain algebra: BERT on tokens, ResNet and vision transformer on images.

Weights have the names that the libraries which save them give. Features are a head's inputs: of a text the mean of the
last layer's states over its tokens, of an image the model's output before its classifier. The caller may compute the
products with the matrices of attention and MLP, and the convolutions, by name, so that adapters can be added to them;
everything else is frozen. Nothing here trains, reads a file or knows a job.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Weights = Mapping[str, Tensor]
Linear = Callable[[Tensor, str], Tensor]
Convolution = Callable[[Tensor, str, str, int], Tensor]
BATCH_NORM_EPS = 1e-5
_VIT_EPS = 1e-6


class BertLayers(Protocol):
    """The sizes of an encoder of texts that its weights do not tell."""

    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def eps(self) -> float: ...


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


BERT_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
VIT_PARTS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


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
    hidden = weights["embeddings.word_embeddings.weight"][tokens]
    hidden = hidden + weights["embeddings.position_embeddings.weight"][:L]
    hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
    hidden = _normed(hidden, weights, "embeddings.LayerNorm", eps)
    mask = present[:, None, None, :]

    def through(x: Tensor, layer: int) -> Tensor:
        at = f"encoder.layer.{layer}"
        query, key, value = (
            _split(linear(x, f"{at}.attention.self.{part}"), heads) for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = linear(_joined(mixed), f"{at}.attention.output.dense")
        x = _normed(mixed + x, weights, f"{at}.attention.output.LayerNorm", eps)
        out = linear(functional.gelu(linear(x, f"{at}.intermediate.dense")), f"{at}.output.dense")
        return _normed(out + x, weights, f"{at}.output.LayerNorm", eps)

    for layer in range(sizes.layers):
        hidden = _layer(through, hidden, layer, recompute)
    kept = present.unsqueeze(2).to(hidden.dtype)
    return (hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1.0)


def patches(weights: Weights, images: Tensor) -> Tensor:
    """Embedded patches [m, n, width] of prepared images float32[m, 3, size, size], without their positions."""
    kernel = weights["patch_embed.proj.weight"]
    embedded = functional.conv2d(images, kernel, weights["patch_embed.proj.bias"], stride=kernel.shape[2])
    return embedded.flatten(2).transpose(1, 2)


def vit(
    sizes: VitBlocks, weights: Weights, embedded: Tensor, linear: Linear | None = None, *, recompute: bool = False
) -> Tensor:
    """Features float32[m, width] of embedded patches [m, n, width]: the class token after the last norm."""
    linear = linear or plain(weights)
    hidden = torch.cat([weights["cls_token"].expand(len(embedded), -1, -1), embedded], dim=1) + weights["pos_embed"]
    heads = sizes.heads

    def through(x: Tensor, block: int) -> Tensor:
        at = f"blocks.{block}"
        inside = linear(_normed(x, weights, f"{at}.norm1", _VIT_EPS), f"{at}.attn.qkv")
        query, key, value = (_split(part, heads) for part in inside.chunk(3, dim=2))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + linear(_joined(mixed), f"{at}.attn.proj")
        inside = linear(_normed(x, weights, f"{at}.norm2", _VIT_EPS), f"{at}.mlp.fc1")
        return x + linear(functional.gelu(inside), f"{at}.mlp.fc2")

    for block in range(sizes.depth):
        hidden = _layer(through, hidden, block, recompute)
    return _normed(hidden, weights, "norm", _VIT_EPS)[:, 0]


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
    x = functional.relu(convolution(images, "conv1", "bn1", 2))
    x = functional.max_pool2d(x, 3, stride=2, padding=1)
    blocks = resnet_blocks(sizes)

    def through(x: Tensor, number: int) -> Tensor:
        at, strides = blocks[number]
        shortcut = x
        if f"{at}.downsample.0.weight" in weights:
            shortcut = convolution(x, f"{at}.downsample.0", f"{at}.downsample.1", max(strides))
        for kernel, stride in enumerate(strides, start=1):
            x = convolution(x, f"{at}.conv{kernel}", f"{at}.bn{kernel}", stride)
            if kernel < len(strides):
                x = functional.relu(x)
        return functional.relu(x + shortcut)

    for number in range(len(blocks)):
        x = _layer(through, x, number, recompute)
    return x.mean(dim=(2, 3))


def resnet_blocks(sizes: ResNetBlocks) -> list[tuple[str, tuple[int, ...]]]:
    """Names of a ResNet's blocks in order, and the strides of each one's kernels."""
    blocks: list[tuple[str, tuple[int, ...]]] = []
    for stage, count in enumerate(sizes.blocks, start=1):
        for block in range(count):
            stride = 2 if stage > 1 and block == 0 else 1
            # a bottleneck's stride is that of its 3 x 3 kernel, a basic block's that of its first
            blocks.append((f"layer{stage}.{block}", (1, stride, 1) if sizes.bottleneck else (stride, 1)))
    return blocks


def _batch_norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    mean, spread = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    return functional.batch_norm(
        x, mean, spread, weights[f"{name}.weight"], weights[f"{name}.bias"], eps=BATCH_NORM_EPS
    )


def _normed(x: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def _split(x: Tensor, heads: int) -> Tensor:
    """[m, L, width] to [m, heads, L, size]."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
