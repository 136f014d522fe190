"""Three providers' digits as CSV files, and a test set: what stays at home in the demonstration of agents.

Handwritten digits that scikit-learn bundles, always the same for one seed: two honest providers and one with 40 % of
its labels flipped. Pixels that hardly any row of a provider has ink in are named, to be left out: an agent does not sum
over what few rows have. This module makes bytes; it never talks to the service.
"""

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from app.demo.digits import TARGET, File

OWNERS = ("Alder", "Birch", "Cedar (40 % flipped)")
_ROWS, _TEST_ROWS, _LEAST = 350, 400, 10


@dataclass(frozen=True)
class AtHome:
    """The providers' files, the buyer's test set, and the columns to leave out."""

    files: tuple[File, ...]
    test: File
    sparse: tuple[str, ...]


def digits_at_home(seed: int = 0, rows: int = _ROWS) -> AtHome:
    """Three tables of so many rows, and a test set of 400."""
    from sklearn.datasets import load_digits

    data = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.target))
    pixels, labels = data.data.astype(np.int64)[order], data.target.astype(np.int64)[order]
    test = File("Buyer", "csv", _csv(pixels[:_TEST_ROWS], labels[:_TEST_ROWS]), _TEST_ROWS)
    files, sparse = [], np.zeros(pixels.shape[1], dtype=bool)
    for place, owner in enumerate(OWNERS):
        own = slice(_TEST_ROWS + place * rows, _TEST_ROWS + (place + 1) * rows)
        X, y = pixels[own], labels[own].copy()
        if "flipped" in owner:
            wrong = rng.permutation(len(y))[: round(0.4 * len(y))]
            y[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10
        sparse |= np.array([len(X) - np.bincount(column).max() < _LEAST for column in X.T])
        files.append(File(owner, "csv", _csv(X, y), len(y)))
    # a column that is the same in the whole test set teaches nothing either
    sparse |= np.ptp(pixels[:_TEST_ROWS], axis=0) == 0
    return AtHome(tuple(files), test, tuple(f"x{at}" for at in np.flatnonzero(sparse)))


def _csv(pixels: NDArray[np.int64], labels: NDArray[np.int64]) -> bytes:
    columns = {f"x{at}": column for at, column in enumerate(pixels.T)}
    sink = io.BytesIO()
    pa.csv.write_csv(pa.table({**columns, TARGET: labels}), sink)
    return sink.getvalue()
