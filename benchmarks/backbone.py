"""A small image backbone with something to tell: a ResNet of timm's layout, trained on the MNIST digits from 5 on.

No published weights of images are at hand; drawn ones would show nothing of what a backbone is for. This one has seen
digits 5 to 9 alone, and serves games of digits 0 to 4. The folder is written once, and read as any other.
"""

import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.checkpoints import vision
from benchmarks.markets import mnist
from contract.architectures.resnet import ResNetSizes
from worker.engine.learners.backbones import encoders

FIRST = 5  # the digits that the backbone saw
SIDE, STEPS, BATCH, RATE = 32, 150, 32, 0.003
CONFIG = {
    "architecture": "resnet18",
    "model_args": {"channels": [8, 16, 24, 32]},
    "pretrained_cfg": {"input_size": [3, SIDE, SIDE], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


def folder(place: Path) -> Path:
    """The backbone's folder, trained and written where it is not there yet."""
    if not (place / "config.json").is_file():
        place.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(_trained(), place / "model.safetensors")
        (place / "config.json").write_text(json.dumps(CONFIG))
    return place


def other_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8[n, 28, 28] of the digits that it has not seen, and what they are."""
    X, y = mnist()
    unseen = y < FIRST
    return (255.0 * X[unseen]).round().astype(np.uint8), y[unseen]


def _trained() -> dict[str, Tensor]:
    """The weights after so many steps of Adam; batch norms only scale, so no image depends on others."""
    sizes = vision.backbone(CONFIG, "backbone").model
    if not isinstance(sizes, ResNetSizes):
        raise AssertionError("a ResNet was configured")
    weights, head = _drawn(sizes), torch.zeros((10 - FIRST, sizes.width))
    trained = [each for name, each in weights.items() if "running" not in name] + [head]
    for each in trained:
        each.requires_grad_(True)
    X, y = mnist()
    seen = y >= FIRST
    images = functional.interpolate(torch.from_numpy(X[seen])[:, None], (SIDE, SIDE), mode="bilinear")
    images, labels = (images.expand(-1, 3, -1, -1) - 0.5) / 0.5, torch.from_numpy(y[seen] - FIRST)
    optimiser, rng = torch.optim.Adam(trained, lr=RATE), np.random.default_rng(0)
    for _ in range(STEPS):
        chosen = torch.from_numpy(rng.choice(len(labels), BATCH, replace=False))
        optimiser.zero_grad()
        loss = functional.cross_entropy(encoders.resnet(sizes, weights, images[chosen]) @ head.T, labels[chosen])
        loss.backward()
        optimiser.step()
    print("the backbone's last loss on the digits that it saw:", round(loss.item(), 4), flush=True)
    return {name: each.detach().contiguous() for name, each in weights.items()}


def _drawn(sizes: ResNetSizes) -> dict[str, Tensor]:
    """Kernels that keep the size of what goes through; the last norm of a block lets little of it by."""
    rng, weights = np.random.default_rng(1), {}
    for name, shape in sizes.shapes().items():
        if len(shape) > 1:
            values = rng.normal(size=shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        else:
            ones = name.endswith((".running_var", ".weight"))
            values = np.full(shape, 0.2 if name.endswith("bn2.weight") else float(ones))
        weights[name] = torch.from_numpy(values.astype(np.float32))
    return weights
