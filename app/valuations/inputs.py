"""From blobs to encoded rows, the same way when a job is admitted and when a worker computes it.

A file is named by its blob, so what was checked at posting is, to the byte, what is valued. No torch here.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from app.datasets.encoding import EncodedRows, Encoding, encode
from app.datasets.readers import Limits, read_table
from app.datasets.service import limits_of
from app.settings import Settings
from app.storage.blobs import BlobStore


@dataclass(frozen=True)
class InputFile:
    """One dataset's bytes: what errors call it, which blob holds it, how to read it, its label column."""

    name: str
    digest: str
    format: str
    target: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def load_table(blobs: BlobStore, file: InputFile, target: str, limits: Limits) -> pa.Table:
    """The file's table, its label column under the job's name for it; raises InvalidData, NotFound, Unavailable."""
    with tempfile.TemporaryDirectory(prefix="cherish-input-") as folder:
        path = Path(folder) / "content"
        blobs.download(file.digest, path)
        table = read_table(path, file.format, limits=limits, name=file.name)
    if file.target != target and file.target in table.column_names and target not in table.column_names:
        names = [target if name == file.target else name for name in table.column_names]
        table = table.rename_columns(names)
    return table


def join_rows(parts: Sequence[EncodedRows]) -> EncodedRows:
    """The rows of one player's datasets as one set of rows, in canonical order."""
    if len(parts) == 1:
        return parts[0].canonical()
    X = np.concatenate([part.X for part in parts])
    return EncodedRows(X, np.concatenate([part.y for part in parts])).canonical()


def load_rows(blobs: BlobStore, files: Sequence[dict[str, Any]], encoding: Encoding, settings: Settings) -> EncodedRows:
    """A player's (or the test set's) rows in canonical order, from the files that a job names."""
    limits = limits_of(settings)
    tables = (load_table(blobs, InputFile(**file), encoding.target, limits) for file in files)
    return join_rows([encode(table, encoding) for table in tables])
