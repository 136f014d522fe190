"""Tangent features and players' sufficient statistics, which the tangent method stores and adds up.

A row's feature is the gradient of one fixed combination of the model's outputs at a reference model, brought to a few
hundred dimensions by a sparse sign sketch (Charikar et al. 2002) that depends on the architecture alone. So a player
can compute its statistics at home, and they can be used again by every job on the same reference model and data.
Learners that are linear in their features need no gradient: their rows are their tangents. Nothing is solved here.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.engine.learners.learner import Learner
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import aligned
from worker.engine.tensors.seeds import derive, torch_generator

_BLOCK = 128


@dataclass(frozen=True)
class Statistics:
    """Sums over some rows: A = sum w phi phi^T [k, k] with weights w, b = sum phi t^T [k, C] with targets t, and the
    number of rows."""

    A: Tensor
    b: Tensor
    rows: int

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """As named arrays, to be stored."""
        return {
            f"{prefix}A": self.A.cpu().numpy(),
            f"{prefix}b": self.b.cpu().numpy(),
            f"{prefix}rows": np.array([self.rows], dtype=np.int64),
        }


class Tangents:
    """The feature map of one reference model [P]: rows [m, ...] to float64 [m, k + 1], a constant last."""

    def __init__(self, learner: Learner, reference: Tensor, width: int) -> None:
        self.learner, self.reference = learner, reference
        self.width = learner.features + 1 if learner.linear else min(width, learner.layout.width) + 1
        generator = torch_generator(derive(0, "tangent sketch", learner.name, learner.layout.width, width))
        signs = torch.randint(0, 2, (learner.classes,), generator=generator) * 2 - 1
        self.direction = signs.to(reference)
        padded = -(-learner.layout.width // (self.width - 1)) * (self.width - 1)
        self.signs = (torch.randint(0, 2, (padded,), generator=generator) * 2 - 1).to(reference)

    @property
    def digest(self) -> str:
        """Names the feature map: the reference model's content and the width."""
        h = hashlib.sha256(f"{self.learner.name} {self.width}".encode())
        if not self.learner.linear:
            h.update(self.reference.cpu().numpy().tobytes())
        return h.hexdigest()[:16]

    def __call__(self, X: Tensor) -> Tensor:
        """Features float64[m, k + 1]."""
        parts = [self._block(X[a : a + _BLOCK]) for a in range(0, len(X), _BLOCK)]
        rows = torch.cat(parts) if parts else torch.zeros((0, self.width - 1), dtype=torch.float64, device=X.device)
        return torch.cat([rows, torch.ones((len(X), 1), dtype=torch.float64, device=X.device)], dim=1)

    def _block(self, X: Tensor) -> Tensor:
        if self.learner.linear:
            return X.flatten(1).double()
        rows = X.unsqueeze(1)
        weight = torch.ones(rows.shape[:2], dtype=X.dtype, device=X.device)
        batch = Batch(rows, torch.zeros(rows.shape[:2], dtype=torch.int64, device=X.device), weight)
        residual = self.direction.expand(len(rows), 1, -1)
        gradients = self.learner.gradient(self.reference.expand(len(rows), -1), batch, residual)
        # Coordinate i goes to bucket i mod k with its own sign: a view and a sum, no gather.
        padded = torch.nn.functional.pad(gradients, (0, len(self.signs) - gradients.shape[1]))
        return padded.mul_(self.signs).view(len(rows), -1, self.width - 1).sum(dim=1).double()

    def statistics(self, X: Tensor, targets: Tensor, weight: Tensor) -> Statistics:
        """Statistics of rows X [m, ...] with targets float64[m, C] and weights float64[m] of phi phi^T (targets carry
        their own); blocks bound the memory."""
        A = torch.zeros((self.width, self.width), dtype=torch.float64, device=X.device)
        b = torch.zeros((self.width, targets.shape[1]), dtype=torch.float64, device=X.device)
        for a in range(0, len(X), 4096):
            phi = self(X[a : a + 4096])
            A.addmm_((phi * weight[a : a + 4096, None]).T, phi)
            b.addmm_(phi.T, targets[a : a + 4096])
        return Statistics(A, b, len(X))


def default_width(parameters: int) -> int:
    """Sketch width: 512, or 1024 for models of more than 8192 parameters."""
    return aligned(min(parameters, 512 if parameters <= 8192 else 1024))
