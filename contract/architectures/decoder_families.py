"""Families of causal decoders as data: what their weights are called, which norms stand where, how attention's inputs
are laid out, and which function the MLP has. Pure.

Names are those that Hugging Face's transformers gives. A family is a number in the sizes of a model, because sizes are
hyper-parameters of learner ``lm``; the numbers never change. Llama's covers Mistral, Qwen2, Qwen3 and SmolLM.
"""

from dataclasses import dataclass, field
from enum import Enum


class Norm(Enum):
    """RMS: of the mean square (Zhang and Sennrich 2019). SHIFTED: the same, its scale stored less one. LAYER: with mean
    and bias (Ba et al. 2016)."""

    RMS = "rms"
    SHIFTED = "shifted"
    LAYER = "layer"


class Activation(Enum):
    SILU = "silu"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"


class DecoderMatrix(Enum):
    """What a matrix of a layer makes. QKV holds queries, keys and values in this order, QKV_BY_HEAD those of each head
    together; GATE_UP the gate and then what it lets through."""

    Q = "q"
    K = "k"
    V = "v"
    QKV = "qkv"
    QKV_BY_HEAD = "qkv_by_head"
    O = "o"  # noqa: E741 - what papers call it
    GATE = "gate"
    UP = "up"
    GATE_UP = "gate_up"
    DOWN = "down"


_SPLIT_ATTENTION = {
    DecoderMatrix.Q: "self_attn.q_proj",
    DecoderMatrix.K: "self_attn.k_proj",
    DecoderMatrix.V: "self_attn.v_proj",
    DecoderMatrix.O: "self_attn.o_proj",
}
_SPLIT_MLP = {DecoderMatrix.GATE: "mlp.gate_proj", DecoderMatrix.UP: "mlp.up_proj", DecoderMatrix.DOWN: "mlp.down_proj"}


@dataclass(frozen=True)
class DecoderFamily:
    """``matrices`` are a layer's, by what they make; without GATE or GATE_UP the MLP has no gate. A norm's name is
    empty where there is none: before and after attention, before and after the MLP. ``parallel``: MLP and attention
    read the same state. ``biased``: all matrices have biases; ``transposed``: they lie [in, out]."""

    title: str
    matrices: dict[DecoderMatrix, str] = field(default_factory=lambda: _SPLIT_ATTENTION | _SPLIT_MLP)
    layers: str = "model.layers"
    embedding: str = "model.embed_tokens.weight"
    positions: str = ""
    last_norm: str = "model.norm"
    head: str = "lm_head.weight"
    before_attention: str = "input_layernorm"
    after_attention: str = ""
    before_mlp: str = "post_attention_layernorm"
    after_mlp: str = ""
    norm: Norm = Norm.RMS
    activation: Activation = Activation.SILU
    scaled_embedding: bool = False
    parallel: bool = False
    biased: bool = False
    transposed: bool = False

    def norms(self) -> list[str]:
        """The names of one layer's norms of whole states."""
        return [n for n in (self.before_attention, self.after_attention, self.before_mlp, self.after_mlp) if n]


def _gemma(title: str) -> DecoderFamily:
    return DecoderFamily(
        title,
        after_attention="post_attention_layernorm",
        before_mlp="pre_feedforward_layernorm",
        after_mlp="post_feedforward_layernorm",
        norm=Norm.SHIFTED,
        activation=Activation.GELU_TANH,
        scaled_embedding=True,
    )


LLAMA, PHI3, OLMO2, GEMMA2, GEMMA3, GPT2, GPT_NEOX = range(7)
FAMILIES: tuple[DecoderFamily, ...] = (
    DecoderFamily("Llama"),
    DecoderFamily(
        "Phi-3",
        {
            DecoderMatrix.QKV: "self_attn.qkv_proj",
            DecoderMatrix.O: "self_attn.o_proj",
            DecoderMatrix.GATE_UP: "mlp.gate_up_proj",
            DecoderMatrix.DOWN: "mlp.down_proj",
        },
    ),
    DecoderFamily(
        "OLMo 2",
        before_attention="",
        after_attention="post_attention_layernorm",
        before_mlp="",
        after_mlp="post_feedforward_layernorm",
    ),
    _gemma("Gemma 2"),
    _gemma("Gemma 3"),
    DecoderFamily(
        "GPT-2",
        {
            DecoderMatrix.QKV: "attn.c_attn",
            DecoderMatrix.O: "attn.c_proj",
            DecoderMatrix.UP: "mlp.c_fc",
            DecoderMatrix.DOWN: "mlp.c_proj",
        },
        layers="transformer.h",
        embedding="transformer.wte.weight",
        positions="transformer.wpe.weight",
        last_norm="transformer.ln_f",
        before_attention="ln_1",
        before_mlp="ln_2",
        norm=Norm.LAYER,
        activation=Activation.GELU_TANH,
        biased=True,
        transposed=True,
    ),
    DecoderFamily(
        "GPT-NeoX",
        {
            DecoderMatrix.QKV_BY_HEAD: "attention.query_key_value",
            DecoderMatrix.O: "attention.dense",
            DecoderMatrix.UP: "mlp.dense_h_to_4h",
            DecoderMatrix.DOWN: "mlp.dense_4h_to_h",
        },
        layers="gpt_neox.layers",
        embedding="gpt_neox.embed_in.weight",
        last_norm="gpt_neox.final_layer_norm",
        head="embed_out.weight",
        norm=Norm.LAYER,
        activation=Activation.GELU,
        parallel=True,
        biased=True,
    ),
)
_TWICE = ("c_proj", "Wo")  # GPT-2 and ModernBERT call a matrix of attention so, and one of the MLP


def kind_of(matrix: str) -> str:
    """What hyper-parameters call a matrix of this name: its last part, and where it stands if that is of two."""
    before, _, last = matrix.rpartition(".")
    return f"{before.rpartition('.')[2]}_{last}" if last in _TWICE else last


KINDS: tuple[str, ...] = tuple(
    dict.fromkeys(kind_of(matrix) for family in FAMILIES for matrix in family.matrices.values())
)
