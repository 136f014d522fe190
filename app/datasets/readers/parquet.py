"""Parquet: footer first (rows, columns, declared sizes), then batch by batch under the byte limit. Flat columns only.

Text is read as dictionaries, so that a file that repeats one long string a million times stays small in memory.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.datasets.readers.limits import Limits
from app.errors import InvalidData

_BATCH_ROWS = 65_536


def read(source: Path | bytes, limits: Limits, name: str) -> pa.Table:
    """The table of a Parquet file; raises InvalidData."""
    origin = pa.BufferReader(source) if isinstance(source, bytes) else str(source)
    try:
        schema = pq.read_schema(origin if isinstance(origin, str) else pa.BufferReader(source))
        _check_schema(schema, limits, name)
        text = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        with pq.ParquetFile(origin, read_dictionary=text) as file:
            limits.check_rows(file.metadata.num_rows, name)
            groups = range(file.metadata.num_row_groups)
            limits.check_bytes(sum(file.metadata.row_group(i).total_byte_size for i in groups), name)
            return _read_batches(file, limits, name)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InvalidData(
            f"{name}: this is not a whole Parquet file ({str(error).splitlines()[0]}); "
            "was it cut off? write it again and send it whole"
        ) from None


def _check_schema(schema: pa.Schema, limits: Limits, name: str) -> None:
    limits.check_columns(len(schema), name)
    for field in schema:
        if pa.types.is_nested(field.type) or isinstance(field.type, pa.ExtensionType):
            raise InvalidData(
                f"{name}: column `{field.name}` is {field.type}; only flat numbers and text are read, flatten it"
            )


def _read_batches(file: pq.ParquetFile, limits: Limits, name: str) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        rows += batch.num_rows
        size += batch.nbytes
        # the footer may lie, so what really comes out is counted as well
        limits.check_rows(rows, name)
        limits.check_bytes(size, name)
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=file.schema_arrow if not batches else batches[0].schema)
