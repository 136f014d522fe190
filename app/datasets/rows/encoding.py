"""One encoding per job: how the rows of every provider and of the test set become arrays. No torch here.

It is fixed before anything is trained and enters the game digest, so the same files are always the same numbers.
- Columns are matched by name and taken in the order of the test set (``joining``); further ones are left out.
- Scale ``standard``: centre and spread come from the TEST SET alone, which is the buyer's: no provider can shift
  another's features. Constant columns have spread 1; values are clipped at +-10. Scale ``none``: taken as given.
  ``auto`` is none where every file of the job is an NPZ (arrays come prepared), else standard.
- Text columns become one column per category OF THE TEST SET plus one, last, for every category it lacks; one most of
  whose cells in the test set hold a text of their own is prose, and becomes hashed words (``prose``), unscaled.
- Missing cells of numbers become the median, those of categories the most frequent one of the POOLED rows of all
  players (``filling``), whatever their order, or of the test set's where the order fills by it; a column that has a
  missing cell in any file of the job gets one more, last, which is 1 where the cell is missing. Missing prose has no
  words.
- Classes are the labels of all providers; a test label that no provider has is an error. A target that is predicted
  as a number stays in its unit; its scale, by which models are trained, is the test set's alone (``TargetScale``).
- Classes and columns are then put in an order of their content (``canonical_order``), unless a checkpoint's weights,
  whose outputs are in the order of names, fix it.
- Rows have a canonical order (``canonical_order_of``), in which they are hashed and trained on: neither the order of
  rows in a file nor its format can change anybody's pay.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.datasets.readers import declared_kinds, table_format, table_name
from app.datasets.readers.types import as_texts
from app.datasets.rows import filling, numeric_target, prose
from app.datasets.rows.features import Encoding, Feature, Scale
from app.datasets.rows.filling import any_gap, as_matrix, text_counts
from app.datasets.rows.joining import join, renamed
from app.datasets.rows.labels import LabelFindings, label_findings
from app.datasets.rows.rules import class_names, class_order, clean_map, label_counts, label_texts
from app.errors import FieldError, InvalidData
from contract.rows.columns import mark, standardised
from contract.rows.features import ALL_FEATURES, FeatureChoice, Fills
from contract.rows.findings import Finding
from contract.rows.reading import TargetIs
from contract.rows.row_order import canonical_order_of, rows_digest
from contract.tasks import TargetScale

MAX_WIDTH = 50_000


@dataclass(frozen=True)
class EncodedRows:
    """X float32[n, d...] and y int64[n] (indices into the encoding's classes), or float64[n] of numbers; ``groups``
    int64[n] of a test set's rows that were drawn together (``groups``)."""

    X: NDArray[np.float32]
    y: NDArray[Any]
    groups: NDArray[np.int64] | None = None

    def canonical(self) -> "EncodedRows":
        """The same rows in canonical order."""
        order = canonical_order_of(self.X, self.y)
        groups = None if self.groups is None else self.groups[order]
        return EncodedRows(np.ascontiguousarray(self.X[order]), self.y[order], groups)

    @property
    def digest(self) -> str:
        """See ``rows_digest``."""
        return rows_digest(self.X, self.y)


@dataclass(frozen=True)
class FittedTables:
    """A job's encoding, and what is said of the test set and of each player's file, beside what its reading said."""

    encoding: Encoding
    test_findings: tuple[Finding, ...]
    findings: tuple[tuple[Finding, ...], ...]


def fit_encoding(test: pa.Table, players: Sequence[pa.Table], target: str, *, scale: Scale = "auto") -> Encoding:
    """The encoding of a job; raises InvalidData where its files do not fit together, naming the file and the mend."""
    return fit_tables(test, players, target, scale=scale).encoding


def fit_tables(
    test: pa.Table,
    players: Sequence[pa.Table],
    target: str,
    *,
    scale: Scale = "auto",
    choice: FeatureChoice = ALL_FEATURES,
    label_map: Mapping[str, str] | None = None,
    target_is: TargetIs | None = None,
    reported_labels: Collection[str] = (),
    reported_gaps: Collection[str] = (),
) -> FittedTables:
    """The same with what is said of the files; ``choice``, ``label_map`` and ``target_is`` are the order's. Where
    it does not say that the target is of classes (None), one that may be a number is refused. ``reported_labels`` are
    what owners of tables without a row here say that they have, and ``reported_gaps`` the columns in which theirs have
    missing cells."""
    if not players:
        raise InvalidData("a job needs at least one provider's dataset; name some in `players`")
    players = [renamed(player, choice) for player in players]
    joined = join(test, players, target, choice)
    mapped = clean_map(label_map or {})
    classes, target_scale, labels = _fit_target(test, players, target, mapped, target_is, reported_labels)
    if scale == "auto":
        scale = "none" if all(table_format(table) == "npz" for table in (test, *players)) else "standard"
    told = frozenset(reported_gaps)
    features = tuple(
        _fit_feature(_Pooled(test, players, name, choice.fills, name in told), kind, scale)
        for name, kind in joined.kinds.items()
    )
    width = sum(feature.width for feature in features)
    if width > MAX_WIDTH:
        raise InvalidData(
            f"{table_name(test)}: its columns encode to {width} features, and {MAX_WIDTH} are allowed; "
            "drop text columns with many categories"
        )
    return FittedTables(
        Encoding(target, classes, features, scale, mapped, dict(choice.rename), target_scale),
        labels.test,
        tuple((*of_columns, *of_labels) for of_columns, of_labels in zip(joined.findings, labels.players, strict=True)),
    )


def _fit_target(
    test: pa.Table,
    players: Sequence[pa.Table],
    target: str,
    mapped: Mapping[str, str],
    target_is: TargetIs | None,
    reported_labels: Collection[str],
) -> tuple[tuple[str, ...], TargetScale | None, LabelFindings]:
    """The classes, or the scale of a number, and what is said of each file's target."""
    if target_is == "number":
        if mapped:
            raise _mismatch(target, f"`{target}` is predicted as a number, and label_map is of classes; leave it out")
        scale, values = numeric_target.fit_scale(test, target), numeric_target.target_numbers(test, target)
        said = tuple(numeric_target.number_findings(player, target, values) for player in players)
        return (), scale, LabelFindings((), said)
    if target_is is None:
        numeric_target.check_said(test, target)
    offered = {mapped.get(label, label) for label in reported_labels}
    offered |= {name for player in players if player.num_rows for name in class_names(player, target, mapped)}
    classes = fit_classes(target, table_name(test), class_names(test, target, mapped), offered)
    counts = [label_counts(table, target, mapped) for table in (test, *players)]
    return classes, None, label_findings(target, counts[0], counts[1:], table_name(test))


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
    table = renamed(table, FeatureChoice(rename=dict(encoding.rename)))
    y = _encode_target(table, encoding)
    return EncodedRows(_encode_features(table, encoding), y)


def encode_unlabelled(table: pa.Table, encoding: Encoding) -> NDArray[np.float32]:
    """X float32[n, d...] of a table's rows, in its own order; a label column is not looked at. Raises InvalidData."""
    table = renamed(table, FeatureChoice(rename=dict(encoding.rename)))
    if missing := [feature.name for feature in encoding.features if feature.name not in table.column_names]:
        raise _mismatch(missing[0], f"{table_name(table)} lacks {_few(missing)}, which the model reads; add them")
    return _encode_features(table, encoding)


def _encode_features(table: pa.Table, encoding: Encoding) -> NDArray[np.float32]:
    first = encoding.features[0]
    X = np.empty((table.num_rows, sum(feature.width for feature in encoding.features)), dtype=np.float32)
    at = 0
    for feature in encoding.features:
        block = X[:, at : at + feature.width]
        if feature.fill is None:
            _encode_column(table, feature, encoding.scale, block)
        else:
            block[:, -1] = _encode_column(table, feature, encoding.scale, block[:, :-1])
        at += feature.width
    # -0.0 and 0.0 are the same number and must be the same bytes
    X += 0.0
    return X.reshape(table.num_rows, *first.shape) if first.kind == "tensor" else X


@dataclass(frozen=True)
class _Pooled:
    """One column in all files of a job; ``told``: somebody's, which is not here, has missing cells."""

    test: pa.Table
    players: Sequence[pa.Table]
    name: str
    fills: Fills
    told: bool

    @property
    def columns(self) -> list[pa.ChunkedArray]:
        return [player.column(self.name) for player in self.players]

    @property
    def filling(self) -> list[pa.ChunkedArray]:
        """The players' columns that fills are taken from, before the test set's."""
        return self.columns if self.fills == "players" else []

    @property
    def gaps(self) -> bool:
        return self.told or any(each.null_count for each in (self.test.column(self.name), *self.columns))


def _fit_feature(pooled: _Pooled, kind: str, scale: Scale) -> Feature:
    test, name, gaps = pooled.test, pooled.name, pooled.gaps
    column = test.column(name)
    if kind == "text":
        return _fit_text(as_texts(column), pooled, declared=declared_kinds(test).get(name))
    if kind != "number":
        shape = tuple(column.type.shape)
        center, spread = (0.0, 1.0) if scale == "none" else _centred(test, name, as_matrix(column))
        return Feature(name, "tensor", center, spread, shape=shape)
    held = as_matrix(column)
    # a text column whose cells are numbers by the pooled cells may have gaps where a text says that there is none
    gaps = gaps or bool(np.isnan(held).any()) or any_gap(pooled.columns)
    fill = filling.median(pooled.filling, column) if gaps else None
    if scale == "none":
        return Feature(name, "number", fill=fill)
    held = held[~np.isnan(held)]
    center, spread = (fill or 0.0, 1.0) if not len(held) else _centred(test, name, held)
    return Feature(name, "number", center, spread, fill=fill)


def _fit_text(column: pa.ChunkedArray, pooled: _Pooled, *, declared: str | None) -> Feature:
    counts, name, gaps = text_counts(column), pooled.name, pooled.gaps
    if declared == "text" or (declared is None and prose.is_prose(counts)):
        return Feature(name, "prose", fill="" if gaps else None)
    fill = filling.most_frequent(pooled.filling, column) if gaps else None
    return Feature(name, "text", categories=tuple(sorted(counts)), fill=fill)


def _centred(test: pa.Table, name: str, values: NDArray[np.float64]) -> tuple[float, float]:
    """Centre and spread of the test set's values."""
    # sorted: sums of the same numbers in another order differ in the last digits
    values = np.sort(values, axis=None)
    with np.errstate(over="ignore", invalid="ignore"):
        center, spread = float(values.mean()), float(values.std())
    if not (np.isfinite(center) and np.isfinite(spread)):
        raise _mismatch(
            name, f"{table_name(test)}: the values of `{name}` are too large to be scaled; rescale the column"
        )
    constant = float(values.min()) == float(values.max())
    return center, 1.0 if constant or spread == 0.0 else spread


def _encode_column(table: pa.Table, feature: Feature, scale: str, block: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Fills the block with the column's values; bool[n]: which of its cells are missing. Raises InvalidData."""
    column = table.column(feature.name)
    if feature.kind in ("number", "tensor"):
        return _numbers(table, column, feature, scale, block)
    column = as_texts(column)
    missing = np.asarray(pc.is_null(column), dtype=np.bool_)
    if feature.fill is None and missing.any():
        raise _unexpected(table, feature.name)
    if feature.kind == "prose":
        _hashed(column, feature, block)
    else:
        index = {name: at for at, name in enumerate(feature.categories)}
        filled = index.get(str(feature.fill), len(index))
        mark(block, _lookup(column, feature.categories, len(index), missing=filled))
    return missing


def _unexpected(table: pa.Table, name: str) -> InvalidData:
    return _mismatch(name, f"{table_name(table)} has missing cells in `{name}`, where the job's files had none")


def _numbers(
    table: pa.Table, column: pa.ChunkedArray, feature: Feature, scale: str, block: NDArray[np.float32]
) -> NDArray[np.bool_]:
    values = as_matrix(column)
    missing = np.zeros(len(values), dtype=np.bool_)
    if feature.kind == "number":
        missing = np.isnan(values[:, 0])
    if missing.any():
        if feature.fill is None:
            raise _unexpected(table, feature.name)
        values = np.where(np.isnan(values), float(feature.fill), values)
    if scale == "standard":
        values = standardised(values, feature.center, feature.spread)
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
    return missing


def _hashed(column: pa.ChunkedArray, feature: Feature, block: NDArray[np.float32]) -> None:
    at = 0
    for chunk in column.chunks:
        # the last row is that of a missing text
        rows = [
            *(
                prose.hashed(text, runs=feature.runs, characters=feature.characters)
                for text in chunk.dictionary.to_pylist()
            ),
            prose.hashed(""),
        ]
        block[at : at + len(chunk)] = np.stack(rows)[_codes(chunk, len(rows) - 1)]
        at += len(chunk)


def _encode_target(table: pa.Table, encoding: Encoding) -> NDArray[Any]:
    if encoding.target_scale is not None:
        return numeric_target.target_numbers(table, encoding.target)
    labels = label_texts(table, encoding.target, encoding.label_map)
    y = _lookup(labels, encoding.classes, -1)
    if (y < 0).any():
        unknown = sorted(set(labels.unique().drop_null().to_pylist()) - set(encoding.classes), key=class_order)
        raise _mismatch(
            encoding.target,
            f"{table_name(table)} has {_few(unknown)}, which the job's {len(encoding.classes)} classes lack; "
            "drop those rows",
        )
    return y


def _lookup(
    column: pa.ChunkedArray, names: Sequence[str], absent: int, *, missing: int | None = None
) -> NDArray[np.int64]:
    """int64[n]: the index of each text in ``names``, or ``absent``; ``missing`` where there is none."""
    index = {name: i for i, name in enumerate(names)}
    parts = [np.empty(0, dtype=np.int64)]
    for chunk in column.chunks:
        known = [index.get(text, absent) for text in chunk.dictionary.to_pylist()]
        codes = np.array([*known, absent if missing is None else missing], dtype=np.int64)
        parts.append(codes[_codes(chunk, len(known))])
    return np.concatenate(parts)


def _codes(chunk: pa.DictionaryArray, missing: int) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(chunk.indices, missing), dtype=np.int64)


def _few(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _mismatch(column: str, detail: str) -> InvalidData:
    return InvalidData(detail, errors=[FieldError(column, detail, "schema")])
