"""Values of rows as a table, which is a download: one line for each row of a player's files, in their order.

The engine puts rows in the order of their content; here they are found again by it. Equal rows have equal values, so
which of them is which does not matter. A frozen model's features may differ in their last digits where another machine
made them: what is not the same to the bit is paired with the nearest that is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contract.results.row_values import PlayerRowValues

COLUMNS = (
    "provider",
    "file",
    "row",
    "label",
    "value",
    "stderr",
    "suggested_label",
    "agreement",
    "copy_of_file",
    "copy_of_row",
    "findings",
)


# of features by their spread; what machines differ by is a thousandth of it
_ROUNDING = 1e-2


@dataclass
class RowPlaces:
    """A player's rows as they were read, one file after another: their files, numbers from 1, and content. ``classes``
    are the names of the labels, none where a number or tokens are predicted."""

    classes: Sequence[str]
    documents: bool = False  # numbers are those of documents, each of which has one line, whose rows are blocks
    _files: list[str] = field(default_factory=list)
    _numbers: list[NDArray[np.int64]] = field(default_factory=list)
    _X: list[NDArray[Any]] = field(default_factory=list)
    _y: list[NDArray[Any]] = field(default_factory=list)

    def add(self, file: str, numbers: NDArray[np.int64], X: NDArray[Any], y: NDArray[Any]) -> None:
        """The rows X [m, ...], y [m] of a file, which have these numbers in it."""
        self._files += [file] * len(y)
        self._numbers.append(numbers)
        self._X.append(X)
        self._y.append(y)

    def table(self, values: PlayerRowValues, X: NDArray[Any], y: NDArray[Any]) -> pa.Table:
        """The player's values in the order of its files; X [m, ...], y [m] are its rows in the engine's order."""
        place = paired(np.concatenate(self._X), np.concatenate(self._y), X, y)
        files, numbers = np.array(self._files)[place], np.concatenate(self._numbers)[place]
        if self.documents:
            whose = np.unique(np.stack([_first_seen(files), numbers]), axis=1, return_inverse=True)[1].reshape(-1)
            values, first = values.by_document(whose.astype(np.int64))
            files, numbers = files[first], numbers[first]
        return row_table(values, files, numbers, self.classes)


def paired(read_X: NDArray[Any], read_y: NDArray[Any], X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """Which row int64[m] of those read, X [m, ...] and y [m], each of the engine's is: the same to the bit, else the
    nearest with its label. Raises ValueError where one is like none that is left."""
    read, own = _keys(read_X, read_y), _keys(X, y)
    there, here = np.argsort(read, kind="stable"), np.argsort(own, kind="stable")
    place = np.empty(len(read), dtype=np.int64)
    place[here] = there
    if np.array_equal(read[there], own[here]):
        return place
    flat, others = (np.asarray(each, dtype=np.float64).reshape(len(y), -1) for each in (X, read_X))
    along = np.random.default_rng(0).standard_normal(flat.shape[1])
    # rounding moves rows past others only where they are nearly alike along a direction, so few are left after this
    place[np.lexsort((flat @ along, y))] = np.lexsort((others @ along, read_y))
    left = np.flatnonzero(np.abs(flat - others[place]).max(axis=1) > _ROUNDING)
    free = place[left]
    for row in left:
        apart = np.where(read_y[free] == y[row], np.abs(others[free] - flat[row]).max(axis=1), np.inf)
        nearest = int(np.argmin(apart))
        if apart[nearest] > _ROUNDING:
            raise ValueError("rows of the job's files are not those that it was computed on")
        place[row], free = free[nearest], np.delete(free, nearest)
    return place


def _keys(X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.void]:
    """One opaque value for each row's content."""
    flat = np.ascontiguousarray(X, dtype=np.float32).reshape(len(y), -1) + np.float32(0)
    whole = np.concatenate([flat.view(np.uint32), np.ascontiguousarray(y).view(np.uint32).reshape(len(y), -1)], axis=1)
    return np.ascontiguousarray(whole).view(np.dtype((np.void, whole.shape[1] * 4))).ravel()


def row_table(
    values: PlayerRowValues, files: NDArray[Any], numbers: NDArray[np.int64], classes: Sequence[str]
) -> pa.Table:
    """The table of a player whose rows are rows ``numbers`` [m] of ``files`` [m]; ``classes`` are names of labels, none
    where a number is predicted. ``copy_of_*`` name the first of rows that are nearly the same."""
    count = len(values)
    order = np.lexsort((numbers, _first_seen(files)))
    names = np.array([*classes, None], dtype=object)
    labels = names[values.labels] if classes else values.labels
    # a row's own label is no suggestion
    suggested = np.where(values.suggested == values.labels, -1, values.suggested) if classes else values.suggested
    copied = values.copy_of >= 0
    flags = values.findings()
    flag_texts = [";".join(name.value for name, rows in flags.items() if rows[row]) for row in range(count)]
    columns = {
        "provider": np.full(count, values.provider, dtype=object),
        "file": files.astype(object),
        "row": numbers,
        "label": labels,
        "value": values.values,
        "stderr": values.stderr,
        "suggested_label": names[suggested] if classes else np.full(count, None, dtype=object),
        "agreement": values.agreement,
        "copy_of_file": np.where(copied, files.astype(object)[values.copy_of], np.full(count, None, dtype=object)),
        "copy_of_row": np.where(copied, numbers[values.copy_of], 0),
        "findings": np.array(flag_texts, dtype=object),
    }
    types = {"row": pa.int64(), "value": pa.float64(), "stderr": pa.float64(), "agreement": pa.float64()}
    types |= {"label": pa.string() if classes else pa.float64()}
    arrays = [pa.array(columns[name][order], types.get(name, pa.string())) for name in COLUMNS if name != "copy_of_row"]
    copies = pa.array(columns["copy_of_row"][order], pa.int64(), mask=~copied[order])
    arrays.insert(COLUMNS.index("copy_of_row"), copies)
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


def _first_seen(files: NDArray[Any]) -> NDArray[np.int64]:
    """Each file's place int64[m] by its name."""
    return np.unique(files.astype(str), return_inverse=True)[1].astype(np.int64)
