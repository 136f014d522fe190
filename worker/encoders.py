"""Frozen models as plain algebra: BERT on tokens, ResNet and vision transformer on images.

Weights have the names that those who save them give. Features are what a head is trained on: of a text the mean of the
last layer's states over its tokens, of an image what the model pools before its classifier. Nothing here trains, reads
a file or knows a job.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]
Sizes = Mapping[str, Any]
_VIT_EPS, _BATCH_NORM_EPS = 1e-6, 1e-5


def bert(sizes: Sizes, weights: Weights, tokens: Tensor, there: Tensor) -> Tensor:
    """Features float32[m, width] of ``tokens`` int64[m, L]; ``there`` bool[m, L] says where a text has any."""
    L = tokens.shape[1]
    hidden = weights["embeddings.word_embeddings.weight"][tokens]
    hidden = hidden + weights["embeddings.position_embeddings.weight"][:L]
    hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
    hidden = _normed(hidden, weights, "embeddings.LayerNorm", float(sizes["eps"]))
    mask = there[:, None, None, :]
    heads = int(sizes["heads"])
    for layer in range(int(sizes["layers"])):
        at = f"encoder.layer.{layer}"
        query, key, value = (
            _split(_linear(hidden, weights, f"{at}.attention.self.{each}"), heads) for each in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = _linear(_joined(mixed), weights, f"{at}.attention.output.dense")
        hidden = _normed(mixed + hidden, weights, f"{at}.attention.output.LayerNorm", float(sizes["eps"]))
        inner = functional.gelu(_linear(hidden, weights, f"{at}.intermediate.dense"))
        out = _linear(inner, weights, f"{at}.output.dense")
        hidden = _normed(out + hidden, weights, f"{at}.output.LayerNorm", float(sizes["eps"]))
    kept = there.unsqueeze(2).to(hidden.dtype)
    return (hidden * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1.0)


def vit(sizes: Sizes, weights: Weights, images: Tensor) -> Tensor:
    """Features float32[m, width] of prepared images float32[m, 3, size, size]: the class token after the last norm."""
    patches = functional.conv2d(
        images, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=int(sizes["patch"])
    )
    hidden = patches.flatten(2).transpose(1, 2)
    hidden = torch.cat([weights["cls_token"].expand(len(images), -1, -1), hidden], dim=1) + weights["pos_embed"]
    heads = int(sizes["heads"])
    for block in range(int(sizes["depth"])):
        at = f"blocks.{block}"
        x = _linear(_normed(hidden, weights, f"{at}.norm1", _VIT_EPS), weights, f"{at}.attn.qkv")
        query, key, value = (_split(each, heads) for each in x.chunk(3, dim=2))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        hidden = hidden + _linear(_joined(mixed), weights, f"{at}.attn.proj")
        x = _linear(_normed(hidden, weights, f"{at}.norm2", _VIT_EPS), weights, f"{at}.mlp.fc1")
        hidden = hidden + _linear(functional.gelu(x), weights, f"{at}.mlp.fc2")
    return _normed(hidden, weights, "norm", _VIT_EPS)[:, 0]


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


def _linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _normed(x: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def _split(x: Tensor, heads: int) -> Tensor:
    """[m, L, width] to [m, heads, L, size]."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
