"""What a few rows of a file are, for their owner to see beside their values: a text's beginning, a picture made small,
or the cells of a table. Pure; whoever asks sees to it that nobody but the owner is shown it.
"""

import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from app.datasets.readers import Limits, Meaning, read_table, sniff
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.readers.types import is_tensor, is_text
from app.datasets.rows import items
from contract.rows.files import InputFile

SIDE = 64  # pixels of a picture's longer side
TEXT = 200  # characters
CELLS = 8
_CELL = 40


@dataclass(frozen=True)
class Glimpse:
    """A row as its owner is shown it: some of its text, or a PNG of it; the other is empty."""

    text: str = ""
    picture: bytes = b""


def glimpses(
    path: Path, file: InputFile, limits: Limits, rows: Collection[int], *, images: bool, documents: bool
) -> dict[int, Glimpse]:
    """Glimpses of the rows with these numbers, from 1, as values of rows are numbered; ``images``: a zip holds
    pictures; ``documents``: its column of texts is all of a row. Raises InvalidData."""
    if images and sniff(path, file.format or None, file.name, file.reading) == "zip":
        return _of_archive(path, file, limits, rows)
    meaning = Meaning(target=file.target or None, documents=documents)
    table = read_table(path, file.format or None, limits=limits, name=file.name, reading=file.reading, meaning=meaning)
    beside = table.drop_columns([file.target]) if file.target in table.column_names else table
    texts = [name for name in beside.column_names if is_text(beside.column(name).type)] if documents else []
    column = TEXT_COLUMN if TEXT_COLUMN in texts else texts[0] if len(texts) == 1 else None
    whole = beside if column is None else beside.select([column])
    return {row: _of_row(whole.slice(row - 1, 1), named=column is None) for row in rows}


def _of_archive(path: Path, file: InputFile, limits: Limits, rows: Collection[int]) -> dict[int, Glimpse]:
    with items.opened(
        path,
        file.format or None,
        items.IMAGE,
        file.target,
        limits,
        file.name,
        reading=file.reading,
        target_is="classes",
    ) as opened:
        pictures = zip(opened.places.tolist(), opened.values, strict=True)
        return {place: Glimpse(picture=small_png(pixels)) for place, pixels in pictures if place in rows}


def _of_row(row: pa.Table, *, named: bool) -> Glimpse:
    """What a table of one row holds; ``named``: its cells are told with their columns' names."""
    cells = []
    for name in row.column_names:
        column = row.column(name)
        if is_tensor(column.type):
            return Glimpse(picture=small_png(column.chunk(0).to_numpy_ndarray()[0]))
        value = column[0].as_py()
        cells.append(f"{name}: {'—' if value is None else str(value)[:_CELL]}" if named else value or "")
    more = [f"… {len(cells) - CELLS} more"] if len(cells) > CELLS else []
    return Glimpse(text=" · ".join([*cells[:CELLS], *more])[:TEXT])


def small_png(pixels: NDArray[Any]) -> bytes:
    """An image [h, w], [h, w, 1] or [h, w, 3] made small, as a PNG; others than 0 to 255 are stretched to that."""
    values = np.asarray(pixels, dtype=np.float64)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255 or high <= 1:
        values = (values - low) * (255.0 / ((high - low) or 1.0))
    picture = Image.fromarray(values.astype(np.uint8))
    picture.thumbnail((SIDE, SIDE))
    sink = io.BytesIO()
    picture.save(sink, "PNG")
    return sink.getvalue()
