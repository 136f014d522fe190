"""Causal decoders that transformers' own code computes: which these are, and the sizes of one by its arrays. Pure.

Beside the families that are computed here (``decoder_families``), a worker runs transformers' modelling code with
stacked adapters in place of its linear layers. The service has no torch and knows such a model by its ``config.json``
and the names and shapes of its arrays; adapters stand beside every matrix of a layer. Each model named here was held to
transformers' own outputs, and to the same bits in every stack, on drawn weights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.architectures.decoder import DecoderSizes
from contract.architectures.model_folder import read_sizes

EXTRA = "cherish[models]"
# a base's configuration travels among its weights under this name, as bytes
CONFIG_ARRAY = "config.json"
# transformers' class -> the model_type of its configuration
PUBLISHED: dict[str, str] = {
    "ApertusForCausalLM": "apertus",
    "ArceeForCausalLM": "arcee",
    "BioGptForCausalLM": "biogpt",
    "BloomForCausalLM": "bloom",
    "CodeGenForCausalLM": "codegen",
    "CohereForCausalLM": "cohere",
    "Cohere2ForCausalLM": "cohere2",
    "CwmForCausalLM": "cwm",
    "Ernie4_5ForCausalLM": "ernie4_5",
    "Exaone4ForCausalLM": "exaone4",
    "FalconForCausalLM": "falcon",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text",
    "GlmForCausalLM": "glm",
    "Glm4ForCausalLM": "glm4",
    "GPTBigCodeForCausalLM": "gpt_bigcode",
    "GPTJForCausalLM": "gptj",
    "GPTNeoForCausalLM": "gpt_neo",
    "GPTNeoXForCausalLM": "gpt_neox",
    "GraniteForCausalLM": "granite",
    "HeliumForCausalLM": "helium",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "ModernBertDecoderForCausalLM": "modernbert-decoder",
    "MptForCausalLM": "mpt",
    "NemotronForCausalLM": "nemotron",
    "OlmoForCausalLM": "olmo",
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo3",
    "OPTForCausalLM": "opt",
    "PersimmonForCausalLM": "persimmon",
    "PhiForCausalLM": "phi",
    "Phi3ForCausalLM": "phi3",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "SeedOssForCausalLM": "seed_oss",
    "SmolLM3ForCausalLM": "smollm3",
    "StableLmForCausalLM": "stablelm",
    "Starcoder2ForCausalLM": "starcoder2",
    "XGLMForCausalLM": "xglm",
}
# encoders of texts: what transformers' classes begin with -> the model_type, and what names begin with under a head
ENCODERS: dict[str, tuple[str, str]] = {
    "Electra": ("electra", "electra."),
    "ModernBert": ("modernbert", "model."),
}
# matrices of their layers that the families of this code do not have, by the last part of their names
PUBLISHED_KINDS = ("Wi", "attn_Wo", "mlp_Wo", "Wqkv", "fc1", "fc2", "fc_in", "fc_out", "out_proj")
# what configurations call a number of layers, a state's width, and so on
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
WIDTHS = ("hidden_size", "n_embd", "d_model")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")
_WEIGHT = ".weight"
_LAYER = re.compile(r"^(?P<at>.*?)\.(?P<layer>[0-9]+)\.(?P<part>.+)$")


def in_layer(name: str) -> tuple[int, str] | None:
    """The layer that an array's name says, and the name's rest; None outside the layers."""
    found = _LAYER.match(name)
    return (int(found["layer"]), found["part"]) if found else None


@dataclass(frozen=True)
class PublishedSizes:
    """A decoder of transformers: ``linear`` are the matrices of its layers as (name, out, in), ``inner`` the longest
    side of them, ``positions`` the most tokens that it was made for (0: not said)."""

    architecture: str
    layers: int
    width: int
    heads: int
    inner: int
    linear: tuple[tuple[str, int, int], ...]
    positions: int = 0

    @property
    def holds_scores(self) -> bool:
        """Whether attention's scores may be held as such: some of transformers' models do."""
        return True

    def projections(self) -> list[tuple[str, tuple[int, int]]]:
        """Names (without ``.weight``) and shapes [out, in] of the matrices that adapters go beside."""
        return [(name, (out, into)) for name, out, into in self.linear]

    def multiplications(self, vocabulary: int) -> float:
        """Multiplications of one token's forward pass through the matrices, the head included."""
        return float(sum(out * into for _, out, into in self.linear) + vocabulary * self.width)


@dataclass(frozen=True)
class PublishedEncoderSizes(PublishedSizes):
    """An encoder of texts of transformers; ``pooling`` is as of ``bert``."""

    pooling: int = 0


AnySizes = DecoderSizes | PublishedSizes


def published_sizes(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> PublishedSizes:
    """The sizes of the model of a checked ``config.json`` with arrays of these shapes."""
    linear = _linear(shapes)
    layers = 1 + max((layer for layer, _ in filter(None, map(in_layer, shapes))), default=-1)
    return PublishedSizes(
        architecture=str(config["architectures"][0]),
        layers=layers,
        width=setting(config, WIDTHS),
        heads=setting(config, HEADS),
        inner=max((max(out, into) for _, out, into in linear), default=0),
        positions=setting(config, POSITIONS),
        linear=linear,
    )


def setting(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """A whole number that families call by one of several names; 0 where none says it."""
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and value > 0), 0)


def encoder_of(config: Mapping[str, Any]) -> str | None:
    """What the classes of the encoder begin with that a ``config.json`` names; None where it names none of these."""
    architectures, model_type = config.get("architectures"), config.get("model_type")
    named = str(architectures[0]) if isinstance(architectures, list) and len(architectures) == 1 else ""
    fitting = (kind for kind, (own, _) in ENCODERS.items() if own == model_type)
    return next((kind for kind in fitting if named.startswith((f"{kind}Model", f"{kind}For"))), None)


def _linear(shapes: Mapping[str, tuple[int, ...]]) -> tuple[tuple[str, int, int], ...]:
    """The matrices of the layers, layer by layer and in the order of names."""
    entries = []
    for name, shape in shapes.items():
        place = in_layer(name)
        if place and name.endswith(_WEIGHT) and len(shape) == 2:
            entries.append((*place, (name.removesuffix(_WEIGHT), shape[0], shape[1])))
    return tuple(entry for _, _, entry in sorted(entries))


def published_class(stored: Mapping[str, Any]) -> str | None:
    """transformers' class of stored sizes; None where the code here computes the model."""
    return str(stored["architecture"]) if "linear" in stored else None


def decoder_sizes(stored: Mapping[str, Any]) -> AnySizes:
    """The sizes of a decoder from the plain JSON that is stored with a checkpoint."""
    return PublishedSizes(**_stored(stored)) if "linear" in stored else read_sizes(DecoderSizes, stored)


def encoder_sizes(stored: Mapping[str, Any]) -> PublishedEncoderSizes:
    """The same of an encoder that transformers computes."""
    return PublishedEncoderSizes(**_stored(stored))


def _stored(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {**stored, "linear": tuple((str(name), int(out), int(into)) for name, out, into in stored["linear"])}
