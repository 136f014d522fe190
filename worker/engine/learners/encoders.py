"""Frozen models as plain algebra: BERT on tokens, ResNet and vision transformer on images.

Weights have the names that those who save them give. Features are what a head is trained on: of a text the mean of the
last layer's states over its tokens, of an image what the model pools before its classifier. Products with the matrices
of attention and MLP are asked for by name, so that adapters can be added to them; all else is frozen. Nothing here
trains, reads a file or knows a job.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Weights = Mapping[str, Tensor]
Sizes = Mapping[str, Any]
Linear = Callable[[Tensor, str], Tensor]
_VIT_EPS, _BATCH_NORM_EPS = 1e-6, 1e-5


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
    sizes: Sizes,
    weights: Weights,
    tokens: Tensor,
    there: Tensor,
    linear: Linear | None = None,
    *,
    recompute: bool = False,
) -> Tensor:
    """Features float32[m, width] of ``tokens`` int64[m, L]; ``there`` bool[m, L] says where a text has any.

    ``linear(x [m, L, in], name)`` answers a layer's product [m, L, out]; with ``recompute`` a backward pass keeps each
    layer's input alone and computes the layer again.
    """
    linear = linear or plain(weights)
    L, eps, heads = tokens.shape[1], float(sizes["eps"]), int(sizes["heads"])
    hidden = weights["embeddings.word_embeddings.weight"][tokens]
    hidden = hidden + weights["embeddings.position_embeddings.weight"][:L]
    hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
    hidden = _normed(hidden, weights, "embeddings.LayerNorm", eps)
    mask = there[:, None, None, :]

    def through(x: Tensor, layer: int) -> Tensor:
        at = f"encoder.layer.{layer}"
        query, key, value = (
            _split(linear(x, f"{at}.attention.self.{each}"), heads) for each in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = linear(_joined(mixed), f"{at}.attention.output.dense")
        x = _normed(mixed + x, weights, f"{at}.attention.output.LayerNorm", eps)
        out = linear(functional.gelu(linear(x, f"{at}.intermediate.dense")), f"{at}.output.dense")
        return _normed(out + x, weights, f"{at}.output.LayerNorm", eps)

    for layer in range(int(sizes["layers"])):
        hidden = _layer(through, hidden, layer, recompute)
    kept = there.unsqueeze(2).to(hidden.dtype)
    return (hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1.0)


def patches(sizes: Sizes, weights: Weights, images: Tensor) -> Tensor:
    """Embedded patches [m, n, width] of prepared images float32[m, 3, size, size], without their positions."""
    found = functional.conv2d(
        images, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=int(sizes["patch"])
    )
    return found.flatten(2).transpose(1, 2)


def vit(
    sizes: Sizes, weights: Weights, embedded: Tensor, linear: Linear | None = None, *, recompute: bool = False
) -> Tensor:
    """Features float32[m, width] of embedded patches [m, n, width]: the class token after the last norm."""
    linear = linear or plain(weights)
    hidden = torch.cat([weights["cls_token"].expand(len(embedded), -1, -1), embedded], dim=1) + weights["pos_embed"]
    heads = int(sizes["heads"])

    def through(x: Tensor, block: int) -> Tensor:
        at = f"blocks.{block}"
        inside = linear(_normed(x, weights, f"{at}.norm1", _VIT_EPS), f"{at}.attn.qkv")
        query, key, value = (_split(each, heads) for each in inside.chunk(3, dim=2))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + linear(_joined(mixed), f"{at}.attn.proj")
        inside = linear(_normed(x, weights, f"{at}.norm2", _VIT_EPS), f"{at}.mlp.fc1")
        return x + linear(functional.gelu(inside), f"{at}.mlp.fc2")

    for block in range(int(sizes["depth"])):
        hidden = _layer(through, hidden, block, recompute)
    return _normed(hidden, weights, "norm", _VIT_EPS)[:, 0]


def _layer(through: Callable[[Tensor, int], Tensor], hidden: Tensor, number: int, recompute: bool) -> Tensor:
    if recompute and torch.is_grad_enabled():
        found: Tensor = checkpoint(through, hidden, number, use_reentrant=False, preserve_rng_state=False)
        return found
    return through(hidden, number)


def resnet(sizes: Sizes, weights: Weights, images: Tensor) -> Tensor:
    """Features float32[m, width] of prepared images float32[m, 3, size, size]: the last maps, averaged."""
    x = functional.conv2d(images, weights["conv1.weight"], stride=2, padding=3)
    x = functional.max_pool2d(functional.relu(_batch_norm(x, weights, "bn1")), 3, stride=2, padding=1)
    for stage, count in enumerate(sizes["blocks"], start=1):
        for block in range(int(count)):
            x = _block(x, weights, f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1, sizes)
    return x.mean(dim=(2, 3))


def _block(x: Tensor, weights: Weights, at: str, stride: int, sizes: Sizes) -> Tensor:
    shortcut = x
    if f"{at}.downsample.0.weight" in weights:
        shortcut = functional.conv2d(x, weights[f"{at}.downsample.0.weight"], stride=stride)
        shortcut = _batch_norm(shortcut, weights, f"{at}.downsample.1")
    # a bottleneck's stride is that of its 3 x 3 kernel, a basic block's that of its first
    kernels, strided = (3, 2) if sizes["bottleneck"] else (2, 1)
    for number in range(1, kernels + 1):
        kernel = weights[f"{at}.conv{number}.weight"]
        step = stride if number == strided else 1
        x = functional.conv2d(x, kernel, stride=step, padding=kernel.shape[2] // 2)
        x = _batch_norm(x, weights, f"{at}.bn{number}")
        if number < kernels:
            x = functional.relu(x)
    return functional.relu(x + shortcut)


def _batch_norm(x: Tensor, weights: Weights, name: str) -> Tensor:
    mean, spread = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    return functional.batch_norm(
        x, mean, spread, weights[f"{name}.weight"], weights[f"{name}.bias"], eps=_BATCH_NORM_EPS
    )


def _normed(x: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def _split(x: Tensor, heads: int) -> Tensor:
    """[m, L, width] to [m, heads, L, size]."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
