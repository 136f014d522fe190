"""One file of a job and its rows, named and picked the same way wherever they are read. Pure; no blobs, no settings.

The sandbox, which admits a job's files, and the workers, which compute on them, go through here.
"""

import base64
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import Limits
from app.datasets.readers.images import in_form
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.reading import read_rows
from app.errors import InvalidData
from contract.rows.files import InputFile


def table_of(
    path: Path,
    file: InputFile,
    target: str,
    limits: Limits,
    image_size: tuple[int, int] | None = None,
    form: Sequence[int] = (),
    missing_labels: str = "leave_out",
    *,
    notices: bool = True,
    is_test: bool = False,
) -> pa.Table:
    """The labelled rows in ``path``, the label column under the job's name for it, and its images grey or coloured as
    the test set's of shape ``form`` are; raises InvalidData."""
    table = read_rows(
        path,
        file.format or None,
        file.target,
        limits=limits,
        name=file.name,
        image_size=image_size,
        reading=file.reading,
        missing_labels=missing_labels,
        notices=notices,
        is_test=is_test,
    )
    table = in_form(table, form)
    if file.target != target and file.target in table.column_names and target not in table.column_names:
        names = [target if name == file.target else name for name in table.column_names]
        table = table.rename_columns(names)
    return table


def drop_mask(keep: NDArray[np.bool_]) -> str:
    """``InputFile.drop`` for the rows that ``keep`` bool[n] leaves out."""
    return "" if keep.all() else base64.b64encode(np.packbits(~keep).tobytes()).decode()


def used_rows(rows: EncodedRows, drop: str) -> EncodedRows:
    """The rows of a file without those that are dropped."""
    if not drop:
        return rows
    keep = used_mask(len(rows.y), drop)
    return EncodedRows(rows.X[keep], rows.y[keep], None if rows.groups is None else rows.groups[keep])


def used_mask(count: int, drop: str) -> NDArray[np.bool_]:
    """Which of so many rows are used, bool[n]."""
    if not drop:
        return np.ones(count, dtype=np.bool_)
    bits = np.frombuffer(base64.b64decode(drop), dtype=np.uint8)
    return ~np.unpackbits(bits, count=count).astype(np.bool_)


def pack_groups(groups: NDArray[np.int64] | None) -> str:
    """``InputFile.groups`` for the group of each row int64[n]; nothing where there are none."""
    return "" if groups is None else base64.b64encode(zlib.compress(groups.astype("<u4").tobytes(), 9)).decode()


def in_groups(rows: EncodedRows, groups: str) -> EncodedRows:
    """The rows of a file, in its order, with the groups that ``pack_groups`` wrote; raises InvalidData for those of
    another file."""
    if not groups:
        return rows
    numbers = np.frombuffer(zlib.decompress(base64.b64decode(groups)), dtype="<u4").astype(np.int64)
    if len(numbers) != len(rows.y):
        raise InvalidData(
            f"a file of the job has {len(rows.y)} rows, and groups or segments for {len(numbers)}; post the job anew"
        )
    return EncodedRows(rows.X, rows.y, numbers)


def join_rows(parts: Sequence[EncodedRows]) -> EncodedRows:
    """The rows of one player's datasets as one set of rows, in canonical order."""
    if len(parts) == 1:
        return parts[0].canonical()
    X, y = np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts])
    numbers = [part.groups for part in parts if part.groups is not None]
    return EncodedRows(X, y, np.concatenate(numbers) if len(numbers) == len(parts) else None).canonical()
