"""A causal decoder as plain algebra on stacked weights: Llama and its kin, and the families that differ by switches.

Names and shapes of weights are those that Hugging Face gives the family's model, so a checkpoint folder fits without
renaming (``contract.architectures.decoder_families`` says what differs). Every product is one of a stack of equal
shapes, so a model's bits do not depend on how many others are computed beside it; a weight that all models share is one
array, seen K times and never copied. Norms, rotations and the last outputs are computed in float32 whatever the
weights' precision. Nothing here trains, reads files or knows adapters: the caller of ``forward`` gives weights and
projections.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from contract.architectures.decoder import PER_HEAD, DecoderSizes
from contract.architectures.decoder_families import Activation, DecoderMatrix, Norm
from worker.engine.tensors.elementwise import gelu, gelu_tanh, silu

Weight = Callable[[str], Tensor]
Project = Callable[[Tensor, str], Tensor]
Rotations = tuple[Tensor, Tensor]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    Activation.SILU: silu,
    Activation.GELU: gelu,
    Activation.GELU_TANH: gelu_tanh,
}


@dataclass(frozen=True)
class _Pass:
    """What every layer of one pass reads: ``rows`` is (K m, L); ``near`` are the rotations of windowed layers, ``far``
    those of the others; ``seen`` bool[L, L] is what a windowed layer's tokens look at, None where a block is no longer
    than the window."""

    sizes: DecoderSizes
    weight: Weight
    project: Project
    rows: tuple[int, int]
    far: Rotations
    near: Rotations
    seen: Tensor | None

    def product(self, x: Tensor, name: str) -> Tensor:
        """W x + b [K, t, out]."""
        out = self.project(x, name)
        return out + self.weight(f"{name}.bias").unsqueeze(1) if self.sizes.has_bias(name) else out

    def normed(self, x: Tensor, name: str) -> Tensor:
        """States [K, t, width] after the norm of that name; as they are where the name is empty."""
        sizes = self.sizes
        if not name:
            return x
        scale = self.weight(f"{name}.weight")
        if sizes.kind.norm is Norm.LAYER:
            plain = functional.layer_norm(x.float(), x.shape[-1:], eps=sizes.eps).to(x.dtype)
            return plain * scale.unsqueeze(1) + self.weight(f"{name}.bias").unsqueeze(1)
        return _normed(x, scale, sizes)


def forward(
    sizes: DecoderSizes, weight: Weight, project: Project, tokens: Tensor, *, recompute: bool = False
) -> Tensor:
    """Outputs float32[K, m, L, vocabulary] after each token of ``tokens`` int64[K, m, L].

    ``weight(name)`` answers [K or 1, ...]; ``project(x [K, t, in], name)`` answers [K, t, out]. With ``recompute`` a
    backward pass keeps each layer's input alone and computes the layer again: the same bits, a third more work.
    """
    K, m, L = tokens.shape
    kind = sizes.kind
    far = _rotations(sizes, L, tokens.device, sizes.rope_base)
    near = _rotations(sizes, L, tokens.device, sizes.rope_local) if sizes.rope_local else far
    seen = _window(sizes.window, L, tokens.device) if 0 < sizes.window < L else None
    run = _Pass(sizes, weight, project, (K * m, L), far, near, seen)
    hidden = _embedded(weight(kind.embedding), tokens)
    if kind.positions:
        hidden = hidden + weight(kind.positions)[:, None, :L]
    hidden = hidden.view(K, m * L, sizes.width)
    if kind.scaled_embedding:
        hidden = hidden * torch.tensor(math.sqrt(sizes.width), dtype=hidden.dtype)
    for layer in range(sizes.layers):
        through = partial(_layer, run, layer)
        if recompute and torch.is_grad_enabled():
            hidden = checkpoint(through, hidden, use_reentrant=False, preserve_rng_state=False)
        else:
            hidden = through(hidden)
    hidden = run.normed(hidden, kind.last_norm)
    head = weight(kind.embedding if sizes.tied else kind.head)
    outputs = torch.bmm(hidden, head.transpose(1, 2).expand(K, -1, -1)).view(K, m, L, -1).float()
    return _bent(outputs, sizes.output_cap)


def _layer(run: _Pass, layer: int, hidden: Tensor) -> Tensor:
    kind, name = run.sizes.kind, f"{run.sizes.kind.layers}.{layer}"

    def norm(x: Tensor, which: str) -> Tensor:
        return run.normed(x, f"{name}.{which}" if which else "")

    mixed = norm(_attention(run, layer, norm(hidden, kind.before_attention)), kind.after_attention)
    if kind.parallel:
        return hidden + mixed + _mlp(run, name, norm(hidden, kind.before_mlp))
    hidden = hidden + mixed
    return hidden + norm(_mlp(run, name, norm(hidden, kind.before_mlp)), kind.after_mlp)


def _mlp(run: _Pass, name: str, x: Tensor) -> Tensor:
    kind = run.sizes.kind
    parts, bend = kind.matrices, _ACTIVATIONS[kind.activation]
    if DecoderMatrix.GATE_UP in parts:
        gate, up = run.product(x, f"{name}.{parts[DecoderMatrix.GATE_UP]}").chunk(2, dim=2)
        inside = bend(gate) * up
    elif DecoderMatrix.GATE in parts:
        inside = bend(run.product(x, f"{name}.{parts[DecoderMatrix.GATE]}")) * run.product(
            x, f"{name}.{parts[DecoderMatrix.UP]}"
        )
    else:
        inside = bend(run.product(x, f"{name}.{parts[DecoderMatrix.UP]}"))
    return run.product(inside, f"{name}.{parts[DecoderMatrix.DOWN]}")


def _embedded(table: Tensor, tokens: Tensor) -> Tensor:
    """Rows [K, m, L, d] of each model's own table [K or 1, V, d]."""
    if len(table) == 1:
        return functional.embedding(tokens, table[0])
    return torch.stack([functional.embedding(part, own) for part, own in zip(tokens, table, strict=True)])


def _normed(x: Tensor, scale: Tensor, sizes: DecoderSizes) -> Tensor:
    wide = x.float()
    normed = wide * torch.rsqrt(wide.square().mean(dim=2, keepdim=True) + sizes.eps)
    if sizes.kind.norm is Norm.SHIFTED:
        return (normed * (1.0 + scale.float()).unsqueeze(1)).to(x.dtype)
    return normed.to(x.dtype) * scale.unsqueeze(1)


def _normed_heads(x: Tensor, scale: Tensor, sizes: DecoderSizes) -> Tensor:
    """Each head of [K m, L, heads, size] normed by its model's scale [K or 1, size]."""
    wide = x.float()
    normed = (wide * torch.rsqrt(wide.square().mean(dim=3, keepdim=True) + sizes.eps)).to(x.dtype)
    shift = 1.0 if sizes.kind.norm is Norm.SHIFTED else 0.0
    scale = scale + shift if shift else scale
    return (normed.view(len(scale), -1, *x.shape[1:]) * scale[:, None, None, None]).view(x.shape)


def _inputs(run: _Pass, at: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of the states x [K, t, width], each [K m, L, heads of its own, size]."""
    sizes, parts = run.sizes, run.sizes.kind.matrices
    counts, size = (sizes.heads, sizes.kv_heads, sizes.kv_heads), sizes.head_size
    if DecoderMatrix.QKV_BY_HEAD in parts:
        whole = run.product(x, f"{at}.{parts[DecoderMatrix.QKV_BY_HEAD]}").view(*run.rows, sizes.heads, 3, size)
        q, k, v = whole.unbind(3)
        return q, k, v
    if DecoderMatrix.QKV in parts:
        whole = run.product(x, f"{at}.{parts[DecoderMatrix.QKV]}")
        whole = whole.view(*run.rows, sum(counts), size)
        q, k, v = (whole.narrow(2, sum(counts[:at]), count) for at, count in enumerate(counts))
        return q, k, v

    def heads(part: DecoderMatrix, count: int) -> Tensor:
        projected = run.product(x, f"{at}.{parts[part]}")
        norm = f"{at}.self_attn.{part.value}_norm.weight"
        if sizes.qk_norm and part is not DecoderMatrix.V and sizes.qk_norm != PER_HEAD:
            projected = _normed(projected, run.weight(norm), sizes)
        each = projected.view(*run.rows, count, size)
        if sizes.qk_norm == PER_HEAD and part is not DecoderMatrix.V:
            each = _normed_heads(each, run.weight(norm), sizes)
        return each

    return heads(DecoderMatrix.Q, counts[0]), heads(DecoderMatrix.K, counts[1]), heads(DecoderMatrix.V, counts[2])


def _attention(run: _Pass, layer: int, x: Tensor) -> Tensor:
    sizes, at = run.sizes, f"{run.sizes.kind.layers}.{layer}"
    windowed = sizes.is_windowed(layer)
    q, k, v = (part.transpose(1, 2) for part in _inputs(run, at, x))
    if not sizes.kind.positions:
        rotations = run.near if windowed else run.far
        q, k = _rotated(q, *rotations), _rotated(k, *rotations)
    if sizes.kv_heads != sizes.heads:
        k, v = (part.repeat_interleave(sizes.heads // sizes.kv_heads, dim=1) for part in (k, v))
    seen = run.seen if windowed else None
    scale = sizes.query_scale**-0.5 if sizes.query_scale else None
    if sizes.attention_cap:
        mixed = _capped_attention(q, k, v, seen, scale or sizes.head_size**-0.5, sizes.attention_cap)
    else:
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None, scale=scale)
    joined = mixed.transpose(1, 2).reshape(*x.shape[:2], sizes.heads * sizes.head_size)
    return run.product(joined, f"{at}.{sizes.kind.matrices[DecoderMatrix.O]}")


def _capped_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None, scale: float, cap: float) -> Tensor:
    """Attention [K m, heads, L, size] whose scores are bent below a cap before the tokens that come are hidden."""
    length = q.shape[2]
    seen = _window(length, length, q.device) if seen is None else seen
    scores = _bent(torch.matmul(q, k.transpose(2, 3)) * scale, cap).masked_fill(~seen, -torch.inf)
    return torch.matmul(torch.softmax(scores, dim=3, dtype=torch.float32).to(v.dtype), v)


def _bent(x: Tensor, cap: float) -> Tensor:
    return torch.tanh(x / cap) * cap if cap else x


def _window(window: int, length: int, device: torch.device) -> Tensor:
    """Which tokens each looks at, bool[L, L]: itself and those before it, ``window`` in all."""
    at = torch.arange(length, device=device)
    back = at[:, None] - at[None, :]
    return (back >= 0) & (back < window)


def _rotations(sizes: DecoderSizes, length: int, device: torch.device, base: float) -> Rotations:
    """Cosines and sines [L, rotated] of rotary positions (Su et al. 2021), in the halves' order."""
    rotated = sizes.rotated or sizes.head_size
    half = torch.arange(0, rotated, 2, dtype=torch.float64) / rotated
    speeds = _stretched(sizes, torch.exp(-math.log(base) * half))
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
    rotated = cosine.shape[1]
    if rotated < x.shape[-1]:
        return torch.cat([_rotated(x[..., :rotated], cosine, sine), x[..., rotated:]], dim=-1)
    first, second = x.chunk(2, dim=-1)
    return (x * cosine + torch.cat([-second, first], dim=-1) * sine).to(x.dtype)
