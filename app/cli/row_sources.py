"""Which row of which file each of a player's rows is, and its values as a table: ``cherish value --rows``.

The engine puts rows in the order of their content; here they are found again by it. Equal rows have equal values, so
which of them is which does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from app.datasets.readers import Meaning, read_table
from app.errors import InvalidInput
from app.valuations.results.row_tables import row_table
from contract.files import Reading
from contract.row_values import PlayerRowValues

SUFFIXES = (".parquet", ".csv")


@dataclass
class _Placed:
    """A player's rows as they were read, one file after another: their files, numbers from 1, and content."""

    files: list[str] = field(default_factory=list)
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    X: list[NDArray[Any]] = field(default_factory=list)
    y: list[NDArray[Any]] = field(default_factory=list)


@dataclass
class RowSources:
    """The files and rows of all players; ``classes`` are the names of the labels."""

    classes: tuple[str, ...] = ()
    _players: dict[str, _Placed] = field(default_factory=dict)

    def add(self, player: str, file: str, numbers: NDArray[np.int64], X: NDArray[Any], y: NDArray[Any]) -> None:
        """The rows X [m, ...], y [m] of a file, which have these numbers in it."""
        placed = self._players.setdefault(player, _Placed())
        placed.files += [file] * len(y)
        placed.numbers.append(numbers)
        placed.X.append(X)
        placed.y.append(y)

    def add_files(self, player: str, files: Sequence[tuple[str, int]], X: NDArray[Any], y: NDArray[Any]) -> None:
        """The rows X [m, ...], y [m] of files with so many rows, one after another."""
        begin = 0
        for file, count in files:
            end = begin + count
            self.add(player, file, np.arange(1, count + 1), X[begin:end], y[begin:end])
            begin = end

    def table(self, found: PlayerRowValues, X: NDArray[Any], y: NDArray[Any]) -> pa.Table:
        """A player's values as a table in the order of its files; X [m, ...], y [m] are its rows in the engine's."""
        placed = self._players[found.provider]
        read = np.argsort(_keys(np.concatenate(placed.X), np.concatenate(placed.y)), kind="stable")
        engine = np.argsort(_keys(X, y), kind="stable")
        place = np.empty(len(read), dtype=np.int64)
        place[engine] = read
        return row_table(found, np.array(placed.files)[place], np.concatenate(placed.numbers)[place], self.classes)


def _keys(X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.void]:
    """One opaque value for each row's content."""
    flat = np.ascontiguousarray(X, dtype=np.float32).reshape(len(y), -1) + np.float32(0)
    whole = np.concatenate([flat.view(np.uint32), np.ascontiguousarray(y).view(np.uint32).reshape(len(y), -1)], axis=1)
    return np.ascontiguousarray(whole).view(np.dtype((np.void, whole.shape[1] * 4))).ravel()


def row_numbers(path: Path, format_: str | None, target: str, reading: Reading) -> NDArray[np.int64]:
    """The numbers, from 1, of a table's rows that have a label."""
    table = read_table(path, format_, reading=reading, meaning=Meaning(target=target))
    return np.flatnonzero(pc.is_valid(table.column(target)).to_numpy()) + 1


def check_rows_path(path: Path | None) -> None:
    """Raises InvalidInput for a file of a kind that is not written."""
    if path is not None and path.suffix not in SUFFIXES:
        raise InvalidInput(f"--rows {path}: name a file that ends in {' or '.join(SUFFIXES)}")


def write_rows(tables: Sequence[pa.Table], path: Path) -> None:
    """All players' tables as one file."""
    whole = pa.concat_tables(tables)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(whole, path)
    else:
        pyarrow.parquet.write_table(whole, path)
