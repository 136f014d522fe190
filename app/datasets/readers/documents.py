"""Documents: a plain text file is one, a zip archive of text files holds one a file. A table with a column ``text``.

Strict UTF-8. Where documents are cut for a model is not decided here.
"""

from pathlib import Path

import pyarrow as pa

from app.datasets.readers import archive
from app.datasets.readers.cells import TEXT_COLUMN as TEXT_COLUMN
from app.datasets.readers.encodings import guessed, text_of
from app.datasets.readers.findings import with_findings
from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import Source, source_of
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading

MAX_DOCUMENT = 256 * 1024**2


def read(source: Path | bytes | Source, limits: Limits, name: str, reading: Reading = AS_IT_IS) -> pa.Table:
    """The table of one plain text file: one row; raises InvalidData."""
    text = text_of(source if isinstance(source, Source) else source_of(source, limits, name), reading.encoding)
    with text.open() as file:
        data = file.read(MAX_DOCUMENT + 1)
    limits.check_bytes(len(data), name)
    if len(data) > MAX_DOCUMENT:
        raise InvalidData(
            f"{name}: the text is longer than {MAX_DOCUMENT} bytes, which a document may have; "
            "send a zip of several text files"
        )
    return with_findings(pa.table({TEXT_COLUMN: [_decoded(data, name)]}), text.findings())


def read_archive(packed: archive.Packed) -> pa.Table:
    """The table of a zip of text files: ``text``, and the columns that folders or manifest give."""
    if TEXT_COLUMN in packed.columns.column_names:
        raise InvalidData(f"{packed.name}: the manifest has a column `{TEXT_COLUMN}`, which the files are; rename it")
    texts = []
    for file, data in packed.contents():
        if len(data) > MAX_DOCUMENT:
            raise InvalidData(f"{packed.name}: `{file}` is longer than {MAX_DOCUMENT} bytes; split it")
        texts.append(_decoded(data, f"{packed.name}, {file}"))
    return pa.table({TEXT_COLUMN: texts} | {c: packed.columns.column(c) for c in packed.columns.column_names})


def _decoded(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{name}: byte {error.start + 1} (0x{data[error.start]:02x}) is not UTF-8; "
            f"{guessed(data[max(0, error.start - 2000) : error.start + 2000])}"
        ) from None
    if "\0" in text:
        raise InvalidData(f"{name}: it holds a NUL byte; this is not a text file")
    return text
