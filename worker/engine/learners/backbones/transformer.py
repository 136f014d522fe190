"""A decoder of the Llama family as plain algebra on stacked weights: rotary attention, RMS norms, a gated MLP.

Names and shapes of weights are those that Hugging Face gives ``LlamaForCausalLM``, so a checkpoint folder of that
architecture fits without renaming. Every product is one of a stack of equal shapes, so a model's bits do not depend on
how many others are computed beside it; a weight that all models share is one array, seen K times and never copied.
Norms, rotations and the last outputs are computed in float32 whatever the weights' precision. Nothing here trains,
reads files or knows adapters: the caller of ``forward`` gives weights and projections.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from contract.architectures.decoder import EMBEDDING, HEAD, LAST_NORM, DecoderSizes
from worker.engine.tensors.elementwise import silu

Weight = Callable[[str], Tensor]
Project = Callable[[Tensor, str], Tensor]


def forward(
    sizes: DecoderSizes, weight: Weight, project: Project, tokens: Tensor, *, recompute: bool = False
) -> Tensor:
    """Outputs float32[K, m, L, vocabulary] after each token of ``tokens`` int64[K, m, L].

    ``weight(name)`` answers [K or 1, ...]; ``project(x [K, t, in], name)`` answers [K, t, out]. With ``recompute`` a
    backward pass keeps each layer's input alone and computes the layer again: the same bits, a third more work.
    """
    K, m, L = tokens.shape
    rotations = _rotations(sizes, L, tokens.device)
    hidden = _embedded(weight(EMBEDDING), tokens).view(K, m * L, sizes.width)
    for layer in range(sizes.layers):

        def through(x: Tensor, layer: int = layer) -> Tensor:
            return _layer(sizes, weight, project, f"model.layers.{layer}", x, (K * m, L), rotations)

        if recompute and torch.is_grad_enabled():
            hidden = checkpoint(through, hidden, use_reentrant=False, preserve_rng_state=False)
        else:
            hidden = through(hidden)
    hidden = _normed(hidden, weight(LAST_NORM), sizes.eps)
    head = weight(EMBEDDING if sizes.tied else HEAD)
    return torch.bmm(hidden, head.transpose(1, 2).expand(K, -1, -1)).view(K, m, L, -1).float()


def _layer(
    sizes: DecoderSizes,
    weight: Weight,
    project: Project,
    name: str,
    hidden: Tensor,
    rows: tuple[int, int],
    rotations: tuple[Tensor, Tensor],
) -> Tensor:
    x = _normed(hidden, weight(f"{name}.input_layernorm.weight"), sizes.eps)
    hidden = hidden + _attention(sizes, weight, project, f"{name}.self_attn", x, rows, rotations)
    x = _normed(hidden, weight(f"{name}.post_attention_layernorm.weight"), sizes.eps)
    gated = silu(project(x, f"{name}.mlp.gate_proj")) * project(x, f"{name}.mlp.up_proj")
    return hidden + project(gated, f"{name}.mlp.down_proj")


def _embedded(table: Tensor, tokens: Tensor) -> Tensor:
    """Rows of each model's own table [K or 1, V, d]."""
    if len(table) == 1:
        return functional.embedding(tokens, table[0])
    return torch.stack([functional.embedding(part, own) for part, own in zip(tokens, table, strict=True)])


def _normed(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(dim=2, keepdim=True) + eps)).to(x.dtype) * scale.unsqueeze(1)


def _normed_heads(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Each head of [K m, L, heads, size] normed by its model's scale [K or 1, size]."""
    wide = x.float()
    normed = (wide * torch.rsqrt(wide.square().mean(dim=3, keepdim=True) + eps)).to(x.dtype)
    return (normed.view(len(scale), -1, *x.shape[1:]) * scale[:, None, None, None]).view(x.shape)


def _attention(
    sizes: DecoderSizes,
    weight: Weight,
    project: Project,
    name: str,
    x: Tensor,
    rows: tuple[int, int],
    rotations: tuple[Tensor, Tensor],
) -> Tensor:
    def heads(part: str, count: int) -> Tensor:
        projected = project(x, f"{name}.{part}")
        if sizes.qkv_bias:
            projected = projected + weight(f"{name}.{part}.bias").unsqueeze(1)
        each = projected.view(*rows, count, sizes.head_size)
        if sizes.qk_norm and part != "v_proj":
            each = _normed_heads(each, weight(f"{name}.{part[0]}_norm.weight"), sizes.eps)
        return each.transpose(1, 2)

    q = _rotated(heads("q_proj", sizes.heads), *rotations)
    k = _rotated(heads("k_proj", sizes.kv_heads), *rotations)
    v = heads("v_proj", sizes.kv_heads)
    if sizes.kv_heads != sizes.heads:
        k, v = (part.repeat_interleave(sizes.heads // sizes.kv_heads, dim=1) for part in (k, v))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return project(mixed.transpose(1, 2).reshape(*x.shape[:2], sizes.heads * sizes.head_size), f"{name}.o_proj")


def _rotations(sizes: DecoderSizes, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [L, head size] of rotary positions (Su et al. 2021), in the halves' order."""
    half = torch.arange(0, sizes.head_size, 2, dtype=torch.float64) / sizes.head_size
    speeds = _stretched(sizes, torch.exp(-math.log(sizes.rope_base) * half))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * speeds[None, :]
    both = torch.cat([angles, angles], dim=1)
    return both.cos().float().to(device), both.sin().float().to(device)


def _stretched(sizes: DecoderSizes, speeds: Tensor) -> Tensor:
    """Speeds of rotation as Llama 3.1 stretches them for longer texts: slow ones by the factor, fast ones not at all,
    and in between by how often one turns in the tokens that the model was first trained on."""
    if not sizes.rope_original:
        return speeds
    turns = sizes.rope_original * speeds / (2 * math.pi)
    kept = ((turns - sizes.rope_low) / (sizes.rope_high - sizes.rope_low)).clamp(0.0, 1.0)
    return speeds * (kept + (1.0 - kept) / sizes.rope_factor)


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return (x * cosine + torch.cat([-second, first], dim=-1) * sine).to(x.dtype)
