"""Pretrained language models from folders in the Hugging Face layout, and LoRA adapters in PEFT's, read and written.

A base is ``config.json`` of a ``LlamaForCausalLM``, its weights in safetensors, and ``tokenizer.json`` unless it is
byte-level (256 tokens). An adapter is ``adapter_config.json`` and ``adapter_model.safetensors``. Everything is read by
the code here, offline: no class is looked up by name, no remote code is run, no pickle is opened. A model that this
code would not compute exactly as it was trained is refused with what differs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from worker.engine.learners.language import LanguageModel
from worker.engine.learners.transformer import HEAD
from worker.engine.problem import Hyper, InvalidProblem

BYTES = 256
Arrays = dict[str, NDArray[np.float32]]
Encode = Callable[[str], Sequence[int]]
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack")
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_PEFT = "base_model.model."


@dataclass(frozen=True)
class Pretrained:
    """A base model: its sizes as hyper-parameters of learner ``lm``, its weights, how text becomes its tokens (None:
    UTF-8 bytes), and how many kinds of token there are."""

    hyper: dict[str, float | int | str]
    weights: Arrays
    vocabulary: int
    encode: Encode | None


def read_base(folder: Path) -> Pretrained:
    """The base model of a folder; raises InvalidProblem naming the file, the rule and the mend."""
    config = _json(folder / "config.json", "a model folder holds config.json, safetensors and tokenizer.json")
    hyper = _sizes(config, folder / "config.json")
    vocabulary = _whole(config, "vocab_size", folder / "config.json")
    encode = _tokenizer(folder, vocabulary)
    weights = _weights(folder, "model.safetensors")
    if hyper["tied"]:
        weights.pop(HEAD, None)  # some exporters write the shared matrix twice
    LanguageModel({**hyper, "rank": 1}, (9,), vocabulary, weights)  # names and shapes fit, or it says which do not
    return Pretrained(hyper, weights, vocabulary, encode)


def write_base(folder: Path, hyper: Hyper, weights: Mapping[str, NDArray[Any]], vocabulary: int) -> None:
    """Write a byte-level or any other base model as a folder that ``read_base`` and transformers both read."""
    learner = LanguageModel({**hyper, "rank": 1}, (9,), vocabulary, weights)
    shape = learner.architecture
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "hidden_act": "silu",
        "rms_norm_eps": shape.eps,
        "rope_theta": shape.rope_base,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "float32",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    _save(folder / "model.safetensors", weights)


def read_adapter(folder: Path) -> tuple[dict[str, float | int | str], Arrays]:
    """(rank and alpha, arrays named as learner ``lm`` names them) of a PEFT LoRA folder; raises InvalidProblem."""
    path = folder / "adapter_config.json"
    config = _json(path, "an adapter folder holds adapter_config.json and adapter_model.safetensors")
    if config.get("peft_type") != "LORA":
        raise InvalidProblem(f"{path}: peft_type is {config.get('peft_type')!r}; only LORA is read")
    odd = [
        name
        for name in ("use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern")
        if config.get(name)
    ]
    if odd or config.get("bias", "none") != "none":
        raise InvalidProblem(f"{path}: {', '.join(odd) or 'bias'} is set; train a plain LoRA adapter without it")
    targets = config.get("target_modules") or []
    if targets != "all-linear" and {str(name).split(".")[-1] for name in targets} != set(_TARGETS):
        raise InvalidProblem(
            f"{path}: the adapter sits beside {', '.join(sorted(map(str, targets)))}; here adapters sit beside all of"
            f" {', '.join(_TARGETS)}: train it with target_modules='all-linear'"
        )
    arrays = _weights(folder, "adapter_model.safetensors")
    foreign = [name for name in arrays if not name.startswith(_PEFT)]
    if foreign:
        raise InvalidProblem(f"{folder}: array {foreign[0]!r} is not PEFT's; save the adapter with save_pretrained")
    named = {name.removeprefix(_PEFT): array for name, array in arrays.items()}
    return {"rank": _whole(config, "r", path), "alpha": float(config.get("lora_alpha", 8.0))}, named


def write_adapter(
    folder: Path, arrays: Mapping[str, NDArray[Any]], rank: int, alpha: float, base: str | None = None
) -> None:
    """Write adapters (as ``Layout.unpack`` names them) as a PEFT folder."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": list(_TARGETS),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    _save(folder / "adapter_model.safetensors", {f"{_PEFT}{name}": array for name, array in arrays.items()})


def _json(path: Path, rule: str) -> dict[str, Any]:
    if not path.is_file():
        raise InvalidProblem(f"{path}: there is no such file; {rule}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidProblem(f"{path}: this is not JSON ({error}); save the model again") from None
    if not isinstance(found, dict):
        raise InvalidProblem(f"{path}: this is not a JSON object; save the model again")
    return found


def _whole(config: Mapping[str, Any], name: str, path: Path) -> int:
    value = config.get(name)
    if type(value) is not int or value < 1:
        raise InvalidProblem(f"{path}: {name} must be a whole number above 0; got {value!r}")
    return value


def _sizes(config: Mapping[str, Any], path: Path) -> dict[str, float | int | str]:
    if config.get("auto_map"):
        raise InvalidProblem(f"{path}: the model asks for code of its own (auto_map), which is never run; use a Llama")
    if config.get("architectures") != ["LlamaForCausalLM"]:
        raise InvalidProblem(
            f"{path}: architectures is {config.get('architectures')}; only LlamaForCausalLM is computed here exactly"
        )
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    heads, width = _whole(config, "num_attention_heads", path), _whole(config, "hidden_size", path)
    differs = {
        "hidden_act": config.get("hidden_act", "silu") != "silu",
        "attention_bias": bool(config.get("attention_bias")),
        "mlp_bias": bool(config.get("mlp_bias")),
        "rope_scaling": kind != "default",
        "head_dim": (config.get("head_dim") or width // heads) != width // heads,
        "quantization_config": bool(config.get("quantization_config")),
    }
    if any(differs.values()):
        names = ", ".join(name for name, is_set in differs.items() if is_set)
        raise InvalidProblem(f"{path}: {names} is not the plain Llama's; this variant is not computed here")
    return {
        "layers": _whole(config, "num_hidden_layers", path),
        "width": width,
        "heads": heads,
        "kv_heads": int(config.get("num_key_value_heads") or heads),
        "inner": _whole(config, "intermediate_size", path),
        "rope_base": float(rope.get("rope_theta", config.get("rope_theta", 10000.0))),
        "eps": float(config.get("rms_norm_eps", 1e-6)),
        "tied": int(bool(config.get("tie_word_embeddings", False))),
    }


def _tokenizer(folder: Path, vocabulary: int) -> Encode | None:
    path = folder / "tokenizer.json"
    if not path.is_file():
        if vocabulary == BYTES:
            return None
        raise InvalidProblem(
            f"{folder}: there is no tokenizer.json, and a vocabulary of {vocabulary} is not the {BYTES} bytes'; add the"
            " tokenizer of the model (save_pretrained of a fast tokenizer writes it)"
        )
    try:
        import tokenizers
    except ImportError:
        raise InvalidProblem(f"{path}: reading it needs the package tokenizers: pip install 'cherish[text]'") from None
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises plain Exception for every fault of the file
        raise InvalidProblem(f"{path}: this is not a tokenizer ({error}); save it again") from None
    if tokenizer.get_vocab_size() > vocabulary:
        raise InvalidProblem(
            f"{path}: it knows {tokenizer.get_vocab_size()} tokens, the model {vocabulary}; they are of two models"
        )
    # documents are pieces of a stream: a begin-of-text mark inside one would be foreign to it
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def _weights(folder: Path, name: str) -> Arrays:
    """Every array of one safetensors file, or of the shards that its index names, as float32."""
    index = folder / f"{name}.index.json"
    if (folder / name).is_file():
        files = [folder / name]
    elif index.is_file():
        named = _json(index, "").get("weight_map", {})
        shards = sorted({str(shard) for shard in named.values()}) if isinstance(named, dict) else []
        if any(Path(shard).name != shard for shard in shards):
            raise InvalidProblem(f"{index}: a shard lies outside the folder; keep all shards beside the index")
        files = [folder / shard for shard in shards]
    else:
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES) if folder.is_dir() else []
        if pickles:
            raise InvalidProblem(
                f"{folder / pickles[0]}: pickled weights are never opened; save them as safetensors"
                " (model.save_pretrained(folder, safe_serialization=True))"
            )
        raise InvalidProblem(f"{folder}: there is no {name}; save the weights as safetensors")
    arrays: Arrays = {}
    for file in files:
        if not file.is_file():
            raise InvalidProblem(f"{index}: it names {file.name}, which is not there; copy all shards")
        try:
            loaded = safetensors.torch.load_file(file)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise InvalidProblem(f"{file}: this is not a whole safetensors file ({error}); save it again") from None
        for label, tensor in loaded.items():
            if not tensor.is_floating_point():
                raise InvalidProblem(f"{file}: array {label!r} is {tensor.dtype}; quantised weights are not read")
            arrays[label] = tensor.to(torch.float32).numpy()
    return arrays


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
