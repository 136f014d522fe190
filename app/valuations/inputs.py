"""From blobs to encoded rows, the same way when a job is admitted and when a worker computes it.

A file is named by its blob, so what was checked at posting is, to the byte, what is valued. No torch here.
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets import items
from app.datasets.corpora import read_blocks
from app.datasets.encoding import EncodedRows, Encoding, encode
from app.datasets.items import Items
from app.datasets.readers import Limits, read_table
from app.datasets.service import limits_of
from app.datasets.tokens import Encode
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore


@dataclass(frozen=True)
class InputFile:
    """One dataset's bytes: what errors call it, which blob holds it, how to read it, its label column (of a corpus its
    column of domains, or ""), what to skip."""

    name: str
    digest: str
    format: str
    target: str
    # rows that are not used: one bit for each row of the file, packed, in base64; empty: all are used
    drop: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def load_table(
    blobs: BlobStore, file: InputFile, target: str, limits: Limits, image_size: tuple[int, int] | None = None
) -> pa.Table:
    """The file's table, its label column under the job's name for it; raises InvalidData, NotFound, Unavailable."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        table = read_table(path, file.format, limits=limits, name=file.name, image_size=image_size)
    if file.target != target and file.target in table.column_names and target not in table.column_names:
        names = [target if name == file.target else name for name in table.column_names]
        table = table.rename_columns(names)
    return table


@contextmanager
def opened_items(blobs: BlobStore, file: InputFile, encoding: dict[str, Any], settings: Settings) -> Iterator[Items]:
    """The texts or images of a file, as a frozen model is shown them; raises InvalidData, NotFound, Unavailable."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        asked = (file.format, encoding["of"], file.target, limits_of(settings), file.name, encoding.get("size"))
        with items.opened(path, *asked) as found:
            yield found


def drop_mask(keep: NDArray[np.bool_]) -> str:
    """``InputFile.drop`` for the rows that ``keep`` bool[n] leaves out."""
    return "" if keep.all() else base64.b64encode(np.packbits(~keep).tobytes()).decode()


def used_rows(rows: EncodedRows, drop: str) -> EncodedRows:
    """The rows of a file without those that are dropped."""
    if not drop:
        return rows
    bits = np.frombuffer(base64.b64decode(drop), dtype=np.uint8)
    keep = ~np.unpackbits(bits, count=len(rows.y)).astype(np.bool_)
    return EncodedRows(rows.X[keep], rows.y[keep])


def join_rows(parts: Sequence[EncodedRows]) -> EncodedRows:
    """The rows of one player's datasets as one set of rows, in canonical order."""
    if len(parts) == 1:
        return parts[0].canonical()
    X = np.concatenate([part.X for part in parts])
    return EncodedRows(X, np.concatenate([part.y for part in parts])).canonical()


def load_rows(blobs: BlobStore, files: Sequence[dict[str, Any]], encoding: Encoding, settings: Settings) -> EncodedRows:
    """A player's (or the test set's) rows in canonical order, from the files that a job names."""
    limits = limits_of(settings)
    named = [InputFile(**file) for file in files]
    # what was resized when the job was admitted is resized again; what has the size already stays as it is
    shape = encoding.shape
    size = (shape[0], shape[1]) if len(shape) > 1 else None
    tables = (load_table(blobs, file, encoding.target, limits, size) for file in named)
    encoded = (encode(table, encoding) for table in tables)
    return join_rows([used_rows(rows, file.drop) for rows, file in zip(encoded, named, strict=True)])


def load_blocks(
    blobs: BlobStore,
    files: Sequence[dict[str, Any]],
    encoding: dict[str, Any],
    encode_: Encode | None,
    settings: Settings,
) -> EncodedRows:
    """The same of a language model's corpora: blocks of tokens, labelled by the number of their domain."""
    number = {name: at for at, name in enumerate(encoding["domains"])}
    parts = []
    for file in (InputFile(**each) for each in files):
        with scratch.file() as path:
            blobs.download(file.digest, path)
            asked = (
                file.format,
                file.target or None,
                int(encoding["context"]),
                encode_,
                limits_of(settings),
                file.name,
            )
            found = read_blocks(path, *asked)
        labels = [number[each] if file.target else 0 for each in found.domains]
        parts.append(used_rows(EncodedRows(found.tokens, np.array(labels, dtype=np.int64)), file.drop))
    X = np.concatenate([part.X for part in parts])
    return EncodedRows(X, np.concatenate([part.y for part in parts]))
