"""The order of a job's classes and columns, which follows from what is in them and from no name.

A model's numbers depend on the order of its classes and columns in the last digits, and where outputs tie in more. So
that nobody is paid by how a class or a column is called, both are put in an order of content: classes by how many test
rows they have, most first, and then, like columns, by a key made of the test set's rows. What is alike there, such as
classes that the test set lacks, goes by the rows of all files. A key adds up over rows, and over files, so the order of
either does not matter; it is refined a few times by the keys of what shares a row (colour refinement, Weisfeiler and
Leman 1968). What is alike in every key stays in the order given, that of names: exchanging it changes no row.

The order of the numbers within one array, an image's pixels for instance, is content and stays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.features import Encoding

Keys = NDArray[np.uint64]
_ROUNDS = 3
_AT_ONCE = 1 << 20  # numbers that are looked at together
_ODD = np.uint64(0x9E3779B97F4A7C15)
_TEST = np.uint64(0xD1B54A32D192ED03)  # a test row counts otherwise than a provider's


@dataclass(frozen=True)
class CanonicalOrder:
    """``blocks``: which of the given blocks of columns comes first, second ...; ``classes`` likewise. ``columns`` are
    the columns of X in the order of the blocks."""

    blocks: tuple[int, ...]
    classes: tuple[int, ...]
    columns: NDArray[np.int64]

    def rows(self, encoded: EncodedRows) -> EncodedRows:
        """Encoded rows in this order."""
        place = np.argsort(np.array(self.classes, dtype=np.int64))
        X = encoded.X if encoded.X.ndim != 2 else np.ascontiguousarray(encoded.X[:, self.columns])
        y = encoded.y if encoded.y.dtype.kind == "f" else place[encoded.y].astype(np.int64)
        return EncodedRows(X, y, encoded.groups)


def in_canonical_order(
    encoding: Encoding, test: EncodedRows, files: Sequence[EncodedRows]
) -> tuple[Encoding, CanonicalOrder]:
    """An encoding whose classes and columns are in the order of the content of the encoded ``test`` rows and ``files``,
    and that order, in which the rows are then to be put."""
    order = canonical_order([feature.width for feature in encoding.features], len(encoding.classes), test, files)
    classes = tuple(encoding.classes[at] for at in order.classes)
    return replace(encoding, classes=classes, features=tuple(encoding.features[at] for at in order.blocks)), order


def canonical_order(
    widths: Sequence[int], classes: int, test: EncodedRows, files: Sequence[EncodedRows]
) -> CanonicalOrder:
    """The order of ``classes`` and of blocks of columns, so ``widths`` wide, by the content of encoded rows. Rows that
    are no plain table (images) are one block, whatever is said."""
    if test.X.ndim != 2:
        widths = [int(np.prod(test.X.shape[1:]))]
    of_test, of_labels = _keys(widths, classes, [(_TEST, test)])
    of_all, of_all_labels = _keys(widths, classes, [(_TEST, test)] + [(_ODD, file) for file in files])
    counts = np.bincount(test.y, minlength=classes) if classes else np.zeros(0, dtype=np.int64)
    blocks = sorted(range(len(widths)), key=lambda at: (int(of_test[at]), int(of_all[at]), at))
    by_content = sorted(
        range(classes), key=lambda at: (-int(counts[at]), int(of_labels[at]), int(of_all_labels[at]), at)
    )
    ends = np.cumsum(widths)
    ordered = np.concatenate([np.arange(ends[at] - widths[at], ends[at]) for at in blocks]).astype(np.int64)
    return CanonicalOrder(tuple(blocks), tuple(by_content), ordered)


def _keys(widths: Sequence[int], classes: int, parts: Sequence[tuple[np.uint64, EncodedRows]]) -> tuple[Keys, Keys]:
    """The keys of blocks and of classes by the rows of some files, each with its salt."""
    columns, labels = np.zeros(len(widths), dtype=np.uint64), np.zeros(classes, dtype=np.uint64)
    for _ in range(_ROUNDS):
        before = columns, labels
        columns, labels = np.zeros_like(columns), np.zeros_like(labels)
        for salt, part in parts:
            of_columns, of_labels = _added(part, widths, *before)
            columns += _mixed(of_columns ^ salt)
            labels += _mixed(of_labels ^ salt)
    return columns, labels


def _added(part: EncodedRows, widths: Sequence[int], columns: Keys, labels: Keys) -> tuple[Keys, Keys]:
    """What a file's rows add to the keys of blocks and of classes, given those of the round before."""
    of_columns, of_labels = np.zeros_like(columns), np.zeros_like(labels)
    step = max(1, _AT_ONCE // max(part.X[:1].size, 1))
    for begin in range(0, len(part.y), step):
        y = part.y[begin : begin + step]
        own = _values(part.X[begin : begin + step], widths)
        # a number that is predicted has no class whose key could grow: it is its own
        numbers = y.dtype.kind == "f"
        row = _mixed(_mixed(own * _ODD + columns).sum(axis=1) + (_mixed(y.view(np.uint64)) if numbers else labels[y]))
        of_columns += _mixed(own + row[:, None]).sum(axis=0)
        if not numbers:
            np.add.at(of_labels, y, _mixed(row))
    return of_columns, of_labels


def _values(X: NDArray[np.float32], widths: Sequence[int]) -> Keys:
    """One number uint64[n, blocks] for what each row has in each block of columns."""
    bits = np.ascontiguousarray(X, dtype="<f4").reshape(len(X), -1).view(np.uint32)
    values = np.empty((len(X), len(widths)), dtype=np.uint64)
    for number, (begin, end) in enumerate(_spans(widths)):
        place = _mixed(np.arange(end - begin, dtype=np.uint64) + _ODD)
        values[:, number] = _mixed(bits[:, begin:end].astype(np.uint64) + place).sum(axis=1)
    return values


def _spans(widths: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for width in widths:
        yield begin, begin + width
        begin += width


def _mixed(numbers: Keys) -> Keys:
    """Numbers scattered over all 64 bits, equal ones alike (the finaliser of splitmix64, Steele et al. 2014)."""
    z = numbers + _ODD
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)
