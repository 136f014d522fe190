"""The few column types that the rest of the house sees: bool, int64, float64, text, and tensors of images.

Columns are brought to these without losing a value, or refused by name. Missing values are kept for ``rules`` to name.
"""

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import InvalidData

TEXT = pa.dictionary(pa.int32(), pa.string())


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


def check_names(columns: list[str], name: str) -> None:
    """Raises InvalidData for a column without a name, or for two of one name."""
    seen: set[str] = set()
    for column in columns:
        if not column.strip():
            raise InvalidData(f"{name}: a column has no name; name every column")
        if column in seen:
            raise InvalidData(f"{name}: two columns are named `{column}`; names must be unique, rename one")
        seen.add(column)


def normalise(table: pa.Table, name: str) -> pa.Table:
    """The table with every column of one of the five types; raises InvalidData for the first that has none."""
    check_names(table.column_names, name)
    columns = [_column(table.column(i), field.name, name) for i, field in enumerate(table.schema)]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _column(column: pa.ChunkedArray, label: str, name: str) -> pa.ChunkedArray:
    kind = column.type
    try:
        if is_tensor(kind) or pa.types.is_boolean(kind):
            return column
        if pa.types.is_dictionary(kind):
            if not _is_string(kind.value_type):
                return _column(column.cast(kind.value_type), label, name)
            return column.cast(TEXT).unify_dictionaries()
        if _is_string(kind):
            return column.cast(pa.string()).dictionary_encode().cast(TEXT).unify_dictionaries()
        if pa.types.is_integer(kind):
            return column.cast(pa.int64())
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return column.cast(pa.float64())
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise InvalidData(
            f"{name}: column `{label}` ({kind}) does not fit 64-bit numbers or UTF-8 text: {error}"
        ) from None
    if pa.types.is_null(kind):
        raise InvalidData(f"{name}: column `{label}` is empty in every row; fill it or remove it")
    mend = "turn it into numbers (for example days since a date) or text, or remove it"
    raise InvalidData(f"{name}: column `{label}` is of type {kind}; only numbers and text are read, {mend}")


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def first_null(column: pa.ChunkedArray) -> int | None:
    """The index of the first missing value, or None."""
    if column.null_count == 0:
        return None
    return int(pc.index(pc.is_null(column), value=True).as_py())
