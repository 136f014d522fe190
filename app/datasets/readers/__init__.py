"""Files to Arrow tables: ``read_table`` sniffs the format by its magic, reads it under limits, normalises the types.

What comes out has two kinds of columns: numbers (bool, int64, float64) and text (dictionary of strings); for images one
column ``X`` of fixed-shape tensors, for documents a column ``text``. Everything else is refused by name. Nothing is
executed, unpickled or guessed: a file either reads whole or raises InvalidData naming the file, the place, the rule and
the mend.

``open_columns`` reads the same table some columns at a time, for those who look at a large file and do not keep it:
types are still inferred over all rows, and the memory is that of one group of columns.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.readers import (
    archive,
    dates,
    delimited,
    documents,
    exact,
    images,
    installed,
    jsonl,
    npz,
    parquet,
    workbooks,
)
from app.datasets.readers.cells import Meaning
from app.datasets.readers.findings import findings_of, with_findings
from app.datasets.readers.limits import Limits
from app.datasets.readers.sniffing import sniff
from app.datasets.readers.sources import Source, source_of
from app.datasets.readers.types import check_names, is_tensor, is_text, normalise
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading
from contract.rows.formats import INSTALLED

__all__ = [
    "Columns",
    "Limits",
    "Meaning",
    "declared_kinds",
    "image_shape",
    "open_columns",
    "read_table",
    "sniff",
    "table_format",
    "table_name",
]

# a group of this many bytes of text takes two to four times as much while it is parsed
GROUP_BYTES = 96 * 1024**2
# a file that is no TSV has one delimiter or another
_DELIMITERS = {"csv": None, "tsv": "\t"}
_WORDS = ("text", "category")
_TABLES_OF_TEXT = frozenset({"columns", "delimiter", "encoding"})
_DECLARABLE = {
    "csv": _TABLES_OF_TEXT,
    "tsv": _TABLES_OF_TEXT,
    "jsonl": frozenset({"encoding"}),
    "json": frozenset({"encoding"}),
    "text": frozenset({"encoding"}),
    "xlsx": frozenset({"sheet", "columns"}),
}


@dataclass(frozen=True)
class Columns:
    """A file's columns: all names, and the groups, each a table of all rows of some columns, in file order."""

    format: str
    names: list[str]
    groups: Iterator[pa.Table]


def _sniffed(file: Source, declared: str | None, name: str, reading: Reading) -> tuple[Source, str]:
    """A file and its format; raises InvalidData where what is declared of it does not go with that."""
    file_format = sniff(file, declared, name, reading)
    check_reading(reading, file_format, name)
    return file, file_format


def read_table(
    source: Path | bytes | Source,
    format: str | None = None,  # noqa: A002  what callers and the HTTP field call it
    *,
    limits: Limits | None = None,
    name: str = "the file",
    image_size: tuple[int, int] | None = None,
    reading: Reading = AS_IT_IS,
    meaning: Meaning | None = None,
) -> pa.Table:
    """The table in a file (or in its bytes). ``format`` is a ``DatasetFormat``'s value; None sniffs it.

    ``reading`` is what the file's owner declares of it, ``meaning`` what is known of its columns.

    Images of an archive are resized to ``image_size`` (height, width), where it is given; arrays are what they are.

    ``name`` is what errors call it; it and the format travel in the schema's metadata. Raises InvalidData.
    """
    limits = limits or Limits()
    file, file_format = _sniffed(source_of(source, limits, name), format, name, reading)
    meaning = replace(meaning or Meaning(documents=True), kinds=reading.kinds or {})
    match file_format:
        case "csv" | "tsv":
            table = delimited.read(file, _DELIMITERS[file_format], limits, name, reading)
        case "parquet":
            table = with_findings(parquet.read(file.origin, limits, name), file.finding())
        case "jsonl":
            table = jsonl.read(file, limits, name, reading)
        case "json":
            table = jsonl.read_array(file, limits, name, reading)
        case "xlsx":
            table = with_findings(workbooks.read(file.origin, limits, name, reading), file.finding())
        case "text":
            table = documents.read(file, limits, name, reading)
        case "zip":
            with archive.opened(file.origin, limits, name) as packed:
                table = images.read(packed, image_size) if packed.images else documents.read_archive(packed)
        case own if own in INSTALLED:
            table = with_findings(installed.read(file, own, limits, name), file.finding())
        case _:
            table = with_findings(npz.read(file.origin, limits, name), file.finding())
    return _finished(table, file_format, name, meaning)


def open_columns(
    source: Path | Source,
    format: str | None = None,  # noqa: A002  as above
    *,
    limits: Limits | None = None,
    name: str = "the file",
    group_bytes: int = GROUP_BYTES,
    reading: Reading = AS_IT_IS,
    meaning: Meaning | None = None,
) -> Columns:
    """The table of ``read_table``, group by group. Raises InvalidData, here or while the groups are read."""
    limits = limits or Limits()
    file, file_format = _sniffed(source_of(source, limits, name), format, name, reading)
    meaning = replace(meaning or Meaning(documents=True), kinds=reading.kinds or {})
    match file_format:
        case "csv" | "tsv":
            return _delimited_columns(file, file_format, reading, group_bytes, meaning)
        case "parquet":
            sizes = parquet.column_sizes(file.origin, limits, name)
            check_names(list(sizes), name)
            parts = _groups(list(sizes), list(sizes.values()), group_bytes)
            return _columns(
                file, file_format, list(sizes), (parquet.read(file.origin, limits, name, p) for p in parts), meaning
            )
        case "npz" if (matrix := npz.wide_matrix(file.origin, limits, name)) is not None:
            names, size = matrix
            check_names(names, name)
            parts = _groups(names, [size // len(names)] * len(names), group_bytes)
            return _columns(file, file_format, names, npz.read_some(file.origin, limits, name, parts), meaning)
    table = read_table(file, file_format, limits=limits, name=name, reading=reading, meaning=meaning)
    return Columns(file_format, table.column_names, iter([table]))


def _columns(file: Source, file_format: str, names: list[str], tables: Iterator[pa.Table], meaning: Meaning) -> Columns:
    said = file.finding()
    groups = (_finished(with_findings(table, said), file_format, file.name, meaning) for table in tables)
    return Columns(file_format, names, groups)


def _delimited_columns(
    source: Source, file_format: str, reading: Reading, group_bytes: int, meaning: Meaning
) -> Columns:
    name = source.name
    file = delimited.opened(source, _DELIMITERS[file_format], source.limits, name, reading)
    check_names(file.names, name)
    parts = [file.names]
    if file.size > group_bytes:
        parts = _groups(file.names, [file.size // len(file.names)] * len(file.names), group_bytes)
    tables = (delimited.read_some(file, part) for part in parts)
    return Columns(file_format, file.names, (_finished(table, file_format, name, meaning) for table in tables))


def _groups(names: list[str], sizes: list[int], most: int) -> list[list[str]]:
    """Neighbouring columns together while they stay within ``most`` bytes; a larger column is alone."""
    groups: list[list[str]] = []
    room = 0
    for column, size in zip(names, sizes, strict=True):
        if not groups or size > room:
            groups.append([])
            room = most
        groups[-1].append(column)
        room -= size
    return groups


def _finished(table: pa.Table, file_format: str, name: str, meaning: Meaning) -> pa.Table:
    if table.num_rows == 0:
        raise InvalidData(f"{name}: there is a header but no row; add at least one row of data")
    by_reader = findings_of(table)
    # documents stay as they are, and so do what is declared to be text, and labels
    kept = {
        documents.TEXT_COLUMN,
        meaning.target,
        *(column for column, kind in meaning.kinds.items() if kind in _WORDS),
    }
    table, by_dates = dates.as_numbers(table, keep=tuple(column for column in kept if column is not None))
    table, by_digits = exact.as_text(table)
    table = normalise(table, name, meaning)
    check_texts(table, name)
    # codes that the reader knew by their digits are said once
    known = {finding.column for finding in (*by_reader, *by_digits) if finding.code == exact.CODES}
    by_types = [each for each in findings_of(table) if each.code != exact.CODES or each.column not in known]
    table = table.replace_schema_metadata(
        {"cherish.name": name, "cherish.format": file_format, "cherish.kinds": json.dumps(dict(meaning.kinds))}
    )
    return with_findings(table, [*by_reader, *by_dates, *by_digits, *by_types])


def check_reading(reading: Reading, file_format: str, name: str) -> None:
    """Raises InvalidData where something is declared that the format has no use for."""
    takes = _DECLARABLE.get(file_format, frozenset())
    for option, value in reading:
        if value is not None and option not in takes and (option != "kinds" or file_format == "text"):
            raise InvalidData(
                f"{name}: `{option}` is declared, and a {file_format} file has no use for it; leave it out"
            )


def check_texts(table: pa.Table, name: str) -> None:
    """Raises InvalidData for a NUL in a text or in a column's name: no text has one, and stores refuse it."""
    for label, column in zip(table.column_names, table.columns, strict=True):
        if "\0" in label:
            raise InvalidData(f"{name}: the name of column {label!r} holds a NUL; rename it")
        if is_text(column.type):
            for chunk in column.chunks:
                if pc.any(pc.match_substring(chunk.dictionary, "\0")).as_py():
                    raise InvalidData(f"{name}: column `{label}` holds a text with a NUL; this is no text, remove it")


def table_name(table: pa.Table) -> str:
    """What errors call this table."""
    stored_name: bytes = (table.schema.metadata or {}).get(b"cherish.name", b"a table")
    return stored_name.decode()


def declared_kinds(table: pa.Table) -> dict[str, str]:
    """How columns of this table were declared to be read."""
    stored: bytes = (table.schema.metadata or {}).get(b"cherish.kinds", b"{}")
    kinds: dict[str, str] = json.loads(stored)
    return kinds


def image_shape(table: pa.Table) -> tuple[int, ...]:
    """The shape of the images in a table: [h, w] or [h, w, 3]; () where there are none."""
    return next((tuple(field.type.shape) for field in table.schema if is_tensor(field.type)), ())


def table_format(table: pa.Table) -> str | None:
    """The format of the file that this table was read from; None for a table made in memory."""
    stored: bytes | None = (table.schema.metadata or {}).get(b"cherish.format")
    return stored.decode() if stored is not None else None
