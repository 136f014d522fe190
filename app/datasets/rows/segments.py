"""Which rows of each payee are one segment, by a column of its files. Pure.

A value becomes a segment of a payee only where enough of the payee's rows have it, so that no value is told of few
rows; rows of rarer values, and those without one, are one segment together.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import table_name
from app.datasets.readers.cells import tidy
from app.datasets.readers.types import as_texts, is_tensor
from app.datasets.rows.encoding import EncodedRows
from app.errors import FieldError, InvalidData
from contract.rows.row_order import row_bytes
from contract.rows.segments import MOST_OF_PAYEE, OTHER, Segment

Numbers = NDArray[np.int64]
Names = list[str | None]


@dataclass(frozen=True)
class Segmented:
    """The segments of a job by number, and the number int64[n] of each row of each file."""

    segments: tuple[Segment, ...]
    numbers: dict[str, Numbers]


def segment_names(table: pa.Table, column: str) -> Names:
    """The value of a column in each row, as a text; None where the cell is empty. Raises InvalidData."""
    name = tidy(column)
    if name not in table.column_names:
        detail = f"{table_name(table)}: there is no column `{column}` to tell segments apart by; name one that it has"
        raise InvalidData(detail, errors=[FieldError(column, detail, "schema")])
    values = table.column(name)
    if is_tensor(values.type):
        detail = f"{table_name(table)}: column `{column}` holds arrays, which name no segment; name another"
        raise InvalidData(detail, errors=[FieldError(column, detail, "schema")])
    named: Names = as_texts(values).to_pylist()
    return named


def drawn_least(least: int, draws: str, contents: Sequence[str]) -> int:
    """How many rows a segment of a payee needs, whose files have these ``contents``: ``least`` to three times as many,
    drawn by hex bytes that no asker knows, so that hardly ever one row decides it; ``least`` where there are none. By
    the contents alone, so that whoever asks again, or by another column, has no other number."""
    if not draws:
        return least
    drawn = hmac.digest(bytes.fromhex(draws), "\0".join(sorted(contents)).encode(), "sha256")
    return least + int.from_bytes(drawn[:8], "big") % (2 * least + 1)


def segmented(
    names: Mapping[str, Names], payees: Sequence[Sequence[str]], tested: Sequence[str | None], least: Sequence[int]
) -> Segmented:
    """The segments of all files: ``names`` of the rows of each file, the files of each payee, the names in the test
    set, and how many rows a segment of each payee needs at least.

    A payee whose left-over rows would be fewer than that gives its smallest segment to them.
    """
    kept = {at: _kept([name for file in files for name in names[file]], least[at]) for at, files in enumerate(payees)}
    every = sorted({name for own in kept.values() for name in own})
    number = {name: at + 1 for at, name in enumerate(every)}
    numbers = {
        file: np.array([number[name] if name in kept[at] else OTHER for name in names[file]], dtype=np.int64)
        for at, files in enumerate(payees)
        for file in files
    }
    in_test = set(tested)
    segments = (Segment(name=""), *(Segment(name=name, in_test=name in in_test) for name in every))
    return Segmented(segments, numbers)


def _kept(names: Names, least: int) -> set[str]:
    """The values that are segments of one payee's own, the most frequent ones."""
    counts = Counter(name for name in names if name is not None)
    frequent = sorted(
        (name for name, count in counts.items() if count >= least), key=lambda name: (-counts[name], name)
    )
    kept = frequent[:MOST_OF_PAYEE]
    while kept and 0 < len(names) - sum(counts[name] for name in kept) < least:
        kept.pop()
    return set(kept)


def segments_digest(players: Sequence[EncodedRows]) -> str:
    """Hex SHA-256 of which of the players' rows, in the order of players, are of which segment; of a player's rows in
    any order."""
    whole = hashlib.sha256(b"segments\n")
    for rows in players:
        if rows.groups is None:
            raise AssertionError("the rows of a player of a game by segments are of no segment")
        content = row_bytes(rows.X, rows.y)
        signs = sorted(key.tobytes() + int(at).to_bytes(4, "big") for key, at in zip(content, rows.groups, strict=True))
        whole.update(hashlib.sha256(b"".join(signs)).digest())
    return whole.hexdigest()
