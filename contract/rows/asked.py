"""A table's columns as a question to an agent encodes them: the numbers that the service makes of the same file, to the
last bit. The agent encodes its table by it, and the service the rows that are opened. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from contract.agents import AskedColumn, AskedEncoding
from contract.rows.columns import mark, standardised
from contract.tasks import TargetScale

Encoded = tuple[NDArray[np.float32], NDArray[np.float64] | NDArray[np.int64]]


class NotEncodable(ValueError):
    """A table cannot be encoded as a question says; the text names the column and the rule."""


def encoded(
    numbers: Mapping[str, NDArray[np.float64]],
    texts: Mapping[str, Sequence[str | None]],
    rows: int,
    encoding: AskedEncoding,
) -> Encoded:
    """X float32[n, d] and y of columns (a missing cell is NaN, or None): float64[n] by the target's scale, or int64[n]
    of class numbers; raises NotEncodable."""
    X = np.empty((rows, encoding.width), dtype=np.float32)
    at = 0
    for column in encoding.columns:
        _encode_column(numbers, texts, column, X[:, at : at + column.width])
        at += column.width
    # -0.0 and 0.0 are the same number and must be the same bytes
    X += 0.0
    if not np.isfinite(X).all():
        raise NotEncodable("a column does not fit a 32-bit float as the job scales it; rescale the column")
    return X, _target(numbers, texts, encoding)


def labels_of(values: NDArray[np.float64]) -> list[str]:
    """Whole numbers as labels; raises NotEncodable for others."""
    if np.isnan(values).any():
        raise NotEncodable("has missing cells, which are no labels")
    if (np.floor(values) != values).any() or (np.abs(values) >= 2**53).any():
        raise NotEncodable("holds numbers with a fraction, which are no labels")
    return [str(int(value)) for value in values]


def _encode_column(
    numbers: Mapping[str, NDArray[np.float64]],
    texts: Mapping[str, Sequence[str | None]],
    column: AskedColumn,
    block: NDArray[np.float32],
) -> None:
    if column.name not in (numbers if column.kind == "number" else texts):
        raise NotEncodable(f"the question reads `{column.name}` as {column.kind}, and the table has no such column")
    if column.kind == "number":
        held = numbers[column.name]
        missing = np.isnan(held)
        filled = held if column.fill is None else np.where(missing, float(column.fill), held)
        with np.errstate(over="ignore"):
            block[:, 0] = standardised(filled, column.center, column.spread)
    else:
        cells = texts[column.name]
        missing = np.array([text is None for text in cells], dtype=np.bool_)
        index = {text: place for place, text in enumerate(column.categories)}
        filling = [column.fill if text is None else text for text in cells]
        places = np.array([index.get(str(text), len(index)) for text in filling], dtype=np.int64)
        mark(block[:, : column.values], places)
    if column.fill is not None:
        block[:, -1] = missing
    elif missing.any():
        raise NotEncodable(f"`{column.name}` has missing cells, and the question does not say what they become")


def _target(
    numbers: Mapping[str, NDArray[np.float64]], texts: Mapping[str, Sequence[str | None]], encoding: AskedEncoding
) -> NDArray[np.float64] | NDArray[np.int64]:
    name = encoding.target
    if name not in numbers and name not in texts:
        raise NotEncodable(f"the question predicts `{name}`, and the table has no such column")
    if encoding.scale is not None:
        if name not in numbers:
            raise NotEncodable(f"the question predicts `{name}` as a number, and it holds texts")
        if np.isnan(numbers[name]).any():
            raise NotEncodable(f"`{name}`, which the question predicts, has missing cells")
        return TargetScale(*encoding.scale).scaled(numbers[name])
    index = {label: place for place, label in enumerate(encoding.classes)}
    own = [text or "" for text in texts[name]] if name in texts else labels_of(numbers[name])
    labels = [encoding.label_map.get(label, label) for label in own]
    if unknown := sorted({label for label in labels if label not in index}):
        raise NotEncodable(f"rows have a label that is none of the job's classes ({len(unknown)} such labels)")
    return np.array([index[label] for label in labels], dtype=np.int64)
