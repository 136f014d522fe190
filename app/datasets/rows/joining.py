"""Strangers' schemas meet: which columns the job's files have in common with the test set, and what each of them is.

The job uses the columns that the test set has. A provider's further columns are left out, and that is said; one that it
lacks is refused, unless the order renames another. A column that is numbers in one file and texts in another is what
most of the cells of ALL files are. A refusal names the file, the column and kinds of cells, never a cell: what is in a
provider's file is not the asker's to read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from app.datasets.readers import table_name
from app.datasets.readers.cells import as_numbers, tidy
from app.datasets.readers.findings import findings_of
from app.datasets.readers.types import as_texts, is_tensor, is_text, type_name
from app.datasets.rows.rules import check_target_exists
from app.errors import FieldError, InvalidData
from contract.rows.features import FeatureChoice
from contract.rows.findings import Finding, Severity

_PLAIN = re.compile(r"[\W_]+")


class Unfit(InvalidData):
    """A provider's file does not fit the job's others; ``table`` is its place among the players' tables."""

    def __init__(self, table: int, column: str, detail: str) -> None:
        super().__init__(detail, errors=[FieldError(column, detail, "schema")])
        self.table = table


@dataclass(frozen=True)
class Joined:
    """The features by name and kind (number, text, or a tensor's type), in the test set's order, and what is said of
    each player's file."""

    kinds: dict[str, str]
    findings: tuple[tuple[Finding, ...], ...]


def renamed(table: pa.Table, choice: FeatureChoice) -> pa.Table:
    """The table under the job's names; a name that it already has is not given twice."""
    if not choice.rename:
        return table
    there = set(table.column_names)
    new_names = {tidy(old): tidy(new) for old, new in choice.rename.items()}
    names = [
        new_names[name] if name in new_names and new_names[name] not in there else name for name in table.column_names
    ]
    return table.rename_columns(names)


def join(test: pa.Table, players: Sequence[pa.Table], target: str, choice: FeatureChoice) -> Joined:
    """The columns of a job; raises Unfit for a player's file, InvalidData for the test set."""
    check_target_exists(test, target)
    used = _used(test, players, target, choice)
    for place, player in enumerate(players):
        _check_names(place, player, test, used, target)
    kinds = {name: _kind(name, test, players) for name in used}
    return Joined(kinds, tuple(_extra(player, [*used, target], test) for player in players))


def _used(test: pa.Table, players: Sequence[pa.Table], target: str, choice: FeatureChoice) -> list[str]:
    """The test set's columns that are features: none that only counts rows in any of the files."""
    counters = {finding.column for table in (test, *players) for finding in findings_of(table) if _is_index(finding)}
    there = [name for name in test.column_names if name != target and name not in counters]
    chosen = None if choice.use is None else {tidy(name) for name in choice.use}
    for pointer, named in (("use", choice.use or ()), ("leave_out", choice.leave_out)):
        if unknown := [name for name in named if tidy(name) not in test.column_names]:
            detail = f"features.{pointer} names {few(unknown)}, which {table_name(test)} has not; {_there(there)}"
            raise InvalidData(detail, errors=[FieldError(unknown[0], detail, "schema")])
    without = {tidy(name) for name in choice.leave_out}
    used = [name for name in there if (chosen is None or name in chosen) and name not in without]
    if not used:
        detail = f"{table_name(test)}: no column is left to learn from; {_there(there)}"
        raise InvalidData(detail, errors=[FieldError(target, detail, "no_features")])
    return used


def _is_index(finding: Finding) -> bool:
    return finding.code == "index_column"


def _there(names: Sequence[str]) -> str:
    return f"there are {few(names)}"


def _check_names(place: int, player: pa.Table, test: pa.Table, used: Sequence[str], target: str) -> None:
    who, against = table_name(player), table_name(test)
    check_target_exists(player, target)
    had = set(player.column_names)
    missing = [name for name in used if name not in had]
    if not missing:
        return
    alike = {_plain(name): name for name in player.column_names if name not in used}
    proposed = {alike[_plain(name)]: name for name in missing if _plain(name) in alike}
    mend = "add it, or leave it out with features.leave_out"
    if proposed:
        pairs = ", ".join(f'"{old}": "{new}"' for old, new in proposed.items())
        mend = f"if they are the same, say features.rename {{{pairs}}}"
    raise Unfit(place, missing[0], f"{who} lacks {few(missing)}, which {against} has; {mend}")


def _plain(name: str) -> str:
    """A name without case, spaces and marks."""
    return _PLAIN.sub("", name.casefold())


def kind_of(table: pa.Table, name: str) -> str:
    """number, text or a tensor's type."""
    kind = table.schema.field(name).type
    if is_tensor(kind):
        return type_name(kind)
    return "text" if is_text(kind) else "number"


def _kind(name: str, test: pa.Table, players: Sequence[pa.Table]) -> str:
    """What a column is by the cells of all files together; raises where some file cannot be read so."""
    tables = (test, *players)
    held = [(table, kind_of(table, name)) for table in tables]
    kinds = {kind for table, kind in held if table.column(name).null_count < table.num_rows}
    if len(kinds) <= 1:
        return next(iter(kinds), "number")
    if kinds != {"number", "text"}:
        return _refuse_shapes(name, held)
    numbers = texts = 0
    unfit: dict[int, int] = {}
    for place, (table, kind) in enumerate(held):
        column = table.column(name)
        present = len(column) - column.null_count
        none = as_numbers(column)[1] if kind == "text" else 0
        numbers, texts = numbers + present - none, texts + none
        if none:
            unfit[place] = none
    if numbers <= texts:
        return "text"
    for place, count in unfit.items():
        who = table_name(tables[place])
        detail = (
            f"{who}: column `{name}` is one of numbers in the job's files together, and {count} of its cells are texts "
            "there; have them corrected or declared, or leave the column out with features.leave_out"
        )
        if place:
            raise Unfit(place - 1, name, detail)
        # an order may go on without files, and not without its test set: unfit is whoever made this one of numbers
        numeric = next(
            at
            for at, (table, kind) in enumerate(held[1:])
            if kind == "number" and table.column(name).null_count < table.num_rows
        )
        raise Unfit(numeric, name, detail)
    return "number"


def _refuse_shapes(name: str, held: Sequence[tuple[pa.Table, str]]) -> str:
    """Arrays of one shape beside other arrays or other values: the first player's that differs from the test set."""
    (test, there), *players = held
    for place, (table, here) in enumerate(players):
        if here != there:
            raise Unfit(
                place,
                name,
                f"column `{name}` is {here} in {table_name(table)} and {there} in {table_name(test)}; make it the same "
                "in every file",
            )
    raise AssertionError("kinds differ, and every player's is the test set's")


def common_columns(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """The tables with the columns that all of them have, each of one kind: what their rows can be compared by, whatever
    columns an order chooses. A column that is text in one file is text in all; one of arrays is as they all have it."""
    names = [name for name in tables[0].column_names if all(name in table.column_names for table in tables)]
    kinds = {name: {kind_of(table, name) for table in tables} for name in names}
    kept = [name for name in names if len(kinds[name]) == 1 or kinds[name] == {"number", "text"}]
    texts = {name for name in kept if "text" in kinds[name]}
    return [
        pa.Table.from_arrays(
            [as_texts(table.column(name)) if name in texts else table.column(name) for name in kept], names=kept
        ).replace_schema_metadata(table.schema.metadata)
        for table in tables
    ]


def _extra(player: pa.Table, known: Sequence[str], test: pa.Table) -> tuple[Finding, ...]:
    extra = [name for name in player.column_names if name not in set(known)]
    if not extra:
        return ()
    left = [name for name in extra if name in test.column_names]
    why = "the order leaves them out" if len(left) == len(extra) else f"{table_name(test)} has no such columns"
    return (Finding(code="extra_columns", severity=Severity.NOTE, detail=f"{few(extra)} left out: {why}"),)


def few(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
