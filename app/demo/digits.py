"""Ten provider files and a test set from scikit-learn's bundled handwritten digits, always the same for one seed.

Seven honest providers of unequal size with skewed labels, one with 40 % of its labels flipped, one exact copy of
another, and one of pure noise. Three file formats take turns, and the copy comes in another format than its
original, because what is paid for is content. This module makes bytes; it never talks to the service.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

TARGET = "y"
_HONEST = ("Alder", "Birch", "Cedar", "Damson", "Elm", "Fir", "Ginkgo")
_SIZES = (0.22, 0.19, 0.16, 0.13, 0.12, 0.10, 0.08)
_SKEW = 0.8  # Dirichlet concentration of each class over the providers; smaller is more skewed
_COPIED = "Cedar"
_TEST_ROWS = 597
_BAD_ROWS = 120


@dataclass(frozen=True)
class File:
    """One upload: who it belongs to, its format as the API names it, its bytes and its number of rows."""

    owner: str
    format: str
    content: bytes
    rows: int


Rows = tuple[NDArray[Any], NDArray[Any]]


def digits_market(seed: int = 0) -> tuple[list[File], File]:
    """The ten providers' files and the buyer's test set (597 rows, stratified by nothing but the shuffle)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.target))
    pixels = data.data.astype(np.int64)[order]
    labels = data.target.astype(np.int64)[order]
    test = File("Buyer", "csv", _csv(pixels[:_TEST_ROWS], labels[:_TEST_ROWS]), _TEST_ROWS)
    rows = _providers(pixels[_TEST_ROWS:], labels[_TEST_ROWS:], rng)
    writers: list[tuple[str, Callable[[NDArray[Any], NDArray[Any]], bytes]]] = [
        ("csv", _csv),
        ("parquet", _parquet),
        ("npz", _npz),
    ]
    files = []
    for index, (owner, (x, y)) in enumerate(rows.items()):
        name, write = writers[index % len(writers)]
        files.append(File(owner, name, write(x, y), len(y)))
    return files, test


def _providers(pixels: NDArray[Any], labels: NDArray[Any], rng: np.random.Generator) -> dict[str, Rows]:
    weights = np.stack([rng.dirichlet(_SKEW * len(_SIZES) * np.array(_SIZES)) for _ in range(10)])
    honest = slice(_BAD_ROWS, None)
    share = weights[labels[honest]] / weights[labels[honest]].sum(axis=1, keepdims=True)
    owner = np.array([rng.choice(len(_HONEST), p=p) for p in share])
    rows: dict[str, Rows] = {
        name: (pixels[honest][owner == index], labels[honest][owner == index]) for index, name in enumerate(_HONEST)
    }
    flipped = labels[:_BAD_ROWS].copy()
    wrong = rng.permutation(_BAD_ROWS)[: round(0.4 * _BAD_ROWS)]
    flipped[wrong] = (flipped[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return rows | {
        f"Hawthorn (copy of {_COPIED})": rows[_COPIED],
        "Ivy (40 % flipped)": (pixels[:_BAD_ROWS], flipped),
        "Juniper (noise)": (rng.integers(0, 17, (_BAD_ROWS, pixels.shape[1])), rng.integers(0, 10, _BAD_ROWS)),
    }


def _columns(width: int) -> list[str]:
    return [f"x{i}" for i in range(width)]


def _table(x: NDArray[Any], y: NDArray[Any]) -> pa.Table:
    columns = {name: x[:, i] for i, name in enumerate(_columns(x.shape[1]))}
    return pa.table({**columns, TARGET: y})


def _csv(x: NDArray[Any], y: NDArray[Any]) -> bytes:
    sink = io.BytesIO()
    pa.csv.write_csv(_table(x, y), sink)
    return sink.getvalue()


def _parquet(x: NDArray[Any], y: NDArray[Any]) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(_table(x, y), sink)
    return sink.getvalue()


def _npz(x: NDArray[Any], y: NDArray[Any]) -> bytes:
    sink = io.BytesIO()
    np.savez_compressed(sink, X=x, y=y)
    return sink.getvalue()
