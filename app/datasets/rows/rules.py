"""What a readable table must also be before it can be valued: a target, features, finite numbers, few labels.

Missing features are accepted: a job fills them (``encoding``). Rows without a label are left out and counted, or
refused, as the order says (``labelled``). The rules of one file are checked at upload (``check_table``), those between
files when a job fixes its encoding. A single provider may hold one class only (label skew is what markets look like); a
TEST SET of one class, or a job whose providers together have one, is refused: nothing can be told apart there.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.readers import table_format, table_name
from app.datasets.readers.cells import TEXT, TEXT_COLUMN, tidy
from app.datasets.readers.findings import with_findings
from app.datasets.readers.types import first_null, is_tensor, is_text, type_name
from app.datasets.rows.filling import text_counts
from app.datasets.rows.numeric_target import looks_like, target_numbers
from app.errors import FieldError, InvalidData
from contract.rows.files import FileColumn, Reading
from contract.rows.findings import Finding, Severity

MAX_CLASSES = 1_000


def check_table(table: pa.Table, target: str, *, is_test: bool) -> None:
    """Raises InvalidData for the first rule that the table breaks."""
    check_names(table, target)
    check_values(table, target, is_test=is_test)


def check_document_names(table: pa.Table, target: str | None) -> None:
    """The rules of names for documents: a column ``text``, and the target where one is declared."""
    if TEXT_COLUMN not in table.column_names or target == TEXT_COLUMN:
        raise _broken(
            table,
            TEXT_COLUMN,
            "documents stand in this column, beside their target",
            f"name it `{TEXT_COLUMN}`",
            "missing",
        )
    if target is not None:
        check_target_exists(table, target)


def check_documents(table: pa.Table) -> None:
    """Raises InvalidData where the column ``text`` of a table (of some columns) is no text, or has an empty one."""
    if TEXT_COLUMN not in table.column_names:
        return
    column = table.column(TEXT_COLUMN)
    if not is_text(column.type):
        raise _broken(
            table, TEXT_COLUMN, f"it holds {type_name(column.type)} values", "documents are texts", "not_text"
        )
    empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column.cast(pa.string())), ""), True)
    if pc.any(empty).as_py():
        row = int(pc.index(empty, value=True).as_py())
        raise _broken(table, TEXT_COLUMN, f"row {row + 1} is empty", "drop the row", "missing_value")


def check_names(table: pa.Table, target: str) -> None:
    """The rules of names; the table may be without rows."""
    check_target_exists(table, target)
    if table.num_columns < 2:
        raise _broken(table, target, "it is the only column", "add at least one feature column", "no_features")


def check_values(table: pa.Table, target: str | None, *, is_test: bool) -> None:
    """The rules of values, for all or for some columns of a table, with or without the target among them."""
    for label in table.column_names:
        if label != target:
            _check_feature(table, label, table.column(label))
    if target is None or target not in table.column_names:
        return
    column = table.column(target)
    if not column.null_count < len(column):
        raise _broken(table, target, "no row has a label", "fill it, or declare another column", "missing_value")
    if pa.types.is_floating(column.type):
        # a whole number may be a class, and any number may be predicted as one: the order says
        target_numbers(table.filter(pc.is_valid(column)), target)
        examples = [f"{value:g}" for value in column.drop_null().unique().to_pylist()[:2]]
    elif looks_like(labelled(table, target), target) == "classes":
        examples = class_names(table, target)
    else:
        return
    if is_test and len(examples) == 1:
        mend = "add rows with other labels"
        raise _broken(table, target, f"every row of this test set is {examples[0]!r}", mend, "one_class")


def check_declared(reading: Reading, columns: Collection[str], name: str) -> None:
    """Raises InvalidData where it is declared how a column is read that the file has not."""
    known = set(columns)
    if unknown := [column for column in reading.kinds or () if column not in known]:
        raise InvalidData(f"{name}: `read` names the column `{unknown[0]}`, which it has not; name columns of the file")


def check_target_exists(table: pa.Table, target: str) -> None:
    """Raises InvalidData where the target column is missing, naming what is there."""
    if target in table.column_names:
        return
    there = ", ".join(f"`{c}`" for c in table.column_names[:8]) + (", …" if table.num_columns > 8 else "")
    hints = {
        "npz": "; the labels of an NPZ with X and y are column `y`",
        "zip": "; folders are column `label`, and a manifest's columns are its own",
    }
    if table.num_columns == 1:
        hints |= dict.fromkeys(("csv", "tsv"), "; where another sign parts the fields, declare it as `delimiter`")
    hint = hints.get(table_format(table) or "", "")
    raise _broken(
        table,
        target,
        f"the target column is missing; there are {there}",
        f"rename one or declare another{hint}",
        "missing",
    )


def class_names(table: pa.Table, target: str, label_map: Mapping[str, str] | None = None) -> list[str]:
    """The distinct labels of a table as text, sorted; raises InvalidData where they are not classes.

    1 (integer), 1.0 and "1" are the same class, so that formats can be mixed; booleans are "true" and "false".
    """
    return sorted(set(label_texts(table, target, label_map).unique().drop_null().to_pylist()), key=class_order)


def labelled(table: pa.Table, target: str, missing: str = "leave_out") -> pa.Table:
    """The rows that have a label; ``missing`` "refuse" raises InvalidData where a row has none."""
    column = table.column(target)
    if (row := first_null(column)) is None:
        return table
    if missing == "refuse":
        mend = "fill it, drop the row, or let the order leave such rows out"
        raise _broken(table, target, f"row {row + 1} has no label", mend, "missing_labels")
    kept = table.filter(pc.is_valid(column))
    if not kept.num_rows:
        raise _broken(table, target, "no row has a label", "fill it, or declare another column", "missing_value")
    return with_findings(kept, missing_labels(table, target))


def missing_labels(table: pa.Table, target: str) -> list[Finding]:
    """What is said of rows without a label."""
    count = table.column(target).null_count
    if not count:
        return []
    share = count / table.num_rows
    return [
        Finding(
            code="missing_labels",
            severity=Severity.WARN,
            detail=f"{count} of {table.num_rows} rows have no label in `{target}`, and are left out",
            mend=f"fill them; where the marker is a label, declare read={target}=category",
            column=target,
            rows=count,
            share=round(share, 6),
        )
    ]


def label_counts(table: pa.Table, target: str, label_map: Mapping[str, str] | None = None) -> dict[str, int]:
    """How many rows each label has, by the label's name as a class."""
    return text_counts(label_texts(table, target, label_map))


def class_order(label: str) -> tuple[int, float, str]:
    """Sorts labels: whole numbers by value first, then texts."""
    digits = label.removeprefix("-")
    return (0, float(label), label) if digits.isdecimal() else (1, 0.0, label)


def clean_map(label_map: Mapping[str, str]) -> dict[str, str]:
    """An order's map of labels, spelled as labels are read."""
    return {tidy(old): tidy(new) for old, new in label_map.items()}


def label_texts(table: pa.Table, target: str, label_map: Mapping[str, str] | None = None) -> pa.ChunkedArray:
    """The target column as text labels (dictionary-encoded), by the order's map; a missing label is null."""
    column = table.column(target)
    if is_tensor(column.type):
        raise _broken(table, target, "it holds arrays", "a target is one label per row", "not_labels")
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        whole = np.isfinite(values) & (np.floor(values) == values) & (np.abs(values) < 2**53)
        whole |= np.asarray(pc.is_null(column), dtype=np.bool_)
        if not whole.all():
            row = int(np.argmin(whole))
            raise _broken(
                table,
                target,
                f"row {row + 1} is {values[row]}",
                "labels are classes: use whole numbers or text, bin a continuous target, or predict it as a number "
                "(target_is number)",
                "not_labels",
            )
        column = column.cast(pa.int64())
    if not is_text(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    if label_map:
        column = _mapped(column, label_map)
    distinct = column.unique()
    if len(distinct) > MAX_CLASSES:
        detail = f"it has {len(distinct)} distinct labels, and {MAX_CLASSES} are allowed"
        raise _broken(
            table, target, detail, "is it an identifier? declare another column, or merge classes", "not_labels"
        )
    return column


def _mapped(column: pa.ChunkedArray, label_map: Mapping[str, str]) -> pa.ChunkedArray:
    """The labels with those of the map in place of the others."""
    chunks = []
    for chunk in column.chunks:
        texts = [label_map.get(text, text) for text in chunk.dictionary.to_pylist()]
        distinct = list(dict.fromkeys(texts))
        place = {text: at for at, text in enumerate(distinct)}
        codes = pa.array([place[text] for text in texts], pa.int32()).take(chunk.indices)
        chunks.append(pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string())))
    return pa.chunked_array(chunks, TEXT)


def _check_feature(table: pa.Table, label: str, column: pa.ChunkedArray) -> None:
    if is_tensor(column.type):
        flat = np.concatenate([chunk.to_numpy_ndarray().reshape(len(chunk), -1) for chunk in column.chunks])
        finite = np.isfinite(flat).all(axis=1)
    elif pa.types.is_floating(column.type):
        finite = np.isfinite(column.to_numpy()) | np.asarray(pc.is_null(column), dtype=np.bool_)
    else:
        return
    if not finite.all():
        row = int(np.argmin(finite))
        what = "NaN or infinite" if is_tensor(column.type) else str(column[row].as_py())
        raise _broken(
            table, label, f"row {row + 1} is {what}", "features are finite: correct it, or leave it empty", "not_finite"
        )


def columns_of(table: pa.Table) -> list[FileColumn]:
    """What is shown of a table's columns, in file order."""
    return [FileColumn(name=field.name, type=type_name(field.type)) for field in table.schema]


def _broken(table: pa.Table, column: str, fact: str, mend: str, kind: str) -> InvalidData:
    detail = f"{table_name(table)}: column `{column}`: {fact}; {mend}"
    return InvalidData(detail, errors=[FieldError(column, f"{fact}; {mend}", kind)])
