"""Parquet: footer first (rows, columns, declared sizes), then batch by batch under the byte limit. Flat columns only,
but for conversations, which become texts as those of JSON lines do (``chat``).

Text is read as dictionaries, so that a file that repeats one long string a million times stays small in memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.datasets.readers.chat import TEXT, columns_of_text, finding_of, texts_of
from app.datasets.readers.findings import with_findings
from app.datasets.readers.limits import Limits
from app.errors import InvalidData

_BATCH_ROWS = 65_536


def read(source: Path | bytes, limits: Limits, name: str, columns: list[str] | None = None) -> pa.Table:
    """The table of a Parquet file, or some of its columns; raises InvalidData."""
    try:
        schema = pq.read_schema(_origin(source))
        _check_schema(schema, limits, name)
        with pq.ParquetFile(_origin(source), read_dictionary=_repeating(schema, source)) as file:
            limits.check_rows(file.metadata.num_rows, name)
            groups = range(file.metadata.num_row_groups)
            limits.check_bytes(sum(file.metadata.row_group(i).total_byte_size for i in groups), name)
            return _read_batches(file, limits, name, columns)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(error, name) from None


def column_sizes(source: Path | bytes, limits: Limits, name: str) -> dict[str, int]:
    """Column name -> the bytes that the footer says it unpacks to; raises InvalidData."""
    try:
        schema = pq.read_schema(_origin(source))
        _check_schema(schema, limits, name)
        footer = pq.read_metadata(_origin(source))
        owners = [field.name for field in schema for _ in range(_leaves(field.type))]
        if footer.num_columns != len(owners):
            raise ValueError("its footer names other columns than its schema")
        sizes = dict.fromkeys(schema.names, 0)
        for group in range(footer.num_row_groups):
            for owner, index in zip(owners, range(footer.num_columns), strict=True):
                sizes[owner] += footer.row_group(group).column(index).total_uncompressed_size
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
        # the KeyError: a column chunk of another name than the schema's
        raise _damaged(error, name) from None
    made = columns_of_text(schema)
    text = {TEXT: sum(sizes.pop(column) for column in made)} if made else {}
    return text | sizes


def _origin(source: Path | bytes) -> Any:
    return pa.BufferReader(source) if isinstance(source, bytes) else str(source)


def _leaves(kind: pa.DataType) -> int:
    """How many columns of the file a column of the table is."""
    if pa.types.is_struct(kind):
        return sum(_leaves(kind.field(at).type) for at in range(kind.num_fields))
    return _leaves(kind.value_type) if pa.types.is_list(kind) or pa.types.is_large_list(kind) else 1


def _damaged(error: Exception, name: str) -> InvalidData:
    return InvalidData(
        f"{name}: this is not a whole Parquet file ({(str(error).splitlines() or ['damaged'])[0]}); "
        "was it cut off? write it again and send it whole"
    )


def _check_schema(schema: pa.Schema, limits: Limits, name: str) -> None:
    limits.check_columns(len(schema), name)
    made = columns_of_text(schema)
    for field in schema:
        if pa.types.is_timestamp(field.type):
            # one that is no UTF-8 is found here, and not where it is first shown
            _ = field.type.tz
        if field.name in made:
            continue
        if pa.types.is_nested(field.type) or isinstance(field.type, pa.ExtensionType):
            raise InvalidData(
                f"{name}: column `{field.name}` is {field.type}; only flat numbers and text are read, flatten it"
            )


def _repeating(schema: pa.Schema, source: Path | bytes) -> list[str]:
    """The columns of texts that can be read as dictionaries: those whose pages are not delta-encoded."""
    with pq.ParquetFile(_origin(source)) as file:
        footer = file.metadata
    delta = {
        column.path_in_schema
        for group in range(footer.num_row_groups)
        for column in (footer.row_group(group).column(at) for at in range(footer.num_columns))
        if any(encoding.startswith("DELTA") for encoding in column.encodings)
    }
    return [field.name for field in schema if _is_string(field.type) and field.name not in delta]


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with all its texts as dictionaries."""
    for at, field in enumerate(batch.schema):
        if _is_string(field.type):
            column = batch.column(at).dictionary_encode()
            batch = batch.set_column(at, field.name, column)
    return batch


def _with_text(batch: pa.RecordBatch, made: Sequence[str], first_row: int, name: str) -> pa.RecordBatch:
    """The batch with its first column the text that some of its columns are made into."""
    text = texts_of([batch.column(each) for each in made], made, first_row, name)
    rest = batch.drop_columns(list(made))
    return pa.RecordBatch.from_arrays([text, *rest.columns], names=[TEXT, *rest.schema.names]).replace_schema_metadata(
        batch.schema.metadata
    )


def _read_batches(file: pq.ParquetFile, limits: Limits, name: str, columns: list[str] | None) -> pa.Table:
    made = columns_of_text(file.schema_arrow)
    if made and columns is not None:
        # the text that is made of them is asked for by its own name
        columns = [each for name in columns for each in (made if name == TEXT else (name,))]
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False):
        size += batch.nbytes
        if made and set(made) <= set(batch.schema.names):
            batch = _with_text(batch, made, rows + 1, name)
        rows += batch.num_rows
        # the footer may lie, so what really comes out is counted as well
        limits.check_rows(rows, name)
        limits.check_bytes(size, name)
        batches.append(_encoded(batch))
    if batches:
        table = pa.Table.from_batches(batches)
        # texts that are no UTF-8 are found here, and not where they are shown
        table.validate(full=True)
        return with_findings(table, [finding_of(made)] if made and TEXT in table.column_names else [])
    empty = file.schema_arrow.empty_table()
    return empty if columns is None else empty.select(columns)
