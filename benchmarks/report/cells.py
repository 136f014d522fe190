"""Cells as tables: measurements by key, figures over seeds, Markdown. Knows no benchmark."""

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import store
from benchmarks.markets import RECIPES
from benchmarks.measures import Spread, spread

SHORT = {"accuracy": "acc", "clipped_log_loss": "cll"}

Cells = dict[str, dict[str, Any]]


def data(benchmark: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The measurements of a benchmark by the parts of their keys."""
    return {tuple(key.split("/")): cell["data"] for key, cell in store.cells(benchmark).items()}


def grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def games(found: Iterable[tuple[str, ...]]) -> list[str]:
    present = {key[0] for key in found}
    return [name for name in RECIPES if name in present]


def over_seeds(found: dict[tuple[str, ...], dict[str, Any]], pick: Callable[[dict[str, Any]], float]) -> Spread:
    return spread([pick(cell) for cell in found.values()])


def number(value: float | None) -> float:
    return float("nan") if value is None else value


def judged(figure: str, reached: bool) -> str:
    """The figure, in bold where it misses its bar."""
    return figure if reached else f"**{figure}**"
