"""A table as a job's encoding has it: the numbers that the service would make of the same file, to the last bit."""

import numpy as np
from numpy.typing import NDArray

from agent.errors import NotAllowed
from agent.tables import Table
from contract.agents import AskedColumn, AskedEncoding
from contract.rows.columns import mark, standardised
from contract.tasks import TargetScale


def encoded(
    table: Table, encoding: AskedEncoding
) -> tuple[NDArray[np.float32], NDArray[np.float64] | NDArray[np.int64]]:
    """X float32[n, d] and y: float64[n] by the target's scale, or int64[n] of class numbers; raises NotAllowed."""
    X = np.empty((table.rows, encoding.width), dtype=np.float32)
    at = 0
    for column in encoding.columns:
        _fill(table, column, X[:, at : at + column.width])
        at += column.width
    # -0.0 and 0.0 are the same number and must be the same bytes
    X += 0.0
    if not np.isfinite(X).all():
        raise NotAllowed("a column does not fit a 32-bit float as the job scales it; rescale the column")
    return X, _target(table, encoding)


def _fill(table: Table, column: AskedColumn, block: NDArray[np.float32]) -> None:
    if column.name not in table.names or table.kind(column.name) != column.kind:
        raise NotAllowed(f"the question reads `{column.name}` as {column.kind}, and the table has no such column")
    if column.kind == "number":
        with np.errstate(over="ignore"):
            block[:, 0] = standardised(table.numbers[column.name], column.center, column.spread)
        return
    index = {text: place for place, text in enumerate(column.categories)}
    places = np.array([index.get(text, len(index)) for text in table.texts[column.name]], dtype=np.int64)
    mark(block, places)


def _target(table: Table, encoding: AskedEncoding) -> NDArray[np.float64] | NDArray[np.int64]:
    name = encoding.target
    if name not in table.names:
        raise NotAllowed(f"the question predicts `{name}`, and the table has no such column")
    if encoding.scale is not None:
        if name not in table.numbers:
            raise NotAllowed(f"the question predicts `{name}` as a number, and it holds texts")
        return TargetScale(*encoding.scale).scaled(table.numbers[name])
    index = {label: place for place, label in enumerate(encoding.classes)}
    labels = [encoding.label_map.get(label, label) for label in table.labels(name)]
    if unknown := sorted({label for label in labels if label not in index}):
        raise NotAllowed(f"rows have a label that is none of the job's classes ({len(unknown)} such labels)")
    return np.array([index[label] for label in labels], dtype=np.int64)
