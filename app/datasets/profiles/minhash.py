"""MinHash sketches of sets: how alike two datasets are, from a few kilobytes of each. Pure numpy.

The sketch is the bottom-k one (Broder 1997; k minimum values, Beyer et al. 2007): the ``KEEP`` smallest hashes of the
set's elements under one hash function. It costs one hash an element rather than one for each of many permutations, is
exact for sets of up to ``KEEP`` elements, and has a standard error of sqrt(J (1 - J) / KEEP), at most 1.6 points.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contract.document import Document

KEEP = 1024


@dataclass(frozen=True)
class Sketch:
    """int64 ``hashes``, ascending, and how many distinct elements the set has."""

    hashes: NDArray[np.int64]
    distinct: int

    @property
    def whole(self) -> bool:
        """Whether every element is in it."""
        return len(self.hashes) == self.distinct


class StoredSketch(Document):
    """A sketch as it crosses from the sandbox and is kept."""

    hashes: list[int]
    distinct: int

    @classmethod
    def of(cls, computed: Sketch) -> Self:
        """The sketch in plain numbers."""
        return cls(hashes=computed.hashes.tolist(), distinct=computed.distinct)


def sketch(hashes: NDArray[np.uint64]) -> Sketch:
    """The sketch of a set whose elements have these hashes; repetitions count once."""
    distinct = np.unique(hashes.view(np.int64))
    return Sketch(distinct[:KEEP].copy(), len(distinct))


def similarity(a: Sketch, b: Sketch) -> float:
    """The Jaccard similarity |A and B| / |A or B|, in [0, 1]; 0 where both are empty."""
    union = np.union1d(a.hashes, b.hashes)
    if not (a.whole and b.whole):
        # beyond this hash one of the two sketches no longer tells
        last = min(s.hashes[-1] for s in (a, b) if not s.whole)
        union = union[union <= last]
    if len(union) == 0:
        return 0.0
    both = np.isin(union, a.hashes, assume_unique=True) & np.isin(union, b.hashes, assume_unique=True)
    return float(both.mean())


def contained(a: Sketch, b: Sketch) -> float:
    """The share of A's elements that are in B too, in [0, 1], by way of the similarity."""
    if a.distinct == 0:
        return 0.0
    alike = similarity(a, b)
    common = alike * (a.distinct + b.distinct) / (1.0 + alike)
    return min(1.0, common / a.distinct)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser: every bit of the input moves every bit of the output."""
    x = values + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
