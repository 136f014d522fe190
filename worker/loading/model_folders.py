"""Pretrained language models from folders in the Hugging Face layout, and LoRA adapters in PEFT's, read and written.

A base is ``config.json`` of a ``LlamaForCausalLM``, its weights in safetensors, and ``tokenizer.json`` unless it is
byte-level (256 tokens). An adapter is ``adapter_config.json`` and ``adapter_model.safetensors``. Everything is read by
the code here, offline: no class is looked up by name, no remote code is run, no pickle is opened. A model that this
code would not compute exactly as it was trained is refused with what differs.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from app.checkpoints.adapters import PEFT, adapter_sizes, read_plain
from app.checkpoints.decoders import decoder
from app.checkpoints.families import BYTES, check_declared
from app.checkpoints.folders import PICKLES
from app.datasets.rows.tokens import Encode, load_tokenizer
from app.errors import InvalidData
from contract.architectures.adapters import KINDS
from contract.architectures.decoder import DecoderSizes
from contract.architectures.packed_folder import COUNTERS
from contract.architectures.published import CONFIG_ARRAY, AnySizes, PublishedSizes
from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS, Hyper
from worker.engine.learners.causal_lm import LanguageModel, shared_weights

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Pretrained:
    """A base model: its sizes, also as hyper-parameters of learner ``lm``, its weights (with the configuration of one
    that transformers computes), how text becomes its tokens (None: UTF-8 bytes), and how many kinds of token there
    are."""

    hyper: dict[str, float | int | str]
    sizes: AnySizes
    weights: dict[str, NDArray[Any]]
    vocabulary: int
    encode: Encode | None


def read_base(folder: Path) -> Pretrained:
    """The base model of a folder; raises InvalidProblem naming the file, the rule and the mend."""
    config = read_json(folder / "config.json", "a model folder holds config.json, safetensors and tokenizer.json")
    with _refusals():
        check_declared(config, str(folder / "config.json"))
    stored = read_weights(folder, "model.safetensors", COUNTERS)
    with _refusals():
        family = decoder(config, str(folder / "config.json"), {label: array.shape for label, array in stored.items()})
        encode = _tokenizer(folder, family.vocabulary)
    if not isinstance(family.model, AnySizes):
        raise AssertionError(f"{folder}: a {family.name} is no decoder")
    sizes, vocabulary = family.model, family.vocabulary
    weights = {family.plain_name(label): weight for label, weight in stored.items() if not family.is_spare(label)}
    if isinstance(sizes, PublishedSizes):
        content = (folder / "config.json").read_bytes()
        weights[CONFIG_ARRAY] = np.frombuffer(content, dtype=np.uint8)
    hyper: dict[str, float | int | str] = {**LEARNERS[LanguageModel.name].of_base(family.sizes)}
    shared = shared_weights(hyper, vocabulary, weights)  # refuses names and shapes that do not fit
    views = {name: weight[0].numpy() for name, weight in shared.items()}
    return Pretrained(hyper, sizes, views, vocabulary, encode)


def write_base(folder: Path, hyper: Hyper, weights: Mapping[str, NDArray[Any]], vocabulary: int) -> None:
    """Write a byte-level or any other base model as a folder that ``read_base`` and transformers both read."""
    learner = LanguageModel({**hyper, "rank": 1}, (9,), vocabulary, weights)
    sizes = learner.sizes
    if not isinstance(sizes, DecoderSizes) or sizes != DecoderSizes(
        *(sizes.layers, sizes.width, sizes.heads, sizes.kv_heads, sizes.inner, sizes.rope_base, sizes.eps, sizes.tied)
    ):
        raise InvalidProblem(f"{folder}: only a plain Llama is written; leave what makes it another family at 0")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": learner.classes,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.inner,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "hidden_act": "silu",
        "rms_norm_eps": sizes.eps,
        "rope_theta": sizes.rope_base,
        "tie_word_embeddings": bool(sizes.tied),
        "torch_dtype": "float32",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    _save(folder / "model.safetensors", weights)


def read_adapter(folder: Path, base: AnySizes) -> tuple[dict[str, float | int | str], Arrays]:
    """(Hyper-parameters of learner ``lm`` that say where its adapters stand and how large they are, arrays as the
    learner names them) of a PEFT LoRA folder on a base of these sizes; raises InvalidProblem."""
    config, path = _adapter_config(folder)
    arrays = _adapter_arrays(folder)
    with _refusals():
        sizes, shapes = adapter_sizes(config, {f"{PEFT}{name}": None for name in arrays}, base, str(path))
    for name, array in arrays.items():
        expected = shapes.get(f"{PEFT}{name}")
        if array.shape != expected:
            rule = f"it is {list(expected)}" if expected else "there is no such array"
            raise InvalidProblem(
                f"{folder}: array {name!r} has shape {list(array.shape)}; in an adapter of this configuration {rule}"
            )
    missing = sorted(label for label in shapes if label.removeprefix(PEFT) not in arrays)
    if missing:
        raise InvalidProblem(f"{folder}: array {missing[0]!r} is missing; save the adapter again")
    return {**sizes}, arrays


def read_adapter_arrays(folder: Path) -> Arrays:
    """The arrays of a PEFT LoRA folder whose sizes are known, as learner ``lm`` names them; raises InvalidProblem."""
    config, path = _adapter_config(folder)
    with _refusals():
        read_plain(config, str(path))
    return _adapter_arrays(folder)


def _adapter_config(folder: Path) -> tuple[dict[str, Any], Path]:
    path = folder / "adapter_config.json"
    return read_json(path, "an adapter folder holds adapter_config.json and adapter_model.safetensors"), path


def _adapter_arrays(folder: Path) -> Arrays:
    arrays = read_weights(folder, "adapter_model.safetensors")
    foreign = [name for name in arrays if not name.startswith(PEFT)]
    if foreign:
        raise InvalidProblem(f"{folder}: array {foreign[0]!r} is not PEFT's; save the adapter with save_pretrained")
    return {name.removeprefix(PEFT): array for name, array in arrays.items()}


def write_adapter(
    folder: Path, arrays: Mapping[str, NDArray[Any]], rank: int, alpha: float, base: str | None = None
) -> None:
    """Write adapters of one rank and alpha (as ``Layout.unpack`` names them) as a PEFT folder."""
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
        "target_modules": _targets(arrays),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    _save(folder / "adapter_model.safetensors", {f"{PEFT}{name}": array for name, array in arrays.items()})


def _targets(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The modules that adapters stand beside, whole kinds by their last name."""
    modules = {name.partition(".lora_")[0] for name in arrays}
    layers = {next(part for part in name.split(".") if part.isdigit()) for name in modules}
    kinds = {name.split(".")[-1] for name in modules}
    whole = kinds <= set(KINDS) and len(modules) == len(layers) * len(kinds)
    if whole and layers == {str(n) for n in range(len(layers))}:
        return sorted(kinds, key=KINDS.index)
    return sorted(modules)


def read_json(path: Path, rule: str) -> dict[str, Any]:
    content = read_any_json(path, rule)
    if not isinstance(content, dict):
        raise InvalidProblem(f"{path}: this is not a JSON object; save the model again")
    return content


def read_any_json(path: Path, rule: str) -> Any:
    if not path.is_file():
        raise InvalidProblem(f"{path}: there is no such file; {rule}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidProblem(f"{path}: this is not JSON ({error}); save the model again") from None


def _tokenizer(folder: Path, vocabulary: int) -> Encode | None:
    path = folder / "tokenizer.json"
    if not path.is_file():
        if vocabulary == BYTES:
            return None
        raise InvalidProblem(
            f"{folder}: there is no tokenizer.json, and a vocabulary of {vocabulary} is not the {BYTES} bytes'; add the"
            " tokenizer of the model (save_pretrained of a fast tokenizer writes it)"
        )
    tokenizer = load_tokenizer(path, str(path))
    if tokenizer.size > vocabulary:
        raise InvalidProblem(
            f"{path}: it knows {tokenizer.size} tokens, the model {vocabulary}; they are of two models"
        )
    return tokenizer.encode


@contextmanager
def _refusals() -> Iterator[None]:
    """The rules of configurations and tokenizers are the service's; here they are refusals like the engine's own."""
    try:
        yield
    except InvalidData as error:
        raise InvalidProblem(error.detail) from None


def read_weights(folder: Path, name: str, without: tuple[str, ...] = ()) -> Arrays:
    """Every array of one safetensors file, or of the shards that its index names, as float32, ``without`` those
    whose names end so."""
    index = folder / f"{name}.index.json"
    if (folder / name).is_file():
        files = [folder / name]
    elif index.is_file():
        named = read_json(index, "").get("weight_map", {})
        shards = sorted({str(shard) for shard in named.values()}) if isinstance(named, dict) else []
        if any(Path(shard).name != shard for shard in shards):
            raise InvalidProblem(f"{index}: a shard lies outside the folder; keep all shards beside the index")
        files = [folder / shard for shard in shards]
    else:
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES) if folder.is_dir() else []
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
            if without and label.endswith(without):
                continue
            if not tensor.is_floating_point():
                raise InvalidProblem(f"{file}: array {label!r} is {tensor.dtype}; quantised weights are not read")
            if not torch.isfinite(tensor).all():
                raise InvalidProblem(f"{file}: array {label!r} holds NaN or infinity; weights must be finite")
            arrays[label] = tensor.to(torch.float32).numpy()
    return arrays


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
