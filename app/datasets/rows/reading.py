"""One file of a job, read and checked the same way by everybody: the command line, the sandbox, the workers. Pure."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.datasets.readers import Limits, Meaning, read_table
from app.datasets.readers.findings import with_findings
from app.datasets.rows import rules
from app.datasets.rows.noticed import noticed
from contract.rows.files import AS_IT_IS, Reading


def labelled_numbers(
    source: Path | bytes,
    format: str | None,  # noqa: A002  as the readers call it
    target: str,
    *,
    limits: Limits | None = None,
    name: str,
    reading: Reading = AS_IT_IS,
    image_size: tuple[int, int] | None = None,
) -> NDArray[np.int64]:
    """The numbers, from 1, of a file's rows that have a label: which row of the file each of ``read_rows`` is."""
    meaning = Meaning(target=target)
    table = read_table(
        source, format, limits=limits, name=name, image_size=image_size, reading=reading, meaning=meaning
    )
    return np.asarray(np.flatnonzero(pc.is_valid(table.column(target)).to_numpy()) + 1, dtype=np.int64)


def read_rows(
    source: Path | bytes,
    format: str | None,  # noqa: A002  as the readers call it
    target: str,
    *,
    limits: Limits | None = None,
    name: str,
    image_size: tuple[int, int] | None = None,
    reading: Reading = AS_IT_IS,
    missing_labels: str = "leave_out",
    is_test: bool = False,
    notices: bool = True,
) -> pa.Table:
    """The rows of a file that have a label, with what was noticed of all of its rows (without ``notices``: of their
    reading alone); raises InvalidData for the first rule broken."""
    meaning = Meaning(target=target)
    table = read_table(
        source, format, limits=limits, name=name, image_size=image_size, reading=reading, meaning=meaning
    )
    rules.check_declared(reading, table.column_names, name)
    rules.check_table(table, target, is_test=is_test)
    if notices:
        table = with_findings(table, noticed(table, target))
    return rules.labelled(table, target, missing_labels)
