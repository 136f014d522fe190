"""A decoder of the Llama family as plain algebra on stacked weights: rotary attention, RMS norms, a gated MLP.

Names and shapes of weights are those that Hugging Face gives ``LlamaForCausalLM``, so a checkpoint folder of that
architecture fits without renaming. Every product is one of a stack of equal shapes, so a model's bits do not depend on
how many others are computed beside it; a weight that all models share is one array, seen K times and never copied.
Norms, rotations and the last outputs are computed in float32 whatever the weights' precision. Nothing here trains,
reads files or knows adapters: ``forward`` asks its caller for weights and projections.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

EMBEDDING, HEAD, LAST_NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Architecture:
    """Sizes of a decoder. ``inner`` is the MLP's width; ``tied`` heads are the embedding itself."""

    vocabulary: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    rope_base: float = 10000.0
    eps: float = 1e-5
    tied: bool = True

    @property
    def head_size(self) -> int:
        return self.width // self.heads

    def projections(self) -> list[tuple[str, tuple[int, int]]]:
        """Names (without ``.weight``) and shapes [out, in] of the matrices that adapters go beside."""
        kv = self.kv_heads * self.head_size
        sizes = {
            "q_proj": (self.width, self.width),
            "k_proj": (kv, self.width),
            "v_proj": (kv, self.width),
            "o_proj": (self.width, self.width),
            "gate_proj": (self.inner, self.width),
            "up_proj": (self.inner, self.width),
            "down_proj": (self.width, self.inner),
        }
        named = []
        for layer in range(self.layers):
            named += [(f"model.layers.{layer}.self_attn.{part}", sizes[part]) for part in _ATTENTION]
            named += [(f"model.layers.{layer}.mlp.{part}", sizes[part]) for part in _MLP]
        return named

    def shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every weight's name and shape."""
        shapes: list[tuple[str, tuple[int, ...]]] = [(EMBEDDING, (self.vocabulary, self.width))]
        for layer in range(self.layers):
            shapes += [
                (f"model.layers.{layer}.{norm}.weight", (self.width,))
                for norm in ("input_layernorm", "post_attention_layernorm")
            ]
        shapes += [(f"{name}.weight", shape) for name, shape in self.projections()]
        shapes.append((LAST_NORM, (self.width,)))
        if not self.tied:
            shapes.append((HEAD, (self.vocabulary, self.width)))
        return shapes

    def multiplications(self) -> float:
        """Multiplications of one token's forward pass through the matrices, the head included."""
        return float(sum(out * into for _, (out, into) in self.projections()) + self.vocabulary * self.width)


Weight = Callable[[str], Tensor]
Project = Callable[[Tensor, str], Tensor]


def forward(
    shape: Architecture, weight: Weight, project: Project, tokens: Tensor, *, recompute: bool = False
) -> Tensor:
    """Outputs float32[K, m, L, vocabulary] after each token of ``tokens`` int64[K, m, L].

    ``weight(name)`` answers [K or 1, ...]; ``project(x [K, t, in], name)`` answers [K, t, out]. With ``recompute`` a
    backward pass keeps each layer's input alone and computes the layer again: the same bits, a third more work.
    """
    K, m, L = tokens.shape
    rotations = _rotations(shape, L, tokens.device)
    hidden = _embedded(weight(EMBEDDING), tokens).view(K, m * L, shape.width)
    for layer in range(shape.layers):

        def through(x: Tensor, layer: int = layer) -> Tensor:
            return _layer(shape, weight, project, f"model.layers.{layer}", x, (K * m, L), rotations)

        if recompute and torch.is_grad_enabled():
            hidden = checkpoint(through, hidden, use_reentrant=False, preserve_rng_state=False)
        else:
            hidden = through(hidden)
    hidden = _normed(hidden, weight(LAST_NORM), shape.eps)
    head = weight(EMBEDDING if shape.tied else HEAD)
    return torch.bmm(hidden, head.transpose(1, 2).expand(K, -1, -1)).view(K, m, L, shape.vocabulary).float()


def _layer(
    shape: Architecture,
    weight: Weight,
    project: Project,
    name: str,
    hidden: Tensor,
    rows: tuple[int, int],
    rotations: tuple[Tensor, Tensor],
) -> Tensor:
    x = _normed(hidden, weight(f"{name}.input_layernorm.weight"), shape.eps)
    hidden = hidden + _attention(shape, project, f"{name}.self_attn", x, rows, rotations)
    x = _normed(hidden, weight(f"{name}.post_attention_layernorm.weight"), shape.eps)
    gated = functional.silu(project(x, f"{name}.mlp.gate_proj")) * project(x, f"{name}.mlp.up_proj")
    return hidden + project(gated, f"{name}.mlp.down_proj")


def _embedded(table: Tensor, tokens: Tensor) -> Tensor:
    """Rows of each model's own table [K or 1, V, d]."""
    if len(table) == 1:
        return functional.embedding(tokens, table[0])
    return torch.stack([functional.embedding(each, own) for each, own in zip(tokens, table, strict=True)])


def _normed(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(dim=2, keepdim=True) + eps)).to(x.dtype) * scale.unsqueeze(1)


def _attention(
    shape: Architecture, project: Project, name: str, x: Tensor, rows: tuple[int, int], rotations: tuple[Tensor, Tensor]
) -> Tensor:
    def heads(part: str, count: int) -> Tensor:
        return project(x, f"{name}.{part}").view(*rows, count, shape.head_size).transpose(1, 2)

    q = _rotated(heads("q_proj", shape.heads), *rotations)
    k = _rotated(heads("k_proj", shape.kv_heads), *rotations)
    v = heads("v_proj", shape.kv_heads)
    if shape.kv_heads != shape.heads:
        k, v = (each.repeat_interleave(shape.heads // shape.kv_heads, dim=1) for each in (k, v))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return project(mixed.transpose(1, 2).reshape(x.shape), f"{name}.o_proj")


def _rotations(shape: Architecture, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [L, head size] of rotary positions (Su et al. 2021), in the halves' order."""
    half = torch.arange(0, shape.head_size, 2, dtype=torch.float64) / shape.head_size
    angles = torch.arange(length, dtype=torch.float64)[:, None] * torch.exp(-math.log(shape.rope_base) * half)[None, :]
    both = torch.cat([angles, angles], dim=1)
    return both.cos().float().to(device), both.sin().float().to(device)


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return (x * cosine + torch.cat([-second, first], dim=-1) * sine).to(x.dtype)
