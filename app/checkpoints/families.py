"""Model families: what a folder's ``config.json`` says of the model, and which weights then belong to it. Pure.

What would not be computed exactly as it was trained is refused with what differs. Names and shapes of weights are those
of the libraries that write such folders; one test holds each family's table to the code that computes it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.errors import InvalidData

Shapes = dict[str, tuple[int, ...]]
MAX_VOCABULARY = 1 << 24
MAX_LAYERS = 1_000
BYTES = 256


@dataclass(frozen=True)
class Family:
    """A model by its sizes. ``width`` is that of a row of features, ``multiplications`` what one row (of text:
    one token) takes; ``spare`` are beginnings of names that some writers add, ``prefix`` what they put before all."""

    name: str
    sizes: dict[str, Any]
    shapes: Shapes
    vocabulary: int = 0
    width: int = 0
    multiplications: float = 0.0
    spare: tuple[str, ...] = ()
    prefix: str = ""

    def plain_name(self, label: str) -> str:
        """A weight's name without what a model with a head puts before it."""
        return label.removeprefix(self.prefix)

    def is_spare(self, label: str) -> bool:
        """Whether a weight belongs to a head that is not used here."""
        return bool(self.spare) and label.startswith(self.spare)

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())


def llama(config: Mapping[str, Any], name: str) -> Family:
    """A causal decoder of the Llama family, its sizes as hyper-parameters of learner ``lm``; raises InvalidData."""
    no_code(config, name)
    if config.get("architectures") != ["LlamaForCausalLM"]:
        raise InvalidData(
            f"{name}: architectures is {config.get('architectures')}; only LlamaForCausalLM is computed here exactly"
        )
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise InvalidData(f"{name}: rope_parameters is no object; save the model again")
    kind = rope.get("rope_type", rope.get("type", "default"))
    heads, width = whole(config, "num_attention_heads", name), whole(config, "hidden_size", name)
    plain(
        name,
        "Llama",
        {
            "hidden_act": config.get("hidden_act", "silu") != "silu",
            "attention_bias": bool(config.get("attention_bias")),
            "mlp_bias": bool(config.get("mlp_bias")),
            "rope_scaling": kind != "default",
            "head_dim": (config.get("head_dim") or width // heads) != width // heads,
            "quantization_config": bool(config.get("quantization_config")),
        },
    )
    kv_heads = whole(config, "num_key_value_heads", name) if config.get("num_key_value_heads") else heads
    if width % heads or (width // heads) % 2 or heads % kv_heads:
        raise InvalidData(
            f"{name}: {heads} attention heads and {kv_heads} key-value heads do not divide a width of {width} evenly"
        )
    sizes: dict[str, Any] = {
        "layers": whole(config, "num_hidden_layers", name, MAX_LAYERS),
        "width": width,
        "heads": heads,
        "kv_heads": kv_heads,
        "inner": whole(config, "intermediate_size", name),
        "rope_base": number(rope.get("rope_theta", config.get("rope_theta", 10000.0)), "rope_theta", name),
        "eps": number(config.get("rms_norm_eps", 1e-6), "rms_norm_eps", name),
        "tied": int(bool(config.get("tie_word_embeddings", False))),
    }
    vocabulary = whole(config, "vocab_size", name, MAX_VOCABULARY)
    shapes = _llama_shapes(sizes, vocabulary)
    # some exporters write the shared matrix twice
    spare = ("lm_head.weight",) if sizes["tied"] else ()
    found = Family("llama", sizes, shapes, vocabulary, width, spare=spare)
    return replace(found, multiplications=float(found.parameters))


def llama_projections(sizes: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Shapes [out, in] of the matrices that adapters sit beside, by name."""
    width, inner = int(sizes["width"]), int(sizes["inner"])
    kv = int(sizes["kv_heads"]) * (width // int(sizes["heads"]))
    parts = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (kv, width),
        "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    return {
        f"model.layers.{layer}.{part}": shape for layer in range(int(sizes["layers"])) for part, shape in parts.items()
    }


def _llama_shapes(sizes: Mapping[str, Any], vocabulary: int) -> Shapes:
    width = int(sizes["width"])
    shapes: Shapes = {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (width,)}
    for layer in range(int(sizes["layers"])):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"model.layers.{layer}.{norm}.weight"] = (width,)
    shapes |= {f"{each}.weight": shape for each, shape in llama_projections(sizes).items()}
    if not sizes["tied"]:
        shapes["lm_head.weight"] = (vocabulary, width)
    return shapes


def adapter_shapes(sizes: Mapping[str, Any], rank: int) -> Shapes:
    """The arrays of LoRA adapters beside every projection of a Llama, named as PEFT names them."""
    shapes: Shapes = {}
    for each, (out, into) in llama_projections(sizes).items():
        shapes[f"base_model.model.{each}.lora_A.weight"] = (rank, into)
        shapes[f"base_model.model.{each}.lora_B.weight"] = (out, rank)
    return shapes


def adapter_sizes(config: Mapping[str, Any], name: str) -> dict[str, float | int | str]:
    """Rank and alpha of a plain PEFT LoRA adapter on all projections; raises InvalidData for any other kind."""
    if config.get("peft_type") != "LORA":
        raise InvalidData(f"{name}: peft_type is {config.get('peft_type')!r}; only LORA is read")
    unusual = ("use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern")
    odd = [each for each in unusual if config.get(each)]
    if odd or config.get("bias", "none") != "none":
        raise InvalidData(f"{name}: {', '.join(odd) or 'bias'} is set; train a plain LoRA adapter without it")
    targets = config.get("target_modules") or []
    smallest = {"width": 2, "heads": 1, "kv_heads": 1, "inner": 1, "layers": 1}
    wanted = {each.split(".")[-1] for each in llama_projections(smallest)}
    if targets != "all-linear" and {str(each).split(".")[-1] for each in targets} != wanted:
        raise InvalidData(
            f"{name}: the adapter sits beside {', '.join(sorted(map(str, targets)))}; here adapters sit beside all of"
            f" {', '.join(sorted(wanted))}: train it with target_modules='all-linear'"
        )
    alpha = number(config.get("lora_alpha", 8.0), "lora_alpha", name)
    return {"rank": whole(config, "r", name), "alpha": alpha}


def bert(config: Mapping[str, Any], name: str) -> Family:
    """An encoder of texts of the BERT family; a head that it was saved with is passed over. Raises InvalidData."""
    no_code(config, name)
    kinds = config.get("architectures")
    kind = kinds[0] if isinstance(kinds, list) and len(kinds) == 1 else kinds
    if config.get("model_type") != "bert" or not (isinstance(kind, str) and kind.startswith(("BertModel", "BertFor"))):
        raise InvalidData(
            f"{name}: architectures is {kinds} of model_type {config.get('model_type')!r}; only BertModel, with or "
            "without a head, is computed here exactly"
        )
    heads, width = whole(config, "num_attention_heads", name), whole(config, "hidden_size", name)
    plain(
        name,
        "BERT",
        {
            "hidden_act": config.get("hidden_act", "gelu") != "gelu",
            "is_decoder": bool(config.get("is_decoder")),
            "position_embedding_type": config.get("position_embedding_type", "absolute") != "absolute",
            "num_attention_heads": width % heads != 0,
            "quantization_config": bool(config.get("quantization_config")),
        },
    )
    sizes: dict[str, Any] = {
        "layers": whole(config, "num_hidden_layers", name, MAX_LAYERS),
        "width": width,
        "heads": heads,
        "inner": whole(config, "intermediate_size", name),
        "positions": whole(config, "max_position_embeddings", name),
        "types": whole(config, "type_vocab_size", name),
        "eps": number(config.get("layer_norm_eps", 1e-12), "layer_norm_eps", name),
    }
    vocabulary = whole(config, "vocab_size", name, MAX_VOCABULARY)
    shapes = _bert_shapes(sizes, vocabulary)
    prefix = "" if kind == "BertModel" else "bert."
    spare = tuple(
        f"{before}{each}" for before in ("", prefix) for each in ("pooler.", "cls.", "classifier.", "qa_outputs.")
    )
    per_token = sum(math.prod(shape) for label, shape in shapes.items() if label.startswith("encoder."))
    return Family("bert", sizes, shapes, vocabulary, width, float(per_token), spare, prefix)


def vit_matrices(width: int) -> dict[str, tuple[int, int]]:
    """Shapes [out, in] of the matrices of one block of a vision transformer."""
    return {
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        "mlp.fc1": (4 * width, width),
        "mlp.fc2": (width, 4 * width),
    }


def bert_matrices(width: int, inner: int) -> dict[str, tuple[int, int]]:
    """Shapes [out, in] of the matrices of one layer of an encoder of texts."""
    return {
        "attention.self.query": (width, width),
        "attention.self.key": (width, width),
        "attention.self.value": (width, width),
        "attention.output.dense": (width, width),
        "intermediate.dense": (inner, width),
        "output.dense": (width, inner),
    }


def _bert_shapes(sizes: Mapping[str, Any], vocabulary: int) -> Shapes:
    width, inner = int(sizes["width"]), int(sizes["inner"])
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, width),
        "embeddings.position_embeddings.weight": (int(sizes["positions"]), width),
        "embeddings.token_type_embeddings.weight": (int(sizes["types"]), width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    linear = bert_matrices(width, inner)
    for layer in range(int(sizes["layers"])):
        for part, (out, into) in linear.items():
            shapes[f"encoder.layer.{layer}.{part}.weight"] = (out, into)
            shapes[f"encoder.layer.{layer}.{part}.bias"] = (out,)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"encoder.layer.{layer}.{part}.{each}": (width,) for each in ("weight", "bias")}
    return shapes


def default_context(family: Family) -> int:
    """How many tokens of a text an encoder reads by default."""
    return min(128, int(family.sizes.get("positions", 128)))


def check_side_and_context(family: Family, context: float, side: float, name: str) -> None:
    """Raises InvalidData where an encoder cannot read so many tokens, or a backbone so large a square; 0 is any."""
    if context:
        most = int(family.sizes.get("positions", 0))
        if not 2 <= context <= most:
            raise InvalidData(f"{name}: context is {context:g}, and the encoder has {most} positions; 2 to {most} fit")
    if side and "size" in family.sizes:
        fixed = family.name == "vit"
        if (fixed and side != family.sizes["size"]) or not 16 <= side <= 1024:
            rule = f"this model's is {family.sizes['size']}" if fixed else "16 to 1024 fit"
            raise InvalidData(f"{name}: size is {side:g}; {rule}")


def whole(config: Mapping[str, Any], key: str, name: str, most: int = 1 << 20) -> int:
    """A whole number above 0 of a configuration; raises InvalidData."""
    value = config.get(key)
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidData(f"{name}: {key} must be a whole number above 0, at most {most}; got {value!r}")
    return value


def number(value: Any, key: str, name: str) -> float:
    """A finite number above 0; raises InvalidData."""
    if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
        raise InvalidData(f"{name}: {key} must be a number above 0; got {value!r}")
    return float(value)


def no_code(config: Mapping[str, Any], name: str) -> None:
    """Raises InvalidData for a model that asks for code of its own."""
    if config.get("auto_map"):
        raise InvalidData(f"{name}: the model asks for code of its own (auto_map), which is never run; use a plain one")


def plain(name: str, family: str, differs: Mapping[str, bool]) -> None:
    """Raises InvalidData naming the settings by which a model is not the plain one of its family."""
    if any(differs.values()):
        names = ", ".join(each for each, is_set in differs.items() if is_set)
        raise InvalidData(f"{name}: {names} is not the plain {family}'s; this variant is not computed here")
