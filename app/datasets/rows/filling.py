"""What a missing cell becomes: the median, or the most frequent category, of the rows of all players together, or of
the test set alone where the order says so (``players`` is empty then). Pure.

The pooled rows are told by how often each value occurs, so neither the order of rows, files or players nor the split of
rows over players can change a fill. Where no player has a value the test set's are taken, and where nobody has one, 0.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers.cells import as_numbers
from app.datasets.readers.types import as_texts, is_tensor, is_text


def as_matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n, width] of a number or tensor column (a text column: its cells read as numbers); NaN where missing."""
    if is_tensor(column.type):
        parts = [chunk.to_numpy_ndarray().reshape(len(chunk), -1) for chunk in column.chunks]
        return np.concatenate(parts).astype(np.float64)
    if is_text(column.type):
        return as_numbers(column)[0].reshape(-1, 1)
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    return np.asarray(values.to_numpy(), dtype=np.float64).reshape(-1, 1)


def any_gap(columns: Sequence[pa.ChunkedArray]) -> bool:
    """Whether a text column that is read as numbers has a cell that says there is none."""
    return any(is_text(column.type) and bool(np.isnan(as_matrix(column)).any()) for column in columns)


def median(players: Sequence[pa.ChunkedArray], test: pa.ChunkedArray) -> float:
    """The median of the values that there are."""
    for columns in (players, [test]):
        values = np.concatenate([np.empty(0), *(as_matrix(column).reshape(-1) for column in columns)])
        values = values[~np.isnan(values)]
        if len(values):
            return float(np.median(values))
    return 0.0


def most_frequent(players: Sequence[pa.ChunkedArray], test: pa.ChunkedArray) -> str:
    """The most frequent text; of several the first by name."""
    for columns in (players, [test]):
        counts: Counter[str] = Counter()
        for column in columns:
            counts.update(text_counts(as_texts(column)))
        if counts:
            return min(counts, key=lambda text: (-counts[text], text))
    return ""


def text_counts(column: pa.ChunkedArray) -> dict[str, int]:
    """How many cells hold each text."""
    tallies = column.cast(pa.string()).drop_null().value_counts()
    texts, counts = tallies.flatten()
    return dict(zip(texts.to_pylist(), counts.to_pylist(), strict=True))
