"""The owner's table, read from a CSV or Parquet file: numbers and texts, no cell missing. Nothing is filled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from agent.errors import AgentError
from contract.proof.row_commitment import Cell
from contract.rows.asked import NotEncodable, labels_of

_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
_TEXTS = (pa.types.is_string, pa.types.is_large_string)


@dataclass(frozen=True)
class Table:
    """Columns in the order of the file: float64[n], or texts without spaces around them."""

    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    rows: int

    def kind(self, name: str) -> str:
        return "number" if name in self.numbers else "text"

    def labels(self, name: str) -> list[str]:
        """A column as labels: texts, or whole numbers as they are written; raises AgentError for other numbers."""
        if name in self.texts:
            return list(self.texts[name])
        try:
            return labels_of(self.numbers[name])
        except NotEncodable as refusal:
            detail = f'column `{name}` {refusal}; where numbers are to be predicted, say labels = "none" in the policy'
            raise AgentError(detail) from None

    def cells(self) -> list[list[Cell]]:
        """The rows, cell by cell."""
        columns = [
            self.numbers[name].tolist() if name in self.numbers else list(self.texts[name]) for name in self.names
        ]
        return [list(row) for row in zip(*columns, strict=True)]


def read(path: Path) -> Table:
    """The table in a file; raises AgentError naming the column and the mend."""
    try:
        if path.suffix.lower() == ".parquet":
            table = pyarrow.parquet.read_table(path)
        else:
            convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
            table = pyarrow.csv.read_csv(path, convert_options=convert)
    except (pa.ArrowInvalid, OSError) as error:
        raise AgentError(f"{path}: cannot be read as {path.suffix or 'a file'} ({error})") from None
    if not table.num_rows:
        raise AgentError(f"{path}: there is no row in it")
    if len(set(table.column_names)) != table.num_columns:
        raise AgentError(f"{path}: two columns have one name; rename one")
    numbers, texts = {}, {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            raise AgentError(f"{path}: {column.null_count} cells of `{name}` are missing; fill them, or drop the rows")
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if any(fits(kind) for fits in _NUMBERS):
            values = np.asarray(column.cast(pa.float64() if not pa.types.is_boolean(kind) else pa.int8()).to_numpy())
            numbers[name] = np.asarray(values, dtype=np.float64) + 0.0
            if not np.isfinite(numbers[name]).all():
                raise AgentError(f"{path}: `{name}` holds NaN or infinity; fill those cells, or drop the rows")
        elif any(fits(kind) for fits in _TEXTS):
            texts[name] = tuple(str(text).strip() for text in column.cast(pa.string()).to_pylist())
        else:
            raise AgentError(
                f"{path}: `{name}` holds {kind} values; write them as numbers or texts, or drop the column"
            )
    return Table(numbers, texts, tuple(table.column_names), table.num_rows)
