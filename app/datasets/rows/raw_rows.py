"""Rows as they were read, for telling whether two files hold the same ones. Pure; no encoding, no scale of a job.

A row's key is a hash of all of its values by their columns' names, so that nothing which the asker of a question sends
can make two rows equal that are not: no column is scaled, clipped, cut or left out by another file's contents. A whole
number is itself; any other number is the 32-bit float nearest to it, so that the same table as CSV, Parquet or NPZ has
the same keys (one outside the range of such floats is its 64-bit self); a text is itself, NFC, without spaces at its
ends; an array is its shape and its values.

Changed copies are looked for by distance (``app.valuations.players.near_copies``), and a distance needs a scale. It is
taken from the providers' files alone (``Scale``): a test set, which is the asker's, has no say in it.
"""

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import table_format
from app.datasets.readers.types import is_tensor, is_text
from app.datasets.rows import prose
from app.datasets.rows.filling import text_counts
from app.datasets.rows.numeric_target import target_numbers
from app.datasets.rows.rules import label_texts

KEY = np.dtype("V16")
_CODE = 16  # numbers that stand for a category where distances are looked at
_FAR = 1e12
_MISSING = 0x7FF8_0000_0000_0000  # a missing value, and a number that is none
_BLOCK_NUMBERS = 4_000_000

Keys = NDArray[np.void]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class RawRows:
    """``keys`` V16[n], one a row, its label included; ``X`` float32[n, d] for distances (d = 0: only equal rows are
    looked for); ``y`` int64[n], the classes of the job (all 0 where a number is predicted, which is then in ``X``)."""

    keys: Keys
    X: NDArray[np.float32]
    y: NDArray[np.int64]

    @classmethod
    def of(cls, keys: Sequence[bytes], y: NDArray[np.int64]) -> "RawRows":
        """Rows that are compared for equality only, by 16 bytes each."""
        return cls(np.frombuffer(b"".join(keys), dtype=KEY), np.zeros((len(y), 0), dtype=np.float32), y)

    @classmethod
    def of_arrays(cls, X: NDArray[np.float32], y: NDArray[np.int64]) -> "RawRows":
        """Rows that are nothing but numbers X float32[n, ...] and classes."""
        width = math.prod(np.shape(X)[1:])
        flat = np.ascontiguousarray(X, dtype=np.float32).reshape(len(y), width) + np.float32(0)
        return replace(cls.of([short_hash(key) for key in row_keys(flat, y)], y), X=flat)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the rows in whatever order, whatever numbers a job gives their classes."""
        return hashlib.sha256(b"".join(sorted(key.tobytes() for key in self.keys))).hexdigest()

    def some(self, keep: NDArray[np.bool_]) -> "RawRows":
        """The rows that ``keep`` bool[n] names."""
        return RawRows(self.keys[keep], self.X[keep], self.y[keep])


def join_raw(parts: Sequence[RawRows]) -> RawRows:
    """The rows of several files, one after another."""
    return RawRows(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.y for part in parts]),
    )


def short_hash(content: Any) -> bytes:
    """The 16 bytes by which content is compared."""
    return hashlib.blake2b(content, digest_size=KEY.itemsize).digest()


def row_keys(keys: NDArray[Any], y: NDArray[Any]) -> list[bytes]:
    """What two rows have in common where they are equal: key and class."""
    return [key.tobytes() + int(label).to_bytes(8, "little", signed=True) for key, label in zip(keys, y, strict=True)]


def keys_of(table: pa.Table, target: str, known: Mapping[str, Hashes] | None = None, *, number: bool = False) -> Keys:
    """V16[n]: the keys of a table's rows over all of its columns, the target as the text of its class, or as a
    ``number``.

    ``known`` are hashes of columns whose values in the table are not as they were read (images that were resized).
    """
    names = sorted(table.column_names)
    heading = short_hash("\0".join(names).encode("utf-8", "surrogatepass"))
    own = target_numbers(table, target) if number else None
    label = value_hashes(label_texts(table, target) if own is None else pa.chunked_array([pa.array(own)]))
    known = {target: label, **(known or {})}
    hashes = [known[name] if name in known else value_hashes(table.column(name)) for name in names]
    keys = bytearray()
    step = max(1, _BLOCK_NUMBERS // max(1, len(hashes)))
    for start in range(0, table.num_rows, step):
        block = np.stack([column[start : start + step] for column in hashes], axis=1)
        keys += b"".join(hashlib.blake2b(row.data, digest_size=KEY.itemsize, key=heading).digest() for row in block)
    return np.frombuffer(bytes(keys), dtype=KEY)


def value_hashes(column: pa.ChunkedArray) -> Hashes:
    """uint64[n]: one number for each value of a column, equal for equal values and, but for chance, for no others."""
    if is_tensor(column.type):
        parts = [chunk.to_numpy_ndarray() for chunk in column.chunks]
        return np.array([array_hash(array) for part in parts for array in part], dtype=np.uint64)
    if is_text(column.type):
        hashes = [np.empty(0, dtype=np.uint64)]
        for chunk in column.chunks:
            texts = chunk.dictionary.to_pylist()
            known = np.array([*(_text_hash(text) for text in texts), _MISSING], dtype=np.uint64)
            hashes.append(known[_indices(chunk, len(texts))])
        return np.concatenate(hashes)
    return _number_hashes(column)


def array_hash(array: NDArray[Any]) -> int:
    """64 bits of an array's shape and values, whatever its type."""
    values = np.ascontiguousarray(array, dtype="<f4") + np.float32(0)
    return _hash(repr(values.shape).encode() + values.tobytes())


def _indices(chunk: pa.DictionaryArray, missing: int) -> NDArray[np.int64]:
    """Which text each row of a chunk has; ``missing`` where it has none."""
    return np.asarray(chunk.indices.fill_null(missing).to_numpy(), dtype=np.int64)


def _text_hash(text: str) -> int:
    return _hash(unicodedata.normalize("NFC", text).strip().encode("utf-8", "surrogatepass"))


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def _number_hashes(column: pa.ChunkedArray) -> Hashes:
    if pa.types.is_integer(column.type) and not column.null_count:
        whole = np.asarray(column.to_numpy(), dtype=np.int64)
        if bool((np.abs(whole) > 2**53).any()):
            # not all are 64-bit floats; those that are hash as the float they are equal to
            return np.array([_float_bits(value) for value in whole.tolist()], dtype=np.uint64)
    plain = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    numbers = np.asarray(plain.to_numpy(), dtype=np.float64) + 0.0  # -0.0 is 0.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = numbers.astype(np.float32).astype(np.float64)
        near = np.isfinite(single) & (np.abs(single) >= np.finfo(np.float32).tiny) & (np.floor(numbers) != numbers)
    numbers = np.where(near, single, numbers)
    return np.where(np.isnan(numbers), np.uint64(_MISSING), np.ascontiguousarray(numbers).view(np.uint64))


def _float_bits(value: int) -> int:
    number = float(value)
    if int(number) == value:
        return int(np.float64(number).view(np.uint64))
    return _hash(str(value).encode())


@dataclass(frozen=True)
class Scale:
    """How distances between rows are measured: ``spreads`` by column of numbers (1 where values are taken as they
    are), and which columns of texts are prose."""

    spreads: dict[str, float]
    prose: frozenset[str]


def fit_scale(players: Sequence[pa.Table], target: str) -> Scale:
    """The scale of the providers' files: of each column the median over files of its standard deviation in each, so
    that no single file decides; 1 throughout where all are arrays (NPZ), which come prepared."""
    arrays = all(table_format(table) == "npz" for table in players)
    spreads, texts = {}, set()
    for name in players[0].column_names:
        if name == target:
            continue
        columns = [table.column(name) for table in players]
        if is_text(columns[0].type):
            if all(prose.is_prose(text_counts(column)) for column in columns):
                texts.add(name)
            continue
        spreads[name] = 1.0 if arrays else _median_spread(columns)
    return Scale(spreads, frozenset(texts))


def number_block(y: NDArray[np.float64], players: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """float32[n, 1]: targets that are numbers, by the scale of all ``players``' targets, for distances."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = y / _median([own.reshape(-1, 1) for own in players])
    return np.nan_to_num(values, posinf=_FAR, neginf=-_FAR).clip(-_FAR, _FAR).astype(np.float32).reshape(-1, 1)


def _median_spread(columns: Sequence[pa.ChunkedArray]) -> float:
    return _median([_matrix(column) for column in columns])


def _median(matrices: Sequence[NDArray[np.float64]]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        deviations = sorted(float(np.nanstd(matrix)) for matrix in matrices)
    used = [spread for spread in deviations if np.isfinite(spread) and spread > 0.0]
    return used[(len(used) - 1) // 2] if used else 1.0


def distance_rows(table: pa.Table, target: str, scale: Scale) -> NDArray[np.float32]:
    """float32[n, d]: rows between which distances are looked at."""
    blocks = [_distance_block(table, name, scale) for name in sorted(table.column_names) if name != target]
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((table.num_rows, 0), dtype=np.float32)


def _distance_block(table: pa.Table, name: str, scale: Scale) -> NDArray[np.float32]:
    column = table.column(name)
    if is_text(column.type):
        code = prose.hashed if name in scale.prose else _code
        parts = [np.zeros((0, prose.WIDTH if name in scale.prose else _CODE), dtype=np.float32)]
        for chunk in column.chunks:
            texts = chunk.dictionary.to_pylist()
            known = [*(code(text) for text in texts), np.zeros(parts[0].shape[1], dtype=np.float32)]
            parts.append(np.stack(known)[_indices(chunk, len(texts))])
        return np.concatenate(parts)
    with np.errstate(over="ignore", invalid="ignore"):
        values = _matrix(column) / scale.spreads.get(name, 1.0)
    return np.nan_to_num(values, nan=0.0, posinf=_FAR, neginf=-_FAR).clip(-_FAR, _FAR).astype(np.float32)


def _code(text: str) -> NDArray[np.float32]:
    """A point for a category, of length 1: two categories are about as far apart as any others."""
    content = unicodedata.normalize("NFC", text).strip().encode("utf-8", "surrogatepass")
    point = np.frombuffer(hashlib.blake2b(content, digest_size=_CODE).digest(), dtype=np.uint8) - 127.5
    return np.asarray(point / np.sqrt(np.square(point).sum()), dtype=np.float32)


def _matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n, width] of a column of numbers or arrays."""
    if is_tensor(column.type):
        parts = [chunk.to_numpy_ndarray().reshape(len(chunk), -1) for chunk in column.chunks]
        return np.concatenate(parts).astype(np.float64)
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    return np.asarray(values.to_numpy(), dtype=np.float64).reshape(-1, 1)
