"""Test rows that were drawn together: the rows that have one value in a column, or the blocks of one document. Pure.

Groups are numbers, one a row; what they are called is of no account, and what names them for good is made of their rows
(``groups_digest``). Blocks of a text are grouped without being asked: by document or, where there are few documents, by
runs of neighbouring blocks of one document, since neighbours are what is alike.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import table_name
from app.datasets.readers.cells import tidy
from app.datasets.readers.types import first_null, is_tensor
from app.datasets.rows.encoding import EncodedRows
from app.errors import FieldError, InvalidData
from contract.rows.row_order import row_bytes

Groups = NDArray[np.int64]
# documents from which on each is one group; fewer are cut into runs of blocks, so that there are about so many
ENOUGH = 30


def column_groups(table: pa.Table, column: str) -> Groups:
    """The groups int64[n] that a column names; raises InvalidData where it is not there, has an empty cell, or one
    value."""
    name = tidy(column)
    if name not in table.column_names:
        there = ", ".join(f"`{each}`" for each in table.column_names[:8])
        raise _broken(table, column, f"there is no such column to group test rows by; there are {there}", "missing")
    values = table.column(name)
    if is_tensor(values.type):
        raise _broken(
            table, column, "it holds arrays, which name no group; give a column of names or numbers", "groups"
        )
    if (row := first_null(values)) is not None:
        raise _broken(table, column, f"row {row + 1} is of no group; fill the cell", "missing_value")
    groups = numbered(values.to_pylist())
    if not groups.any():
        fact = "all rows are of one group, so nothing tells what others would change; name another, or add rows"
        raise _broken(table, column, fact, "groups")
    return groups


def numbered(names: Sequence[Any]) -> Groups:
    """Groups int64[n] by what they are called."""
    number = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64)


def runs(documents: Sequence[int]) -> Groups | None:
    """The groups of blocks whose documents, numbered, these are, in order: documents, or runs of blocks of one, where
    there are few. None where each block is by itself."""
    whose = np.asarray(documents, dtype=np.int64)
    count = len(np.unique(whose))
    long = len(whose) if count >= ENOUGH else max(1, -(-len(whose) // ENOUGH))
    groups, place = [], 0
    for at, document in enumerate(whose.tolist()):
        place = 0 if at == 0 or document != whose[at - 1] else place + 1
        groups.append((document, place // long))
    numbers = numbered(groups)
    return numbers if int(numbers.max()) + 1 < len(numbers) else None


def groups_digest(rows: EncodedRows, groups: Groups) -> str:
    """Hex SHA-256 of which rows are grouped: the same whatever groups are called and in whatever order rows are."""
    keys: dict[int, list[bytes]] = {}
    for group, key in zip(groups.tolist(), row_bytes(rows.X, rows.y), strict=True):
        keys.setdefault(group, []).append(key.tobytes())
    signs = sorted(hashlib.sha256(b"".join(sorted(each))).digest() for each in keys.values())
    return hashlib.sha256(b"groups\n" + b"".join(signs)).hexdigest()


def _broken(table: pa.Table, column: str, fact: str, kind: str) -> InvalidData:
    detail = f"{table_name(table)}: column `{column}`: {fact}"
    return InvalidData(detail, errors=[FieldError(column, detail, kind)])
