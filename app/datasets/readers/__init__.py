"""Files to Arrow tables: ``read_table`` sniffs the format by its magic, reads it under limits, normalises the types.

What comes out has two kinds of columns: numbers (bool, int64, float64) and text (dictionary of strings); or one column
``X`` of fixed-shape tensors (images). Everything else is refused by name. Nothing is executed, unpickled or guessed:
a file either reads whole or raises InvalidData naming the file, the place, the rule and the mend.
"""

from pathlib import Path

import pyarrow as pa

from app.datasets.readers import delimited, npz, parquet
from app.datasets.readers.limits import Limits
from app.datasets.readers.sniffing import sniff
from app.datasets.readers.types import normalise
from app.errors import InvalidData

__all__ = ["Limits", "read_table", "sniff", "table_format", "table_name"]


def read_table(
    source: Path | bytes,
    format: str | None = None,  # noqa: A002  what callers and the HTTP field call it
    *,
    limits: Limits | None = None,
    name: str = "the file",
) -> pa.Table:
    """The table in a file (or in its bytes). ``format`` is csv, tsv, parquet or npz; None sniffs it.

    ``name`` is what errors call it; it and the format travel in the schema's metadata. Raises InvalidData.
    """
    limits = limits or Limits()
    found = sniff(source, format, name)
    match found:
        case "csv":
            table = delimited.read(source, ",", limits, name)
        case "tsv":
            table = delimited.read(source, "\t", limits, name)
        case "parquet":
            table = parquet.read(source, limits, name)
        case _:
            table = npz.read(source, limits, name)
    if table.num_rows == 0:
        raise InvalidData(f"{name}: there is a header but no row; add at least one row of data")
    table = normalise(table, name)
    return table.replace_schema_metadata({"cherish.name": name, "cherish.format": found})


def table_name(table: pa.Table) -> str:
    """What errors call this table."""
    found: bytes = (table.schema.metadata or {}).get(b"cherish.name", b"a table")
    return found.decode()


def table_format(table: pa.Table) -> str | None:
    """The format of the file that this table was read from; None for a table made in memory."""
    found: bytes | None = (table.schema.metadata or {}).get(b"cherish.format")
    return found.decode() if found is not None else None
