"""The owner's table, read from a CSV or Parquet file: numbers and texts. Cells that say that there is no value are
missing, by the rules by which the service reads an upload; nothing is filled here."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from agent.errors import AgentError
from contract.proof.row_commitment import Cell
from contract.rows.asked import NotEncodable, labels_of
from contract.rows.missing import DASHES, MISSING, NO_NUMBER

_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
_TEXTS = (pa.types.is_string, pa.types.is_large_string)
_NO_NUMBERS = MISSING | DASHES | NO_NUMBER


_NUMBER = re.compile(r"[+-]?(?!0\d)\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
Texts = tuple[str | None, ...]


@dataclass(frozen=True)
class Table:
    """Columns in the order of the file: float64[n] with NaN where a cell is missing, or texts without spaces around
    them, None where missing."""

    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, Texts]
    names: tuple[str, ...]
    rows: int

    def kind(self, name: str) -> Literal["number", "text"]:
        return "number" if name in self.numbers else "text"

    def gaps(self, name: str) -> int:
        """How many cells of a column are missing."""
        if name in self.numbers:
            return int(np.isnan(self.numbers[name]).sum())
        return self.texts[name].count(None)

    def labels(self, name: str) -> list[str]:
        """A column without missing cells as labels: texts, or whole numbers as they are written; raises AgentError for
        other numbers."""
        if name in self.texts:
            return [str(text) for text in self.texts[name]]
        try:
            return labels_of(self.numbers[name])
        except NotEncodable as refusal:
            detail = f'column `{name}` {refusal}; where numbers are to be predicted, say labels = "none" in the policy'
            raise AgentError(detail) from None

    def cells(self) -> list[list[Cell]]:
        """The rows, cell by cell."""
        columns: list[list[Cell]] = [
            [None if value != value else value for value in self.numbers[name].tolist()]
            if name in self.numbers
            else list(self.texts[name])
            for name in self.names
        ]
        return [list(row) for row in zip(*columns, strict=True)]


def read(path: Path) -> Table:
    """The table in a file; raises AgentError naming the column and the mend."""
    try:
        parquet = path.suffix.lower() == ".parquet"
        table = pyarrow.parquet.read_table(path) if parquet else pyarrow.csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise AgentError(f"{path}: cannot be read as {path.suffix or 'a file'} ({error})") from None
    if not table.num_rows:
        raise AgentError(f"{path}: there is no row in it")
    if len(set(table.column_names)) != table.num_columns:
        raise AgentError(f"{path}: two columns have one name; rename one")
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, Texts] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        held = _column(column, f"{path}: `{name}`")
        if isinstance(held, tuple):
            texts[name] = held
        else:
            numbers[name] = held
    return Table(numbers, texts, tuple(table.column_names), table.num_rows)


def _column(column: pa.ChunkedArray, called: str) -> NDArray[np.float64] | Texts:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind) or any(fits(kind) for fits in _NUMBERS):
        whole = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
        values = np.asarray(whole.cast(pa.float64()).to_numpy(), dtype=np.float64) + 0.0
        if np.isinf(values).any():
            raise AgentError(f"{called} holds infinity; leave those cells empty, or drop the rows")
        return values
    if not any(fits(kind) for fits in _TEXTS):
        raise AgentError(f"{called} holds {kind} values; write them as numbers or texts, or drop the column")
    return _texts([None if cell is None else str(cell) for cell in column.cast(pa.string()).to_pylist()])


def _texts(cells: list[str | None]) -> NDArray[np.float64] | Texts:
    """Texts; or numbers, where every cell that has a value is one."""
    clean = ["" if cell is None else unicodedata.normalize("NFC", cell).strip() for cell in cells]
    present = [cell for cell in clean if cell.lower() not in _NO_NUMBERS]
    if all(_NUMBER.fullmatch(cell) for cell in present):
        return np.array([float(cell) if cell.lower() not in _NO_NUMBERS else np.nan for cell in clean]) + 0.0
    worded = any(any(map(str.isalnum, cell)) for cell in clean if cell.lower() not in MISSING)
    absent = MISSING | DASHES if worded else MISSING
    return tuple(None if cell.lower() in absent else cell for cell in clean)
