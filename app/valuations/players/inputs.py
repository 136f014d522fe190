"""From blobs to encoded rows, the same way when a job is admitted and when a worker computes it.

A file is named by its blob, so the bytes that were checked at posting are the bytes that are valued. No torch here.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import Limits
from app.datasets.rows import items
from app.datasets.rows.corpora import read_blocks
from app.datasets.rows.encoding import EncodedRows, encode
from app.datasets.rows.features import Encoding
from app.datasets.rows.glimpses import Glimpse, glimpses
from app.datasets.rows.items import Items
from app.datasets.rows.reading import labelled_numbers
from app.datasets.rows.tokens import Encode
from app.datasets.table_limits import limits_of
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.players.files import in_groups, join_rows, table_of, used_mask, used_rows
from contract.orders.game import Encoding as AnyEncoding
from contract.orders.game import FrozenModelRows, TableEncoding, TokenBlocks
from contract.rows.files import InputFile
from contract.rows.reading import TargetIs


def load_table(
    blobs: BlobStore,
    file: InputFile,
    target: str,
    limits: Limits,
    image_size: tuple[int, int] | None = None,
    form: Sequence[int] = (),
) -> pa.Table:
    """The file's table, its label column under the job's name for it; raises InvalidData, NotFound, Unavailable."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        return table_of(path, file, target, limits, image_size, form, notices=False)


@contextmanager
def opened_items(blobs: BlobStore, file: InputFile, encoding: FrozenModelRows, settings: Settings) -> Iterator[Items]:
    """The texts or images of a file, as a frozen model is shown them; raises InvalidData, NotFound, Unavailable."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        limits = limits_of(settings)
        target_is: TargetIs = "classes" if encoding.target_scale is None else "number"
        with items.opened(
            path,
            file.format,
            encoding.of,
            file.target,
            limits,
            file.name,
            encoding.size,
            file.reading,
            group=file.group,
            target_is=target_is,
        ) as opened:
            yield opened


def load_rows(blobs: BlobStore, files: Sequence[InputFile], encoding: Encoding, settings: Settings) -> EncodedRows:
    """A player's (or the test set's) rows in canonical order, from the files that a job names."""
    limits = limits_of(settings)
    # images that were resized when the job was admitted are resized again; those of the right size stay as they are
    shape = encoding.shape
    size = (shape[0], shape[1]) if len(shape) > 1 else None
    tables = (load_table(blobs, file, encoding.target, limits, size, shape) for file in files)
    encoded = (encode(table, encoding) for table in tables)
    return join_rows(
        [used_rows(in_groups(rows, file.groups), file.drop) for rows, file in zip(encoded, files, strict=True)]
    )


def load_numbered(
    blobs: BlobStore, file: InputFile, encoding: Encoding, settings: Settings
) -> tuple[EncodedRows, NDArray[np.int64]]:
    """A file's used rows in its own order, and their numbers in it, from 1."""
    limits, shape = limits_of(settings), encoding.shape
    size = (shape[0], shape[1]) if len(shape) > 1 else None
    with scratch.file() as path:
        blobs.download(file.digest, path)
        table = table_of(path, file, encoding.target, limits, size, shape, notices=False)
        numbers = labelled_numbers(
            path,
            file.format or None,
            file.target,
            limits=limits,
            name=file.name,
            reading=file.reading,
            image_size=size,
        )
    return used_rows(encode(table, encoding), file.drop), numbers[used_mask(len(numbers), file.drop)]


def load_glimpses(
    blobs: BlobStore, file: InputFile, encoding: AnyEncoding, settings: Settings, rows: Collection[int]
) -> dict[int, Glimpse]:
    """What rows with these numbers are, for their owner to see; raises InvalidData, NotFound, Unavailable."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        table = isinstance(encoding, TableEncoding)
        images = table or (isinstance(encoding, FrozenModelRows) and encoding.of == "image")
        return glimpses(path, file, limits_of(settings), rows, images=images, documents=not table)


def load_blocks(
    blobs: BlobStore,
    files: Sequence[InputFile],
    encoding: TokenBlocks,
    encode_: Encode | None,
    settings: Settings,
) -> EncodedRows:
    """The same of a language model's corpora: blocks of tokens, labelled by the number of their domain."""
    parts = [load_documents(blobs, file, encoding, encode_, settings)[0] for file in files]
    if len(parts) == 1:
        return parts[0]
    X = np.concatenate([part.X for part in parts])
    return EncodedRows(X, np.concatenate([part.y for part in parts]))


def load_documents(
    blobs: BlobStore, file: InputFile, encoding: TokenBlocks, encode_: Encode | None, settings: Settings
) -> tuple[EncodedRows, NDArray[np.int64]]:
    """A file's used blocks in its own order, and the number of each one's document in it, from 1."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        blocks = read_blocks(
            path,
            file.format,
            file.target or None,
            encoding.context,
            encode_,
            limits_of(settings),
            file.name,
            file.reading,
        )
    number = {name: at for at, name in enumerate(encoding.domains)}
    labels = [number[domain] if file.target else 0 for domain in blocks.domains]
    rows = in_groups(EncodedRows(blocks.tokens, np.array(labels, dtype=np.int64)), file.groups)
    numbers = np.array(blocks.documents, dtype=np.int64) + 1
    return used_rows(rows, file.drop), numbers[used_mask(len(numbers), file.drop)]
