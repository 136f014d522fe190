"""Networks in questions to agents: their shape on the wire, and what an answer about them must be to be one of rows.

A network is one vector of P numbers as the engine lays it out (``worker.engine.tensors.layout``): the weight [out, in]
and the bias [out] of each layer in turn, each filled up with zeros to a whole number of vectors. Nothing here computes
a gradient.
"""

import itertools
from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contract.architectures.decoder import ALIGNMENT
from contract.document import Document
from contract.learning.learners import LEARNERS, Architecture, Hyper

# numbers of one answer of gradients: eight megabytes
MOST_NUMBERS = 1_000_000
# of the random sketch of tangent features: its moments have 8 (k + 1)^2 bytes
MOST_SKETCH = 1024
_SLACK = 1e-6

Array = NDArray[np.float64]


class AskedNetwork(Document):
    """A multi-layer perceptron with ReLU: ``layers`` hidden layers of ``hidden`` numbers. ``sketch``: to how many
    numbers tangent features are brought; 0 where none are asked for."""

    hidden: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=1, le=32)]
    sketch: Annotated[int, Field(ge=0, le=MOST_SKETCH)] = 0

    def _sizes(self, features: int, outputs: int) -> list[int]:
        """Numbers of each weight and bias, in turn."""
        widths = [features, *[self.hidden] * self.layers, outputs]
        return [size for below, above in itertools.pairwise(widths) for size in (below * above, above)]

    def width(self, features: int, outputs: int) -> int:
        """P of a network from so many columns to so many outputs."""
        return sum(_aligned(size) for size in self._sizes(features, outputs))

    def last_bias(self, features: int, outputs: int) -> slice:
        """Where the bias of the outputs is."""
        start = sum(_aligned(size) for size in self._sizes(features, outputs)[:-1])
        return slice(start, start + outputs)


class NetworkSettings(NamedTuple):
    """What of an order's hyper-parameters says how large a network is, and how often agents are asked."""

    hidden: int
    layers: int
    steps: int

    @classmethod
    def of(cls, hyper: Hyper) -> "NetworkSettings":
        """Those of ``mlp`` over its defaults; raises InvalidProblem."""
        settings = LEARNERS[Architecture.MLP].checked(hyper)
        return cls(*(int(settings[name]) for name in cls._fields))

    @property
    def network(self) -> AskedNetwork:
        """Raises ValueError for one that is too large to be asked for."""
        return AskedNetwork(hidden=self.hidden, layers=self.layers)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def gradients_fault(bias: Array, rows: int, classes: bool) -> str | None:
    """Why these [K, C] cannot be the gradients of the outputs' bias, summed over so many rows. Of classes they are
    probabilities less labels: between -rows and rows, and together zero. What the rest is, nothing bounds."""
    if not classes:
        return None
    if np.abs(bias).max() > rows * (1 + _SLACK) or np.abs(bias.sum(axis=1)).max() > rows * _SLACK:
        return "the gradient of the outputs' bias is no sum of probabilities less labels"
    return None


def tangents_fault(arrays: Mapping[str, Array], rows: int, classes: bool) -> str | None:
    """Why arrays cannot be moments of tangent features of so many rows."""
    A, b, squares = arrays["A"], arrays["b"], float(arrays["squares"][0])
    if (fault := second_moments_fault(A)) is not None:
        return fault
    if A[-1, -1] != rows:
        return "the sum of ones is not the number of rows"
    diagonal = np.diagonal(A)
    if classes:
        if squares != rows:
            return "the squares of labels are no count of the rows"
        return labels_fault(b, diagonal, rows)
    if squares < 0 or (np.square(b[:, 0]) > (1 + _SLACK) * diagonal * squares + _SLACK).any():
        return "b is larger than sums over targets of these squares"
    return None


def second_moments_fault(A: Array) -> str | None:
    """Why A [k, k] is no second moment."""
    scale = max(float(np.abs(A).max()), 1.0)
    if np.abs(A - A.T).max() > _SLACK * scale:
        return "A is not symmetric"
    if float(np.linalg.eigvalsh(A)[0]) < -_SLACK * scale:
        return "A is not positive semidefinite"
    return None


def labels_fault(b: Array, diagonal: Array, rows: float) -> str | None:
    """Why b [k, C], a one last among k, cannot be sums by class beside second moments with this diagonal."""
    counts = b[-1]
    if (counts < 0).any() or (counts != np.floor(counts)).any() or counts.sum() != rows:
        return "the counts of labels are no counts of the rows"
    # a class has at most its rows in any sum
    if (np.square(b) > (1 + _SLACK) * np.outer(diagonal, counts) + _SLACK).any():
        return "b is larger than sums over the rows of a class"
    return None
