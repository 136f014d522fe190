"""The sizes of a decoder of the Llama family (Llama, Mistral without a window, Qwen2, Qwen3), and the names and shapes
of its weights. Pure; no file and no torch.

The service checks uploaded model folders against them, and the engine lays out and computes its models by them. Names
and shapes are those that Hugging Face gives ``LlamaForCausalLM``. The sizes are hyper-parameters of learner ``lm``.
"""

from dataclasses import dataclass

Shape = tuple[int, ...]
EMBEDDING, HEAD, LAST_NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"


@dataclass(frozen=True)
class DecoderSizes:
    """``inner`` is the MLP's width; with ``tied`` 1 the last matrix is the embedding, with ``qkv_bias`` 1 queries, keys
    and values have a bias. Where ``rope_original`` is above 0, rotations are stretched as Llama 3.1's: slow ones by
    ``rope_factor``, those that turn ``rope_low`` to ``rope_high`` times in that many tokens by a part of it. ``head``
    is a head's size where it is not the width divided by the heads; with ``qk_norm`` 1 the queries and keys of each
    head have a norm, as Qwen3's."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    rope_base: float = 10000.0
    eps: float = 1e-5
    tied: int = 1
    qkv_bias: int = 0
    rope_factor: float = 1.0
    rope_low: float = 1.0
    rope_high: float = 4.0
    rope_original: int = 0
    head: int = 0
    qk_norm: int = 0

    @property
    def head_size(self) -> int:
        return self.head or self.width // self.heads

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Shapes [out, in] of the matrices of one layer, by name."""
        kv, every = self.kv_heads * self.head_size, self.heads * self.head_size
        return {
            "self_attn.q_proj": (every, self.width),
            "self_attn.k_proj": (kv, self.width),
            "self_attn.v_proj": (kv, self.width),
            "self_attn.o_proj": (self.width, every),
            "mlp.gate_proj": (self.inner, self.width),
            "mlp.up_proj": (self.inner, self.width),
            "mlp.down_proj": (self.width, self.inner),
        }

    def projections(self) -> list[tuple[str, tuple[int, int]]]:
        """Names (without ``.weight``) and shapes [out, in] of the matrices of all layers; adapters go beside them."""
        parts = self.matrices()
        return [
            (f"model.layers.{layer}.{part}", shape) for layer in range(self.layers) for part, shape in parts.items()
        ]

    def shapes(self, vocabulary: int) -> list[tuple[str, Shape]]:
        """Every weight's name and shape, in the order of the engine's layout."""
        shapes: list[tuple[str, Shape]] = [(EMBEDDING, (vocabulary, self.width))]
        for layer in range(self.layers):
            shapes += [
                (f"model.layers.{layer}.{norm}.weight", (self.width,))
                for norm in ("input_layernorm", "post_attention_layernorm")
            ]
            if self.qk_norm:
                shapes += [(f"model.layers.{layer}.self_attn.{part}_norm.weight", (self.head_size,)) for part in "qk"]
        shapes += [(f"{name}.weight", shape) for name, shape in self.projections()]
        if self.qkv_bias:
            shapes += [
                (f"{name}.bias", (out,))
                for name, (out, _) in self.projections()
                if name.endswith(("q_proj", "k_proj", "v_proj"))
            ]
        shapes.append((LAST_NORM, (self.width,)))
        if not self.tied:
            shapes.append((HEAD, (vocabulary, self.width)))
        return shapes

    def multiplications(self, vocabulary: int) -> float:
        """Multiplications of one token's forward pass through the matrices, the head included."""
        return float(sum(out * into for _, (out, into) in self.projections()) + vocabulary * self.width)
