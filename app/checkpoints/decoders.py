"""Causal decoders: which family a folder's ``config.json`` describes, and its sizes as learner ``lm`` takes them. Pure.

What the families differ in is data (``contract.architectures.decoder_families``); here each one's configuration is
read. A model that would not be computed exactly as it was trained is refused with what differs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.checkpoints.configs import (
    DeclaredConfig,
    DecoderConfig,
    GemmaConfig,
    Gpt2Config,
    GptNeoxConfig,
    HeadConfig,
    RopeConfig,
    read_config,
)
from app.checkpoints.families import Family, Variant, check_declared, plain
from app.checkpoints.published import published
from app.errors import InvalidData
from contract.architectures import decoder_families as kinds
from contract.architectures.decoder import ALIGNMENT, PER_HEAD, WHOLE, DecoderSizes
from contract.architectures.model_folder import Shapes
from contract.architectures.published import PUBLISHED

_NO_ARRAYS: Shapes = {}
_WINDOWED = ("Qwen2ForCausalLM", "Qwen3ForCausalLM")  # by a switch of their own
_SLIDING, _FULL = "sliding_attention", "full_attention"
_WHOLE_ROTATION = 1.0

Reader = Callable[[Mapping[str, Any], str, str], tuple[DecoderSizes, int]]


def decoder(config: Mapping[str, Any], name: str, arrays: Shapes = _NO_ARRAYS) -> Family:
    """A causal decoder whose weights have the names and shapes of ``arrays``; raises InvalidData. The families that the
    code here computes need none; any other, which transformers computes, is known by its own."""
    check_declared(config, name)
    architectures = read_config(DeclaredConfig, config, name).architectures
    kind = architectures[0] if isinstance(architectures, list) and len(architectures) == 1 else architectures
    if not isinstance(kind, str) or kind not in _DECODERS | PUBLISHED:
        known = ", ".join(dict.fromkeys((*_DECODERS, *PUBLISHED)))
        raise InvalidData(f"{name}: architectures is {architectures}; only {known} are computed here exactly")
    if kind not in _DECODERS:
        return published(config, arrays, name)
    read, title = _DECODERS[kind]
    try:
        sizes, vocabulary = read(config, name, title)
    except Variant as variant:
        if kind not in PUBLISHED:
            raise
        try:
            return published(config, arrays, name)
        except InvalidData as fault:
            raise InvalidData(f"{variant.detail}, and not by transformers' own code: {fault.detail}") from None
    _check_alignment(sizes, name)
    shapes = dict(sizes.shapes(vocabulary))
    parameters = float(sum(math.prod(shape) for shape in shapes.values()))
    # some exporters write the shared matrix twice
    spare = (sizes.kind.head,) if sizes.tied else ()
    added = f"{sizes.kind.layers.partition('.')[0]}." if sizes.family == kinds.GPT2 else ""
    label = "llama" if sizes.family == kinds.LLAMA else sizes.kind.title.lower().replace(" ", "")
    return Family(label, sizes, shapes, vocabulary, sizes.width, parameters, spare, added=added)


def _llama(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    """Llama and what is computed as it is, with a window (Mistral), biases (Qwen2) or norms of heads (Qwen3)."""
    read = read_config(DecoderConfig, config, name)
    kind = f"{title}ForCausalLM"
    own_head = read_config(HeadConfig, config, name).head_dim if title == "Qwen3" else 0
    usual = _head_of(read)
    sizes = _sizes(read, name, title, head=own_head, window=kind in _WINDOWED and read.use_sliding_window)
    if title != "Qwen3" and (read.head_dim or usual) != usual:
        plain(name, title, {"head_dim": True})
    window = read.sliding_window or 0
    return replace(
        sizes,
        qkv_bias=int(title == "Qwen2"),
        qk_norm=PER_HEAD if title == "Qwen3" else 0,
        window=_whole_window(window, name) if title == "Mistral" else 0,
    ), read.vocab_size


def _phi3(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    read = read_config(DecoderConfig, {"rms_norm_eps": 1e-5, **config}, name)
    sizes = _sizes(read, name, title, stretched=False)
    window = _whole_window(read.sliding_window or 0, name)
    share = read.rope.partial_rotary_factor or read.partial_rotary_factor or _WHOLE_ROTATION
    return replace(
        sizes, family=kinds.PHI3, window=window, rotated=_rotated(share, sizes.head_size, name)
    ), read.vocab_size


def _olmo2(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    read = read_config(DecoderConfig, {"rms_norm_eps": 1e-5, **config}, name)
    return replace(_sizes(read, name, title), family=kinds.OLMO2, qk_norm=WHOLE), read.vocab_size


def _gemma2(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    read = read_config(GemmaConfig, {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, **config}, name)
    return replace(_gemma(read, name, title, 2), family=kinds.GEMMA2), read.vocab_size


def _gemma3(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    read = read_config(GemmaConfig, {"rope_theta": 1_000_000.0, **config}, name)
    local = read.turned(_SLIDING)
    sizes = replace(
        _gemma(read, name, title, read.sliding_window_pattern or 6),
        family=kinds.GEMMA3,
        qk_norm=PER_HEAD,
        rope_local=local.rope_theta or read.rope_local_base_freq,
    )
    return sizes, read.vocab_size


def _gemma(read: GemmaConfig, name: str, title: str, every: int) -> DecoderSizes:
    layers = range(read.num_hidden_layers)
    usual = [_FULL if (layer + 1) % every == 0 else _SLIDING for layer in layers]
    rope, local = read.turned(_FULL), read.turned(_SLIDING)
    plain(
        name,
        title,
        {
            "hidden_activation": (read.hidden_activation or read.hidden_act) != "gelu_pytorch_tanh",
            "attention_bias": read.attention_bias,
            "rope_parameters": rope.kind != "default" or local.kind != "default",
            "use_bidirectional_attention": read.use_bidirectional_attention,
            "layer_types": read.layer_types is not None and list(read.layer_types) != usual,
        },
    )
    return DecoderSizes(
        layers=read.num_hidden_layers,
        width=read.hidden_size,
        heads=read.num_attention_heads,
        kv_heads=_even(read.num_attention_heads, read.num_key_value_heads, read.head_dim, name),
        inner=read.intermediate_size,
        rope_base=rope.rope_theta or read.rope_theta,
        eps=read.rms_norm_eps,
        tied=int(read.tie_word_embeddings),
        head=read.head_dim,
        window=_whole_window(read.sliding_window, name),
        window_every=every,
        query_scale=read.query_pre_attn_scalar,
        attention_cap=read.attn_logit_softcapping or 0.0,
        output_cap=read.final_logit_softcapping or 0.0,
    )


def _gpt2(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    read = read_config(Gpt2Config, config, name)
    plain(
        name,
        title,
        {
            "activation_function": read.activation_function not in ("gelu_new", "gelu_pytorch_tanh"),
            "scale_attn_weights": not read.scale_attn_weights,
            "scale_attn_by_inverse_layer_idx": read.scale_attn_by_inverse_layer_idx,
            "add_cross_attention": read.add_cross_attention,
        },
    )
    _even_width(read.n_embd, read.n_head, name)
    sizes = DecoderSizes(
        layers=read.n_layer,
        width=read.n_embd,
        heads=read.n_head,
        kv_heads=read.n_head,
        inner=read.n_inner or 4 * read.n_embd,
        eps=read.layer_norm_epsilon,
        tied=int(read.tie_word_embeddings),
        family=kinds.GPT2,
        positions=read.n_positions,
    )
    return sizes, read.vocab_size


def _gpt_neox(config: Mapping[str, Any], name: str, title: str) -> tuple[DecoderSizes, int]:
    read = read_config(GptNeoxConfig, config, name)
    plain(
        name,
        title,
        {
            "hidden_act": read.hidden_act != "gelu",
            "use_parallel_residual": not read.use_parallel_residual,
            "attention_bias": not read.attention_bias,
            "rope_scaling": read.rope.kind != "default",
        },
    )
    heads, width = read.num_attention_heads, read.hidden_size
    _even_width(width, heads, name)
    share = read.rope.partial_rotary_factor or read.rotary_pct
    sizes = DecoderSizes(
        layers=read.num_hidden_layers,
        width=width,
        heads=heads,
        kv_heads=heads,
        inner=read.intermediate_size,
        rope_base=read.rope.rope_theta or read.rotary_emb_base,
        eps=read.layer_norm_eps,
        tied=int(read.tie_word_embeddings),
        family=kinds.GPT_NEOX,
        rotated=_rotated(share, width // heads, name),
    )
    return sizes, read.vocab_size


def _sizes(
    read: DecoderConfig, name: str, title: str, *, head: int = 0, window: bool = False, stretched: bool = True
) -> DecoderSizes:
    """What Llama's kin say alike; ``window`` is whether a sliding window is on that is not computed."""
    by_llama3 = stretched and read.rope.kind == "llama3"
    plain(
        name,
        title,
        {
            "hidden_act": read.hidden_act != "silu",
            "attention_bias": read.attention_bias,
            "mlp_bias": read.mlp_bias,
            "rope_scaling": not (read.rope.kind == "default" or (by_llama3 and _is_whole(read.rope))),
            "sliding_window": window,
        },
    )
    if not head:
        _even_width(read.hidden_size, read.num_attention_heads, name)
    return DecoderSizes(
        layers=read.num_hidden_layers,
        width=read.hidden_size,
        heads=read.num_attention_heads,
        kv_heads=_even(read.num_attention_heads, read.num_key_value_heads, head or _head_of(read), name),
        inner=read.intermediate_size,
        rope_base=read.rope.rope_theta or read.rope_theta,
        eps=read.rms_norm_eps,
        tied=int(read.tie_word_embeddings),
        head=head,
        **(_stretch(read.rope) if by_llama3 else {}),
    )


def _head_of(read: DecoderConfig) -> int:
    return read.hidden_size // read.num_attention_heads


def _check_alignment(sizes: DecoderSizes, name: str) -> None:
    """Raises InvalidData for a width that would not have the same bits in every stack."""
    across = sizes.heads * sizes.head_size
    if sizes.width % ALIGNMENT or across % ALIGNMENT:
        raise InvalidData(
            f"{name}: a width of {sizes.width}, and of {across} in all heads; both are multiples of {ALIGNMENT} here"
        )


def _even(heads: int, kv_heads: int | None, head: int, name: str) -> int:
    """The key-value heads; raises InvalidData where heads do not divide evenly."""
    shared = kv_heads or heads
    if head % 2 or heads % shared:
        raise InvalidData(
            f"{name}: {heads} attention heads of {head} and {shared} key-value heads do not divide evenly"
        )
    return shared


def _even_width(width: int, heads: int, name: str) -> None:
    if width % heads:
        raise InvalidData(f"{name}: {heads} attention heads do not divide a width of {width} evenly")


def _rotated(share: float, head: int, name: str) -> int:
    """How many numbers of a head are rotated; 0: all."""
    rotated = int(head * share)
    if not 2 <= rotated <= head or rotated % 2:
        raise InvalidData(f"{name}: {rotated} of a head's {head} numbers would be rotated; an even number from 2 is")
    return 0 if rotated == head else rotated


def _whole_window(window: Any, name: str) -> int:
    if type(window) is not int or window < 0:
        raise InvalidData(f"{name}: sliding_window must be a whole number above 0, or null; got {window!r}")
    return window


def _is_whole(rope: RopeConfig) -> bool:
    """Whether a stretched rotation says all that it needs."""
    low, high = rope.low_freq_factor, rope.high_freq_factor
    return bool(rope.factor and low and high and high > low and rope.original_max_position_embeddings)


def _stretch(rope: RopeConfig) -> dict[str, Any]:
    return {
        "rope_factor": rope.factor,
        "rope_low": rope.low_freq_factor,
        "rope_high": rope.high_freq_factor,
        "rope_original": rope.original_max_position_embeddings,
    }


_DECODERS: dict[str, tuple[Reader, str]] = {
    "LlamaForCausalLM": (_llama, "Llama"),
    "MistralForCausalLM": (_llama, "Mistral"),
    "Qwen2ForCausalLM": (_llama, "Qwen2"),
    "Qwen3ForCausalLM": (_llama, "Qwen3"),
    "Phi3ForCausalLM": (_phi3, "Phi-3"),
    "Olmo2ForCausalLM": (_olmo2, "OLMo 2"),
    "Gemma2ForCausalLM": (_gemma2, "Gemma 2"),
    "Gemma3ForCausalLM": (_gemma3, "Gemma 3"),
    "GPT2LMHeadModel": (_gpt2, "GPT-2"),
    "GPTNeoXForCausalLM": (_gpt_neox, "GPT-NeoX"),
}
"""The decoders that are computed, by transformers' names: how each one's configuration is read, what it is called."""
