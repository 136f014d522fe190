"""The order of encoded rows by their content, and the digest that names them, wherever they were encoded. Pure."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def canonical_order_of(X: NDArray[np.float32], y: NDArray[Any]) -> NDArray[np.int64]:
    """The order of rows by their bytes, int64[n]; equal rows are interchangeable, so what is put in it is unique."""
    return np.argsort(row_bytes(X, y), kind="stable")


def rows_digest(X: NDArray[np.float32], y: NDArray[Any]) -> str:
    """Hex SHA-256 of the rows in canonical order: equal for the same rows in any order, from any format."""
    hasher = hashlib.sha256(f"rows {len(X)} {list(X.shape[1:])} <f4 <{y.dtype.kind}8\n".encode())
    hasher.update(np.sort(row_bytes(X, y), kind="stable").data)
    return hasher.hexdigest()


def row_bytes(X: NDArray[np.float32], y: NDArray[Any]) -> NDArray[np.void]:
    """One opaque value per row: its float32s and its label, little-endian."""
    flat = np.ascontiguousarray(X, dtype="<f4").reshape(len(X), -1)
    width = flat.shape[1] * 4
    raw = np.empty((len(X), width + 8), dtype=np.uint8)
    raw[:, :width] = flat.view(np.uint8)
    raw[:, width:] = np.ascontiguousarray(y, dtype=f"<{y.dtype.kind}8").view(np.uint8).reshape(len(y), 8)
    return raw.view(np.dtype((np.void, width + 8))).reshape(len(X))
