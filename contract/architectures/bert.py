"""The sizes of an encoder of the BERT family, and the names and shapes of its weights. Pure; no file and no torch.

The service checks uploaded model folders against them, and the engine computes its models by them. Names and shapes are
those that Hugging Face gives ``BertModel``; RoBERTa, XLM-RoBERTa, DistilBERT and MPNet are computed by the same code,
and their weights go by these names once they are read (``app.checkpoints.text_encoders``).
"""

from dataclasses import dataclass

from contract.architectures.model_folder import Shapes

WORDS, POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
TYPES, EMBEDDING_NORM = "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm"
RELATIVE = "encoder.relative_attention_bias.weight"
LAYERS = "encoder.layer"
QUERY, KEY, VALUE = (f"attention.self.{part}" for part in ("query", "key", "value"))
MIXED, MIXED_NORM = "attention.output.dense", "attention.output.LayerNorm"
INNER, OUTER, OUTER_NORM = "intermediate.dense", "output.dense", "output.LayerNorm"
# the matrices of one layer, in the order of the engine's layout
MATRICES = (QUERY, KEY, VALUE, MIXED, INNER, OUTER)
# how the states of a text's tokens become its features; the mean is what everybody trains who does not say otherwise
MEAN, FIRST, LARGEST = 0, 1, 2


@dataclass(frozen=True)
class BertSizes:
    """An encoder of texts of the BERT family; ``positions`` is the most tokens that it takes.

    ``types`` 0: no vectors of token types. ``offset`` rows of the positions' table come before that of a text's first
    token; ``buckets`` of relative positions have a bias in attention (0: none). ``pooling`` is MEAN, FIRST or LARGEST.
    """

    layers: int
    width: int
    heads: int
    inner: int
    positions: int
    types: int
    eps: float
    offset: int = 0
    buckets: int = 0
    pooling: int = MEAN

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Shapes [out, in] of the matrices of one layer, by name."""
        ends = {INNER: (self.inner, self.width), OUTER: (self.width, self.inner)}
        return {name: ends.get(name, (self.width, self.width)) for name in MATRICES}

    def shapes(self, vocabulary: int) -> Shapes:
        """Every weight's shape, by name."""
        shapes: Shapes = {
            WORDS: (vocabulary, self.width),
            POSITIONS: (self.positions + self.offset, self.width),
            **({TYPES: (self.types, self.width)} if self.types else {}),
            **({RELATIVE: (self.buckets, self.heads)} if self.buckets else {}),
            **_norm(EMBEDDING_NORM, self.width),
        }
        for at in (f"{LAYERS}.{layer}" for layer in range(self.layers)):
            for part, (out, into) in self.matrices().items():
                shapes |= {f"{at}.{part}.weight": (out, into), f"{at}.{part}.bias": (out,)}
            shapes |= _norm(f"{at}.{MIXED_NORM}", self.width) | _norm(f"{at}.{OUTER_NORM}", self.width)
        return shapes


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias")}
