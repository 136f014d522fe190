"""Files of formats that packages bring (``contract.rows.formats``), read by their readers under the limits of all.

A reader is code of whoever runs the service, and the file a stranger's: whatever the one raises at the other refuses
the file, and never ends the process.
"""

import pyarrow as pa

from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import Source
from app.errors import InvalidData
from contract.rows.formats import INSTALLED
from contract.rows.installed_reader import ReadLimits


def read(file: Source, file_format: str, limits: Limits, name: str) -> pa.Table:
    """The table of a file in an installed format; raises InvalidData."""
    reader = INSTALLED[file_format]
    try:
        table = reader.read(file.origin, ReadLimits(limits.max_rows, limits.max_columns, limits.max_bytes))
    except (InvalidData, MemoryError):
        raise
    except ValueError as error:
        raise InvalidData(f"{name}: not a whole {reader.title} ({error}); write it again") from None
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise InvalidData(f"{name}: the reader of {reader.title} failed at it ({what}); write it again") from None
    if not isinstance(table, pa.Table):
        raise InvalidData(f"{name}: the reader of {reader.title} gave a {type(table).__name__}, no table")
    limits.check_rows(table.num_rows, name)
    limits.check_names(table.column_names, name)
    limits.check_bytes(table.nbytes, name)
    return table
