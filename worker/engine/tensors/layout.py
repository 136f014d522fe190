"""Parameters of a model as one flat vector, so that K models are one matrix [K, P] and every method is plain algebra.

Each named array starts at a multiple of 32 numbers, and so does each model: the slots of a stack are then aligned
alike, which is what makes a matrix product give the same bits in every slot. The padding stays zero. Nothing here
knows what the arrays mean.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.architectures import decoder
from contract.errors import InvalidProblem

ALIGNMENT = decoder.ALIGNMENT


def aligned(size: int, to: int = ALIGNMENT) -> int:
    """``size`` rounded up to a multiple, of the alignment unless said otherwise."""
    return -(-size // to) * to


@dataclass(frozen=True)
class Slot:
    """One named array inside the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """The named arrays of a model and where they lie in its flat vector of ``width`` numbers."""

    slots: tuple[Slot, ...]
    width: int

    @classmethod
    def of(cls, shapes: Sequence[tuple[str, tuple[int, ...]]]) -> "Layout":
        slots, start = [], 0
        for name, shape in shapes:
            slots.append(Slot(name, shape, start))
            start += aligned(math.prod(shape))
        return cls(tuple(slots), start)

    def views(self, params: Tensor) -> list[Tensor]:
        """Views [K, *shape] of each array in ``params`` [K, P], in the layout's order."""
        return [params[:, s.start : s.start + s.size].view(len(params), *s.shape) for s in self.slots]

    def unpack(self, params: Tensor) -> dict[str, NDArray[Any]]:
        """Named arrays (copies, on the CPU) of one model [P]."""
        return {
            s.name: view[0].detach().cpu().numpy().copy()
            for s, view in zip(self.slots, self.views(params.unsqueeze(0)), strict=True)
        }

    def pack(self, arrays: Mapping[str, NDArray[Any]], dtype: torch.dtype) -> Tensor:
        """One model [P] from named arrays; says which name or shape is wrong."""
        expected = {s.name for s in self.slots}
        if set(arrays) != expected:
            missing, extra = sorted(expected - set(arrays)), sorted(set(arrays) - expected)
            raise InvalidProblem(
                f"checkpoint does not fit the learner: missing {missing or 'nothing'}, unknown {extra or 'nothing'}"
            )
        flat = torch.zeros(self.width, dtype=dtype)
        for s in self.slots:
            array = np.asarray(arrays[s.name])
            if tuple(array.shape) != s.shape:
                raise InvalidProblem(f"checkpoint array {s.name!r} has shape {array.shape}; the learner's is {s.shape}")
            if not np.isfinite(array).all():
                raise InvalidProblem(f"checkpoint array {s.name!r} holds NaN or infinity")
            flat[s.start : s.start + s.size] = torch.from_numpy(np.array(array, dtype=np.float64)).reshape(-1).to(dtype)
        return flat
