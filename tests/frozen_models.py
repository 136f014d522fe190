"""Encoders and backbones small enough to be made in a test, texts and pictures for them, and an order's datasets."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from PIL import Image

from app.checkpoints import families, vision
from tests.outside_packages import outside_package
from tests.place import Place

BERT: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 48,
    "type_vocab_size": 2,
    "vocab_size": 40,
}
VIT: dict[str, Any] = {
    "architecture": "vit_tiny_patch16_224",
    "model_args": {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2},
    "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
RESNET: dict[str, Any] = {
    "architecture": "resnet18",
    "model_args": {"channels": [8, 8, 12, 16]},
    "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
KINDS = {"sea": ["sea", "tide", "wave", "salt", "ship"], "sums": ["sum", "two", "four", "plus", "times"]}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *KINDS["sea"], *KINDS["sums"], "the", "and", "of", "a"]


def drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(size=shape) * 0.3 + (1.0 if name.endswith(("orm.weight", "norm1.weight")) else 0.0)).astype(
            np.float32
        )
        for name, shape in shapes.items()
    }


def write_encoder(folder: Path) -> Path:
    """A BertModel's folder, its tokenizer one of words."""
    tokenizers = pytest.importorskip("tokenizers")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(BERT))
    safetensors.numpy.save_file(drawn(families.bert(BERT, "it").shapes, 0), folder / "model.safetensors")
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    words.save(str(folder / "tokenizer.json"))
    return folder


def write_backbone(folder: Path) -> Path:
    """A vision transformer's folder."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(VIT))
    weights = drawn(vision.backbone(VIT, "it").shapes, 1) | {"head.bias": np.zeros(10, np.float32)}
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    return folder


def write_resnet(folder: Path) -> Path:
    """A ResNet's folder, its kernels such that maps neither grow nor vanish."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(RESNET))
    rng, weights = np.random.default_rng(2), {"fc.bias": np.zeros(10, np.float32)}
    for name, shape in vision.backbone(RESNET, "it").shapes.items():
        draw = rng.normal(size=shape) * (0.1 if len(shape) == 1 else np.sqrt(1.5 / np.prod(shape[1:])))
        ones = len(shape) == 1 and name.endswith(("weight", "running_var"))
        weights[name] = (draw + ones).astype(np.float32)
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    return folder


def sentences(seed: int, count: int) -> bytes:
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        label = str(rng.choice(sorted(KINDS)))
        words = rng.choice([*KINDS[label], "the", "and", "of"], rng.integers(3, 12))
        lines.append(json.dumps({"text": " ".join(words), "label": label}))
    return "\n".join(lines).encode() + b"\n"


def pictures(seed: int, count: int) -> bytes:
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            label = ("dark", "light")[number % 2]
            shape = (int(rng.integers(20, 50)), int(rng.integers(20, 50)), 3)
            pixels = rng.integers(0, 120, shape) + (110 if label == "light" else 0)
            file = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
            archive.writestr(f"{label}/{number}.png", file.getvalue())
    return buffer.getvalue()


def offered(place: Place, make: Any, said: dict[str, Any]) -> dict[str, Any]:
    names = ("tides", "sums", "third")
    datasets = [place.dataset(name, make(seed, 14), **said) for seed, name in enumerate(names)]
    return {"datasets": datasets, "test_dataset": place.dataset("buyer", make(9, 20), **said), "metric": "accuracy"}


def write_timm(folder: Path, architecture: str, side: int, classes: int = 0, **arguments: Any) -> Any:
    """A folder as timm writes it, of drawn weights; returns timm's own model, with no classifier."""
    timm = outside_package("timm", "timm is not installed: nothing computes these models")
    torch.manual_seed(0)
    theirs = timm.create_model(architecture, pretrained=False, num_classes=classes, **arguments).eval()
    for module in theirs.modules():  # statistics that no fresh model has
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    config = {
        "architecture": architecture,
        "num_classes": classes,
        "num_features": theirs.num_features if classes else theirs.head_hidden_size,
        "model_args": arguments,
        "pretrained_cfg": {"input_size": [3, side, side], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    weights = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    theirs.reset_classifier(0)
    return theirs
