"""Games on encoders small enough to be made in a test: a BERT of random weights whose texts are of two kinds, and a
vision transformer whose images are dark or light."""

from typing import Any

import numpy as np
import torch

from app.checkpoints import families, vision
from app.checkpoints.families import Family
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.lora_classifier import AdaptedEncoder

CONTEXT, SIDE = 12, 16
BERT: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "vocab_size": 30,
}
VIT: dict[str, Any] = {
    "architecture": "vit_tiny_patch16_224",
    "model_args": {"img_size": SIDE, "patch_size": 8, "embed_dim": 20, "depth": 2, "num_heads": 2},
}
HYPER: dict[str, float | int | str] = {"heads": 2, "rank": 2, "steps": 8, "batch": 6, "lr": 0.01}


def family(kind: str) -> Family:
    return families.bert(BERT, "it") if kind == "text" else vision.backbone(VIT, "it")


def weights(kind: str, seed: int = 0) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in family(kind).shapes.items():
        norm = name.endswith(("orm.weight", "norm1.weight", "norm2.weight"))
        found[name] = torch.from_numpy((rng.normal(size=shape) * 0.3 + (1.0 if norm else 0.0)).astype(np.float32))
    return found


def rows(kind: str, count: int, seed: int, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(X, y): texts of 4 to 12 tokens, two thirds of them their class's own; or images, dark or light."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    if kind == "text":
        X = np.full((count, CONTEXT), -1.0, dtype=np.float32)
        for row, label in enumerate(y):
            length = int(rng.integers(4, CONTEXT + 1))
            own = rng.integers(4, 14, length) + 10 * label
            X[row, :length] = np.where(rng.random(length) < 2 / 3, own, rng.integers(24, 30, length))
    else:
        X = (rng.normal(size=(count, 3, SIDE, SIDE)) + 0.4 * (2 * y - 1)[:, None, None, None]).astype(np.float32)
    y = np.where(rng.random(count) < wrong, 1 - y, y)
    return X, y.astype(np.int64)


def shape(kind: str) -> tuple[int, ...]:
    return (CONTEXT,) if kind == "text" else (3, SIDE, SIDE)


def model(kind: str = "text", **hyper: float) -> AdaptedEncoder:
    return AdaptedEncoder({**HYPER, **hyper}, shape(kind), 2, weights(kind))


def problem(kind: str = "text", **options: Any) -> Problem:
    """Four players: honest ones of three sizes, and one with 40 % of its labels wrong; the third is there twice."""
    parts = [rows(kind, 18, 1), rows(kind, 11, 2), rows(kind, 14, 3, wrong=0.4)]
    players = [PlayerData(f"p{i}", X, y) for i, (X, y) in enumerate(parts)]
    players.append(PlayerData("copy", *parts[1]))
    settings = {"metric": "log_loss", "seed": 5, "learner": LearnerSpec("lora", HYPER), **options}
    frozen = {f"frozen.{name}": array for name, array in weights(kind).items()}
    checkpoint = {**frozen, **settings.pop("checkpoint", {})}
    return Problem(players, Rows(*rows(kind, 37, 9)), 2, checkpoint=checkpoint, **settings)


def moved(learner: AdaptedEncoder, count: int) -> torch.Tensor:
    noise = torch.randn(count, learner.layout.width, generator=torch.Generator().manual_seed(1))
    return learner.start(0) + 0.1 * noise
