"""The sizes of a causal decoder, and the names and shapes of its weights. Pure; no file and no torch.

The service checks uploaded model folders against them, and the engine lays out and computes its models by them. Names
and shapes are those that Hugging Face gives the family's model (``decoder_families``). The sizes are hyper-parameters
of learner ``lm``.
"""

from dataclasses import dataclass

from contract.architectures.decoder_families import FAMILIES, DecoderFamily, DecoderMatrix, Norm

Shape = tuple[int, ...]
PER_HEAD, WHOLE = 1, 2  # what a norm of queries and keys is of
ALIGNMENT = 32  # of what widths are multiples, so that a product has the same bits in every slot of a stack


@dataclass(frozen=True)
class DecoderSizes:
    """``inner`` is the MLP's width; with ``tied`` 1 the last matrix is the embedding, with ``qkv_bias`` 1 queries, keys
    and values have a bias. Where ``rope_original`` is above 0, rotations are stretched as Llama 3.1's: slow ones by
    ``rope_factor``, those that turn ``rope_low`` to ``rope_high`` times in that many tokens by a part of it. ``head``
    is a head's size where it is not the width divided by the heads; with ``qk_norm`` PER_HEAD the queries and keys of
    each head have a norm, as Qwen3's, with WHOLE all of a token's together, as OLMo 2's.

    ``family`` is a number of ``FAMILIES``. Attention looks back ``window`` tokens, the token itself among them (0:
    all), in all layers but each ``window_every``-th (0: in all); windowed layers rotate by ``rope_local`` (0: as all).
    ``rotated`` numbers of a head are rotated (0: all), ``positions`` are learned (0: none). Scores of attention are
    divided by the root of ``query_scale`` (0: a head's size) and bent below ``attention_cap``, outputs below
    ``output_cap`` (0: not bent)."""

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
    family: int = 0
    window: int = 0
    window_every: int = 0
    rope_local: float = 0.0
    rotated: int = 0
    positions: int = 0
    query_scale: float = 0.0
    attention_cap: float = 0.0
    output_cap: float = 0.0

    @property
    def kind(self) -> DecoderFamily:
        return FAMILIES[self.family]

    @property
    def head_size(self) -> int:
        return self.head or self.width // self.heads

    @property
    def holds_scores(self) -> bool:
        """Whether attention's scores are held as such: as products, bent, hidden and as weights."""
        return bool(self.attention_cap)

    def is_windowed(self, layer: int) -> bool:
        """Whether attention of a layer looks back no further than the window."""
        return bool(self.window) and not (self.window_every and (layer + 1) % self.window_every == 0)

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Shapes [out, in] of the matrices of one layer, by name."""
        kv, every = self.kv_heads * self.head_size, self.heads * self.head_size
        shapes = {
            DecoderMatrix.Q: (every, self.width),
            DecoderMatrix.K: (kv, self.width),
            DecoderMatrix.V: (kv, self.width),
            DecoderMatrix.QKV: (every + 2 * kv, self.width),
            DecoderMatrix.QKV_BY_HEAD: (3 * every, self.width),
            DecoderMatrix.O: (self.width, every),
            DecoderMatrix.GATE: (self.inner, self.width),
            DecoderMatrix.UP: (self.inner, self.width),
            DecoderMatrix.GATE_UP: (2 * self.inner, self.width),
            DecoderMatrix.DOWN: (self.width, self.inner),
        }
        return {name: shapes[part] for part, name in self.kind.matrices.items()}

    def projections(self) -> list[tuple[str, tuple[int, int]]]:
        """Names (without ``.weight``) and shapes [out, in] of the matrices of all layers; adapters go beside them."""
        parts = self.matrices()
        return [
            (f"{self.kind.layers}.{layer}.{part}", shape)
            for layer in range(self.layers)
            for part, shape in parts.items()
        ]

    def shapes(self, vocabulary: int) -> list[tuple[str, Shape]]:
        """Every weight's name and shape, in the order of the engine's layout."""
        kind = self.kind
        shapes: list[tuple[str, Shape]] = [(kind.embedding, (vocabulary, self.width))]
        if kind.positions:
            shapes.append((kind.positions, (self.positions, self.width)))
        for layer in range(self.layers):
            at = f"{kind.layers}.{layer}"
            for norm in kind.norms():
                shapes += self._norm(f"{at}.{norm}")
            if self.qk_norm:
                sides = (1, 1) if self.qk_norm == PER_HEAD else (self.heads, self.kv_heads)
                shapes += [
                    (f"{at}.self_attn.{part}_norm.weight", (heads * self.head_size,))
                    for part, heads in zip("qk", sides, strict=True)
                ]
        shapes += [
            (f"{name}.weight", (into, out) if kind.transposed else (out, into))
            for name, (out, into) in self.projections()
        ]
        shapes += [(f"{name}.bias", (out,)) for name, (out, _) in self.projections() if self.has_bias(name)]
        shapes += self._norm(kind.last_norm)
        if not self.tied:
            shapes.append((kind.head, (vocabulary, self.width)))
        return shapes

    def has_bias(self, projection: str) -> bool:
        """Whether a matrix has a bias."""
        return self.kind.biased or (bool(self.qkv_bias) and projection.endswith(("q_proj", "k_proj", "v_proj")))

    def _norm(self, name: str) -> list[tuple[str, Shape]]:
        parts = ("weight", "bias") if self.kind.norm is Norm.LAYER else ("weight",)
        return [(f"{name}.{part}", (self.width,)) for part in parts]

    def multiplications(self, vocabulary: int) -> float:
        """Multiplications of one token's forward pass through the matrices, the head included."""
        return float(sum(out * into for _, (out, into) in self.projections()) + vocabulary * self.width)
