"""How a column's values become a model's numbers, wherever that is done: by the service, or beside the data. Pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# encoded numbers lie in +-CLIP
CLIP = 10.0


class ColumnBlock(NamedTuple):
    """The encoded columns that one column of a table became: ``values`` of them (of a ``category`` one a value, marked
    by a one), and last, with a ``gap``, one more that marks missing cells."""

    values: int
    category: bool = False
    gap: bool = False

    @property
    def width(self) -> int:
        return self.values + self.gap


def standardised(values: NDArray[np.float64], center: float, spread: float) -> NDArray[np.float64]:
    """Values by their centre and spread, cut off at +-CLIP."""
    with np.errstate(over="ignore"):
        result: NDArray[np.float64] = np.clip((values - center) / spread, -CLIP, CLIP)
    return result


def mark(block: NDArray[np.float32], places: NDArray[np.int64]) -> None:
    """Fills block [n, categories + 1] with zeros and, at each row's place, a one."""
    block[:] = 0.0
    block[np.arange(len(places)), places] = 1.0
