"""Values of rows on the command line: the files that players' rows are from, and the file that values go to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray
from rich.console import Console

from app.cli.tables import print_table
from app.cli.valuing.request import engine_errors
from app.errors import InvalidInput
from app.valuations.results.row_tables import RowPlaces
from contract.results.row_values import PlayerRowValues, RowFinding

if TYPE_CHECKING:
    from contract.results.result import ValuationResult
    from worker.engine.evaluation.evaluator import Evaluator

SUFFIXES = (".parquet", ".csv")


@dataclass
class RowSources:
    """The files and rows of all players; ``classes`` are the names of the labels."""

    classes: tuple[str, ...] = ()
    documents: bool = False  # a line is a document's, and numbers are documents'
    _players: dict[str, RowPlaces] = field(default_factory=dict)

    def add(self, player: str, file: str, numbers: NDArray[np.int64], X: NDArray[Any], y: NDArray[Any]) -> None:
        """The rows X [m, ...], y [m] of a player's file, which have these numbers in it."""
        self._players.setdefault(player, RowPlaces(self.classes, self.documents)).add(file, numbers, X, y)

    def add_files(
        self, player: str, files: Sequence[tuple[str, NDArray[np.int64]]], X: NDArray[Any], y: NDArray[Any]
    ) -> None:
        """The rows X [m, ...], y [m] of files, one after another, each with the numbers of its rows."""
        begin = 0
        for file, numbers in files:
            end = begin + len(numbers)
            self.add(player, file, numbers, X[begin:end], y[begin:end])
            begin = end

    def table(self, values: PlayerRowValues, X: NDArray[Any], y: NDArray[Any]) -> pa.Table:
        """A player's values as a table in the order of its files; X [m, ...], y [m] are its rows in the engine's."""
        return self._players[values.provider].table(values, X, y)


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


def check_rows(evaluator: "Evaluator") -> None:
    """Refuse before a job whose rows cannot be told apart."""
    from worker.engine.rows.values import how

    with engine_errors():
        how(evaluator)


def write_values(
    evaluator: "Evaluator", result: "ValuationResult", sources: RowSources, path: Path, console: Console
) -> None:
    """A value for every row, and how many rows of each provider are worth a second look."""
    from worker.engine.rows.values import row_values, rows_of

    with engine_errors():
        valued = row_values(evaluator, result.players)
    names = [finding.value.replace("_", " ") for finding in RowFinding]
    counted = []
    for player in valued:
        counts = [str(int(rows.sum())) for rows in player.findings().values()]
        counted.append((player.provider, str(len(player)), *counts))
    print_table(console, ("provider", "rows", *names), counted)
    write_rows([sources.table(each, *rows_of(evaluator.problem, each.provider)) for each in valued], path)
    console.print(f"Rows written to {path}", soft_wrap=True)
