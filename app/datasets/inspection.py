"""Looking at an uploaded file: is it valid, and what is in it. Pure; it holds few columns at a time, keeps nothing.

It is what runs in the enclosure (see ``enclosure``): no database, no blob store, no settings.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets import rules
from app.datasets.readers import Limits, open_columns


@dataclass(frozen=True)
class Inspection:
    """What a valid file holds. ``columns`` is [{"name", "type"}] in file order, target included."""

    format: str
    modality: str
    rows: int
    columns: list[dict[str, str]]


def inspect(
    path: Path,
    *,
    format: str | None,  # noqa: A002  the API's own word
    target: str,
    is_test: bool,
    limits: Limits,
    name: str,
) -> Inspection:
    """Check a file against every rule of its kind; raises InvalidData for the first one it breaks."""
    opened = open_columns(path, format, limits=limits, name=name)
    # a table without rows that has all the names: what the rules on names ask for
    header = pa.schema(
        [(column, pa.null()) for column in opened.names], {"cherish.name": name, "cherish.format": opened.format}
    )
    rules.check_names(header.empty_table(), target)
    rows = 0
    columns: list[dict[str, str]] = []
    for group in opened.groups:
        rules.check_values(group, target, is_test=is_test)
        rows = group.num_rows
        columns += rules.columns_of(group)
    return Inspection(opened.format, _modality(opened.format, columns), rows, columns)


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """``inspect`` in JSON's terms."""
    found = inspect(
        Path(question["path"]),
        format=question["format"],
        target=question["target"],
        is_test=question["is_test"],
        limits=Limits(**question["limits"]),
        name=question["name"],
    )
    return asdict(found)


def _modality(format: str, columns: list[dict[str, str]]) -> str:  # noqa: A002  as above
    if any(column["type"].startswith("tensor") for column in columns):
        return "image"
    return "array" if format == "npz" and columns[-1]["name"] == "y" else "tabular"
