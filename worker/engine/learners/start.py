"""Untrained weights: He-scaled normal matrices and zero biases, drawn on the CPU in float64 from a seed."""

import math

import torch
from torch import Tensor

from worker.engine.tensors.layout import Layout
from worker.engine.tensors.seeds import derive, torch_generator


def he_start(name: str, layout: Layout, dtype: torch.dtype, seed: int) -> Tensor:
    """One model [P]; the same for a seed and a layout on any device."""
    generator = torch_generator(derive(seed, "start", name, *(f"{s.name}{s.shape}" for s in layout.slots)))
    arrays = {}
    for slot in layout.slots:
        draw = torch.randn(slot.shape, generator=generator, dtype=torch.float64)
        scale = math.sqrt(2.0 / math.prod(slot.shape[1:])) if len(slot.shape) > 1 else 0.0
        arrays[slot.name] = (draw * scale).numpy()
    return layout.pack(arrays, dtype)
