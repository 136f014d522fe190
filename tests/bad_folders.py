"""Model folders that are refused by name, as an upload and on the command line: one table for both."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from app.checkpoints import decoders
from tests.frozen_models import write_backbone, write_encoder, write_resnet

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "tie_word_embeddings": True,
}
POOLED = "sentence_transformers.models"


def write_llama(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    shapes = decoders.decoder(LLAMA, "it").shapes
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    return folder


def write_pooled(folder: Path) -> Path:
    """An encoder as sentence-transformers writes it."""
    write_encoder(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "modules.json").write_text(json.dumps(modules()))
    return folder


def modules(*more: tuple[str, str], pooling: str = "1_Pooling") -> list[dict[str, Any]]:
    listed = [("", f"{POOLED}.Transformer"), (pooling, f"{POOLED}.Pooling"), *more]
    return [{"idx": at, "name": str(at), "path": path, "type": kind} for at, (path, kind) in enumerate(listed)]


WRITERS = {"lm": write_llama, "encoder": write_pooled, "backbone": write_resnet, "vit": write_backbone}
GOOD = [(kind, "encoder" if kind == "encoder" else "lm" if kind == "lm" else "backbone") for kind in WRITERS]
Spoil = Callable[[Path], None]


def config(**changes: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def array(change: Callable[[np.ndarray], np.ndarray], renamed: str = "") -> Spoil:
    """The first matrix, changed, and called by another end of its name."""

    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        arrays = safetensors.numpy.load_file(path)
        first = next(name for name, each in sorted(arrays.items()) if each.ndim > 1 and name.endswith("weight"))
        arrays[first.replace("weight", renamed or "weight")] = change(arrays.pop(first))
        safetensors.numpy.save_file(arrays, path)

    return spoil


def instead(name: str) -> Spoil:
    """A pickle in place of the weights."""

    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(pickle.dumps({"weight": [1.0]}))

    return spoil


def unpooled(folder: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")


def listed(content: Any) -> Spoil:
    return lambda folder: (folder / "modules.json").write_text(json.dumps(content)) and None


def _each(kinds: str, spoil: Spoil, words: str) -> list[tuple[str, Spoil, str]]:
    return [(kind, spoil, words) for kind in kinds.split()]


_QUANTISED = {
    "bitsandbytes": {"quantization_config": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}},
    "gptq": {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    "awq": {"quantization_config": {"quant_method": "awq"}},
    "int-quantized": {"compression_config": {"format": "int-quantized"}},
}
_PICKLES = ("pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.joblib", "model.pkl", "model.dill")
BAD: list[tuple[str, Spoil, str]] = [
    *(
        case
        for method, change in _QUANTISED.items()
        for case in _each(
            "lm encoder backbone vit", config(**change), f"is set: quantised weights are not read ({method})"
        )
    ),
    *_each("lm encoder backbone", array(lambda x: x.astype(np.int32), "qweight"), "quantised weights are not"),
    *_each("lm encoder backbone", array(lambda x: x.astype(np.uint8)), "quantised weights are not read"),
    *(
        case
        for name in _PICKLES
        for case in _each("lm encoder backbone", instead(name), f"{name}: pickled weights are never opened")
    ),
    *_each("lm encoder backbone", config(auto_map={"AutoModel": "modeling_mine.Mine"}), "code of its own (auto_map)"),
    *_each("lm encoder backbone", config(trust_remote_code=True), "code of its own (trust_remote_code)"),
    *_each("lm", config(architectures=["MambaForCausalLM"]), "only LlamaForCausalLM, MistralForCausalLM"),
    *_each("lm", config(hidden_size=48), "a width of 48, and of 48 in all heads; both are multiples of 32"),
    *_each("encoder", config(architectures=["BigBirdModel"], model_type="big_bird"), "only BertModel, RobertaModel"),
    *_each(
        "backbone vit",
        config(architecture="mixer_b16_512"),
        "architecture is 'mixer_b16_512', which timm 1.0.31 does not have",
    ),
    *_each("lm", array(lambda x: x[:-1]), "model.embed_tokens.weight"),
    *_each("encoder", array(lambda x: x[:-1]), "embeddings.position_embeddings.weight"),
    *_each("backbone", array(lambda x: x[:, :1]), "conv1.weight"),
    *_each("encoder", listed(modules(("2_Dense", f"{POOLED}.Dense"))), "Dense comes after the encoder"),
    *_each("encoder", listed(modules(("2_Own", "modeling_mine.Normalize"))), "`modeling_mine.Normalize` is code of"),
    *_each("encoder", listed(modules(pooling="2_Pooling")), "its pooling is in '2_Pooling', and only 1_Pooling is"),
    *_each("encoder", unpooled, "it names a pooling, and there is no 1_Pooling/config.json"),
    *_each("lm encoder backbone", array(lambda x: x * np.inf), "holds NaN or infinity; weights must be finite"),
    *_each("encoder", listed({"0": "Transformer"}), "this is no list of modules"),
]


def packed(folder: Path, kind: str, spoil: Spoil | None = None) -> bytes:
    """The zip of a folder of a kind, spoilt, written below ``folder``."""
    made = WRITERS[kind](folder / kind)
    if spoil is not None:
        spoil(made)
    path = folder / "packed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(made.rglob("*")):
            if file.is_file():
                archive.write(file, str(file.relative_to(made)))
    shutil.rmtree(made)
    return path.read_bytes()
