"""One encoding per job: how the rows of every provider and of the test set become arrays. No torch here.

It is fixed before anything is trained and enters the game digest, so the same files are always the same numbers.
- Columns are matched by name and taken in the order of the test set; every file must have the same, of the same kind.
- Scale ``standard``: centre and spread come from the TEST SET alone, which is the buyer's: no provider can shift
  another's features. Constant columns have spread 1; values are clipped at +-10. Scale ``none``: taken as given.
  ``auto`` is none where every file of the job is an NPZ (arrays come prepared), else standard.
- Text columns become one column per category OF THE TEST SET plus one, last, for every category it lacks; one whose
  values in the test set have four words or more on average is prose, and becomes hashed words (``prose``), unscaled.
- Classes are the labels of all providers; a test label that no provider has is an error.
- Classes and columns are then put in an order of their content (``canonical_order``), unless a checkpoint's weights,
  whose outputs are in the order of names, fix it.
- Rows have a canonical order (``canonical_rows``), in which they are both hashed and trained on: neither the order of
  rows in a file nor its format can change anybody's pay.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import table_format, table_name
from app.datasets.readers.types import is_tensor, is_text, type_name
from app.datasets.rows import prose
from app.datasets.rows.rules import check_target_exists, class_names, class_order, label_texts
from app.errors import FieldError, InvalidData

CLIP = 10.0
MAX_WIDTH = 50_000
Scale = Literal["auto", "none", "standard"]


@dataclass(frozen=True)
class Feature:
    """One column. ``kind`` is "number" (centre, spread), "text" (categories), "prose" (hashed words) or "tensor"
    (shape, centre, spread)."""

    name: str
    kind: Literal["number", "text", "prose", "tensor"]
    center: float = 0.0
    spread: float = 1.0
    categories: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """How many columns of X it becomes (a tensor: its number of elements)."""
        if self.kind == "text":
            return len(self.categories) + 1
        if self.kind == "prose":
            return prose.WIDTH
        return int(np.prod(self.shape)) if self.kind == "tensor" else 1


@dataclass(frozen=True)
class Encoding:
    """How rows become arrays; JSON-able both ways, equal content means equal digest."""

    target: str
    classes: tuple[str, ...]
    features: tuple[Feature, ...]
    scale: Literal["none", "standard"]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one encoded row: (d,), or an image's own."""
        first = self.features[0]
        return first.shape if first.kind == "tensor" else (sum(feature.width for feature in self.features),)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        features = []
        for feature in self.features:
            item: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
            if feature.kind == "text":
                item["categories"] = list(feature.categories)
            elif feature.kind == "prose":
                item["width"] = prose.WIDTH
            else:
                item |= {"center": feature.center, "spread": feature.spread}
            if feature.kind == "tensor":
                item["shape"] = list(feature.shape)
            features.append(item)
        return {"target": self.target, "classes": list(self.classes), "features": features, "scale": self.scale}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Encoding":
        """The encoding that ``to_json`` wrote."""
        features = tuple(
            Feature(
                name=item["name"],
                kind=item["kind"],
                center=item.get("center", 0.0),
                spread=item.get("spread", 1.0),
                categories=tuple(item.get("categories", ())),
                shape=tuple(item.get("shape", ())),
            )
            for item in data["features"]
        )
        return cls(data["target"], tuple(data["classes"]), features, data["scale"])

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class EncodedRows:
    """X float32[n, d...] and y int64[n] (indices into the encoding's classes)."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]

    def canonical(self) -> "EncodedRows":
        """The same rows in canonical order."""
        return EncodedRows(*canonical_rows(self.X, self.y))

    @property
    def digest(self) -> str:
        """See ``rows_digest``."""
        return rows_digest(self.X, self.y)


def fit_encoding(test: pa.Table, players: Sequence[pa.Table], target: str, *, scale: Scale = "auto") -> Encoding:
    """The encoding of a job; raises InvalidData where its files do not fit together, naming the file and the mend."""
    if not players:
        raise InvalidData("a job needs at least one provider's dataset; name some in `players`")
    check_target_exists(test, target)
    for player in players:
        _check_same_columns(test, player, target)
    offered = {name for player in players for name in class_names(player, target)}
    classes = fit_classes(target, table_name(test), class_names(test, target), offered)
    if scale == "auto":
        scale = "none" if all(table_format(table) == "npz" for table in (test, *players)) else "standard"
    features = tuple(_fit_feature(test, name, scale) for name in test.column_names if name != target)
    width = sum(feature.width for feature in features)
    if width > MAX_WIDTH:
        raise InvalidData(
            f"{table_name(test)}: its columns encode to {width} features, and {MAX_WIDTH} are allowed; "
            "drop text columns with many categories"
        )
    return Encoding(target, classes, features, scale)


def fit_classes(target: str, test: str, wanted: Sequence[str], offered: Collection[str]) -> tuple[str, ...]:
    """The classes of a job: the labels of all providers, in order. ``wanted`` are those of the test set, which errors
    call ``test``; raises InvalidData where there is nothing to tell apart, or a label that nobody offers."""
    classes = sorted(offered, key=class_order)
    if len(classes) == 1:
        raise _mismatch(target, "all providers of the job have one class, the same one; add one with another class")
    if len(wanted) == 1:
        raise _mismatch(target, f"every row of the test set is {wanted[0]!r}; add rows of the other classes to it")
    if unknown := [label for label in wanted if label not in set(classes)]:
        raise _mismatch(
            target,
            f"{test} has {_few(unknown)}, which no provider's dataset has; "
            "drop those rows from the test set or add a provider that has them",
        )
    return tuple(classes)


def encode(table: pa.Table, encoding: Encoding) -> EncodedRows:
    """The rows of one table, in its own order; raises InvalidData for labels or values that do not fit."""
    y = _encode_labels(table, encoding)
    first = encoding.features[0]
    X = np.empty((table.num_rows, sum(feature.width for feature in encoding.features)), dtype=np.float32)
    at = 0
    for feature in encoding.features:
        column = table.column(feature.name)
        block = X[:, at : at + feature.width]
        if feature.kind == "text":
            _one_hot(column, feature, block)
        elif feature.kind == "prose":
            _hashed(column, block)
        else:
            _numbers(table, column, feature, encoding.scale, block)
        at += feature.width
    # -0.0 and 0.0 are the same number and must be the same bytes
    X += 0.0
    return EncodedRows(X.reshape(table.num_rows, *first.shape) if first.kind == "tensor" else X, y)


def canonical_rows(X: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows and labels sorted by their bytes; equal rows are interchangeable, so the result is unique."""
    order = np.argsort(_row_bytes(X, y), kind="stable")
    return np.ascontiguousarray(X[order]), y[order]


def rows_digest(X: NDArray[np.float32], y: NDArray[np.int64]) -> str:
    """Hex SHA-256 of the rows in canonical order: equal for the same rows in any order, from any format."""
    hasher = hashlib.sha256(f"rows {len(X)} {list(X.shape[1:])} <f4 <i8\n".encode())
    hasher.update(np.sort(_row_bytes(X, y), kind="stable").data)
    return hasher.hexdigest()


def _row_bytes(X: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.void]:
    """One opaque value per row: its float32s and its label, little-endian."""
    flat = np.ascontiguousarray(X, dtype="<f4").reshape(len(X), -1)
    width = flat.shape[1] * 4
    raw = np.empty((len(X), width + 8), dtype=np.uint8)
    raw[:, :width] = flat.view(np.uint8)
    raw[:, width:] = np.ascontiguousarray(y, dtype="<i8").view(np.uint8).reshape(len(y), 8)
    return raw.view(np.dtype((np.void, width + 8))).reshape(len(X))


def _kind(table: pa.Table, name: str) -> str:
    kind = table.schema.field(name).type
    if is_tensor(kind):
        return type_name(kind)
    return "text" if is_text(kind) else "number"


def _check_same_columns(test: pa.Table, player: pa.Table, target: str) -> None:
    who, against = table_name(player), table_name(test)
    check_target_exists(player, target)
    wanted, given = test.column_names, player.column_names
    known, had = set(wanted), set(given)
    if missing := [name for name in wanted if name not in had]:
        raise _mismatch(
            missing[0], f"{who} lacks {_few(missing)}, which {against} has; add it, or drop it from all files"
        )
    if extra := [name for name in given if name not in known]:
        raise _mismatch(extra[0], f"{who} has {_few(extra)}, which {against} lacks; drop it, or add it to all files")
    for name in wanted:
        there, here = _kind(test, name), _kind(player, name)
        if name != target and there != here:
            raise _mismatch(
                name, f"column `{name}` is {here} in {who} and {there} in {against}; make it the same in every file"
            )


def _fit_feature(test: pa.Table, name: str, scale: Scale) -> Feature:
    column = test.column(name)
    if is_text(column.type):
        if prose.is_prose(column.cast(pa.string()).to_pylist()):
            return Feature(name, "prose")
        return Feature(name, "text", categories=tuple(sorted(set(column.unique().to_pylist()))))
    shape = tuple(column.type.shape) if is_tensor(column.type) else ()
    kind: Literal["number", "tensor"] = "tensor" if shape else "number"
    if scale == "none":
        return Feature(name, kind, shape=shape)
    # sorted: sums of the same numbers in another order differ in the last digits
    values = np.sort(_as_matrix(column), axis=None)
    with np.errstate(over="ignore", invalid="ignore"):
        center, spread = float(values.mean()), float(values.std())
    if not (np.isfinite(center) and np.isfinite(spread)):
        raise _mismatch(
            name, f"{table_name(test)}: the values of `{name}` are too large to be scaled; rescale the column"
        )
    constant = float(values.min()) == float(values.max())
    return Feature(name, kind, center, 1.0 if constant or spread == 0.0 else spread, shape=shape)


def _as_matrix(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """float64[n, width] of a number or tensor column."""
    if is_tensor(column.type):
        parts = [chunk.to_numpy_ndarray().reshape(len(chunk), -1) for chunk in column.chunks]
        return np.concatenate(parts).astype(np.float64)
    values = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    return np.asarray(values.to_numpy(), dtype=np.float64).reshape(-1, 1)


def _numbers(
    table: pa.Table, column: pa.ChunkedArray, feature: Feature, scale: str, block: NDArray[np.float32]
) -> None:
    values = _as_matrix(column)
    if scale == "standard":
        with np.errstate(over="ignore"):
            values = np.clip((values - feature.center) / feature.spread, -CLIP, CLIP)
    with np.errstate(over="ignore"):
        block[:] = values
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        detail = (
            f"{table_name(table)}: row {row + 1} of `{feature.name}` does not fit a 32-bit float; rescale the column"
        )
        # of a row, and so for its owner alone
        raise InvalidData(detail, errors=[FieldError(feature.name, detail, "values")])


def _one_hot(column: pa.ChunkedArray, feature: Feature, block: NDArray[np.float32]) -> None:
    block[:] = 0.0
    block[np.arange(len(column)), _lookup(column, feature.categories, len(feature.categories))] = 1.0


def _hashed(column: pa.ChunkedArray, block: NDArray[np.float32]) -> None:
    at = 0
    for chunk in column.chunks:
        rows = [prose.hashed(text) for text in chunk.dictionary.to_pylist()]
        block[at : at + len(chunk)] = np.stack(rows)[chunk.indices.to_numpy()] if rows else 0.0
        at += len(chunk)


def _encode_labels(table: pa.Table, encoding: Encoding) -> NDArray[np.int64]:
    labels = label_texts(table, encoding.target)
    y = _lookup(labels, encoding.classes, -1)
    if (y < 0).any():
        unknown = sorted(set(labels.unique().to_pylist()) - set(encoding.classes), key=class_order)
        raise _mismatch(
            encoding.target,
            f"{table_name(table)} has {_few(unknown)}, which the job's {len(encoding.classes)} classes lack; "
            "drop those rows",
        )
    return y


def _lookup(column: pa.ChunkedArray, names: Sequence[str], absent: int) -> NDArray[np.int64]:
    """int64[n]: the index of each text in ``names``, or ``absent``."""
    index = {name: i for i, name in enumerate(names)}
    parts = []
    for chunk in column.chunks:
        codes = np.array([index.get(text, absent) for text in chunk.dictionary.to_pylist()], dtype=np.int64)
        parts.append(codes[chunk.indices.to_numpy()] if len(codes) else np.empty(0, dtype=np.int64))
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _few(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _mismatch(column: str, detail: str) -> InvalidData:
    return InvalidData(detail, errors=[FieldError(column, detail, "schema")])
