"""The few column types that the rest of the house sees: bool, int64, float64, text, and tensors of images.

Columns are brought to these without losing a value, or refused by name. A text column becomes what most of its cells
are (``cells``); missing values are nulls. Columns that only count rows are left out (``indices``).
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.readers.cells import TEXT, TEXT_COLUMN, Meaning, missing_cells, settle, tidy
from app.datasets.readers.findings import with_findings
from app.datasets.readers.indices import index_finding, why_index
from app.errors import InvalidData
from contract.rows.findings import Finding, Severity

_NAMELESS = Finding(
    code="empty_column", severity=Severity.NOTE, detail="a column without a name and without cells is left out"
)


def is_tensor(kind: pa.DataType) -> bool:
    """Whether a column holds one array (an image) per row."""
    return isinstance(kind, pa.FixedShapeTensorType)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds categories."""
    return bool(pa.types.is_dictionary(kind))


def type_name(kind: pa.DataType) -> str:
    """What schemas and errors call a normalised column's type."""
    if is_tensor(kind):
        return f"tensor{list(kind.shape)}"
    if is_text(kind):
        return "text"
    return {"bool": "boolean", "int64": "integer", "double": "number"}[str(kind)]


def check_names(columns: Sequence[str], name: str) -> None:
    """Raises InvalidData for a column without a name, or for two of one name. The first may lack one, where pandas and
    R write row numbers, and the last, after a delimiter at the end of each line; ``normalise`` leaves both out."""
    seen: set[str] = set()
    for at, column in enumerate(columns):
        if not column.strip() and 0 < at < len(columns) - 1:
            raise InvalidData(f"{name}: a column has no name; name every column")
        if tidy(column) in seen:
            raise InvalidData(f"{name}: two columns are named `{tidy(column)}`; names must be unique, rename one")
        seen.add(tidy(column))


def normalise(table: pa.Table, name: str, meaning: Meaning | None = None) -> pa.Table:
    """The table with every column of one of the five types, without those that only count rows, and with what was
    noticed; raises InvalidData for the first column that cannot be read."""
    meaning = meaning or Meaning()
    check_names(table.column_names, name)
    names, columns, noticed = [], [], []
    for at, field in enumerate(table.schema):
        label = tidy(field.name)
        column, findings = _column(table.column(at), label, name, meaning)
        if label != meaning.target and (why := why_index(label, at, column, table.schema)):
            noticed.append(index_finding(label, why))
            continue
        if not label and column.null_count == len(column):
            noticed.append(_NAMELESS)
            continue
        if not label:
            raise InvalidData(f"{name}: a column has no name; name every column")
        names.append(label)
        columns.append(column)
        noticed += findings
        if label != meaning.target:
            noticed += missing_cells(column, label)
    done = pa.Table.from_arrays(columns, names=names).replace_schema_metadata(table.schema.metadata)
    return with_findings(done, noticed)


def _column(column: pa.ChunkedArray, label: str, name: str, meaning: Meaning) -> tuple[pa.ChunkedArray, list[Finding]]:
    kind = column.type
    try:
        if is_tensor(kind) or pa.types.is_boolean(kind):
            return _declared(column, label, meaning)
        if pa.types.is_dictionary(kind):
            if not _is_string(kind.value_type):
                return _column(column.cast(kind.value_type), label, name, meaning)
            return _texts(column, label, name, meaning)
        if _is_string(kind):
            return _texts(column.cast(pa.string()).dictionary_encode(), label, name, meaning)
        if pa.types.is_integer(kind):
            return _declared(column.cast(pa.int64()), label, meaning)
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return _declared(_without_nan(column.cast(pa.float64())), label, meaning)
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise InvalidData(
            f"{name}: column `{label}` ({kind}) does not fit 64-bit numbers or UTF-8 text: {error}"
        ) from None
    if pa.types.is_null(kind):
        return column.cast(pa.float64()), []
    mend = "turn it into numbers (for example days since a date) or text, or remove it"
    raise InvalidData(f"{name}: column `{label}` is of type {kind}; only numbers and text are read, {mend}")


def _texts(column: pa.ChunkedArray, label: str, name: str, meaning: Meaning) -> tuple[pa.ChunkedArray, list[Finding]]:
    """Documents stay as they are; any other text is read as what most of its cells are."""
    if meaning.documents and label == TEXT_COLUMN:
        return column.cast(TEXT).unify_dictionaries(), []
    return settle(column, label, name, meaning)


def _declared(column: pa.ChunkedArray, label: str, meaning: Meaning) -> tuple[pa.ChunkedArray, list[Finding]]:
    """Numbers and truths are kept, or become texts where they are declared to be."""
    if meaning.kinds.get(label) in ("text", "category") and not is_tensor(column.type):
        return as_texts(column), []
    return column, []


def as_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of numbers or truths as texts; whole numbers have no decimal point, whatever type they came as."""
    if is_text(column.type):
        return column
    if pa.types.is_floating(column.type):
        values = column.to_pylist()
        texts = [None if v is None else str(int(v)) if v == v // 1 and abs(v) < 2**53 else repr(v) for v in values]
        return pa.chunked_array([pa.array(texts, pa.string())]).dictionary_encode().cast(TEXT)
    return column.cast(pa.string()).dictionary_encode().cast(TEXT).unify_dictionaries()


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """NaN is how programs write a missing number."""
    gone = pc.fill_null(pc.is_nan(column), False)
    if not pc.any(gone).as_py():
        return column
    return pc.if_else(gone, pa.scalar(None, pa.float64()), column)


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def first_null(column: pa.ChunkedArray) -> int | None:
    """The index of the first missing value, or None."""
    if column.null_count == 0:
        return None
    return int(pc.index(pc.is_null(column), value=True).as_py())
