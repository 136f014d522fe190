"""Games on ResNets small enough to be made in a test: random weights, one block a stage, images dark or light."""

from typing import Any

import numpy as np
import torch

from contract.architectures.resnet import ResNetSizes
from tests.worker.engine.tiny_encoders import rows
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.lora_classifier import AdaptedEncoder

SIDE = 16
HYPER: dict[str, float | int | str] = {"rank": 2, "steps": 6, "batch": 6, "lr": 0.01}
KINDS = ("basic", "bottleneck")
_WIDTHS, _STEM = (8, 12, 16, 20), 8


def sizes(kind: str) -> ResNetSizes:
    channels = (0.5, 0.5, 0.5)
    return ResNetSizes(kind, 16, channels, channels, blocks=(1, 1, 1, 1), bottleneck=int(kind == "bottleneck"))


def weights(kind: str, seed: int = 0) -> dict[str, torch.Tensor]:
    rng, found = np.random.default_rng(seed), {}

    def kernel(name: str, norm: str, *shape: int) -> None:
        found[f"{name}.weight"] = rng.normal(size=shape) * np.sqrt(1.5 / np.prod(shape[1:]))
        for part, around in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0)):
            found[f"{norm}.{part}"] = around + 0.2 * rng.normal(size=shape[0])
        found[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, shape[0])

    kernel("conv1", "bn1", _STEM, 3, 7, 7)
    into = _STEM
    for stage, width in enumerate(_WIDTHS, start=1):
        at, out = f"layer{stage}.0", 4 * width if kind == "bottleneck" else width
        kernels = [(width, into, 1, 1), (width, width, 3, 3), (out, width, 1, 1)]
        if kind == "basic":
            kernels = [(width, into, 3, 3), (width, width, 3, 3)]
        for number, shape in enumerate(kernels, start=1):
            kernel(f"{at}.conv{number}", f"{at}.bn{number}", *shape)
        if into != out:
            kernel(f"{at}.downsample.0", f"{at}.downsample.1", out, into, 1, 1)
        into = out
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in found.items()}


def model(kind: str, side: int = SIDE, **hyper: float) -> AdaptedEncoder:
    return AdaptedEncoder({**HYPER, **hyper}, (3, side, side), 2, weights(kind))


def problem(kind: str, **options: Any) -> Problem:
    """Three players: honest ones of two sizes, and one with 40 % of its labels wrong."""
    parts = [rows("image", 14, 1), rows("image", 9, 2), rows("image", 11, 3, wrong=0.4)]
    players = [PlayerData(f"p{i}", X, y) for i, (X, y) in enumerate(parts)]
    settings = {"metric": "log_loss", "seed": 5, "learner": LearnerSpec("lora", HYPER), **options}
    frozen = {f"frozen.{name}": array for name, array in weights(kind).items()}
    checkpoint = {**frozen, **settings.pop("checkpoint", {})}
    return Problem(players, Rows(*rows("image", 21, 9)), 2, checkpoint=checkpoint, **settings)
