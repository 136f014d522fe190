"""Tables on a terminal of any width: numbers stay whole, and names that are alike to begin with are told apart."""

import re
from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

# of a long name so much stands in one line at least; the rest goes on below it
_NAME_CELLS = 12
_GAP = 2
# a number keeps its unit
_SPACES = re.compile(r" (?!%)")


def print_table(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], *, names: Collection[str] = ("provider",)
) -> None:
    """Print a table of cells. Columns in ``names`` hold what people call things, which is written out whole, over
    several lines if need be; the others hold numbers and words, which break between words alone. What needs more than
    the console's width goes on past it."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    widths = _widths(console.width, headings, rows, names)
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, justify="left" if heading in names else "right", overflow="fold", width=width)
    for row in rows:
        table.add_row(*row)
    # what a console cannot hold it would cut
    if _whole(widths) > console.width:
        console = Console(file=console.file, width=_whole(widths))
    console.print(table)


def _widths(room: int, headings: Sequence[str], rows: Sequence[Sequence[str]], names: Collection[str]) -> list[int]:
    """As wide as its cells for each column; where that is too much, the widest are narrowed, but never a word broken
    that is no name."""
    widths, least = [], []
    for at, heading in enumerate(headings):
        cells = [heading, *(row[at] for row in rows)]
        widths.append(max(map(cell_len, cells)))
        word = max(cell_len(word) for cell in cells for word in _SPACES.split(cell))
        least.append(min(widths[-1], _NAME_CELLS) if heading in names else word)
    while _whole(widths) > room:
        width, at = max((width if width > least[at] else 0, at) for at, width in enumerate(widths))
        if not width:
            break
        widths[at] -= 1
    return widths


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
