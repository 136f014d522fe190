"""Bars with intervals, one a row: who, how much, and from where to where it may be.

Rows are HTML, so that names of any length and script are cut or wrapped by the page and not by a guess about letters;
the bar itself is SVG. Two rows or two hundred look alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from app.drawings.marks import AxisScale, joined, line


@dataclass(frozen=True)
class Bar:
    """One row: its name, the value drawn (None: nothing is), its interval if there is one, and its exact numbers."""

    name: str
    value: float | None
    interval: tuple[float, float] | None
    says: str
    shown: str


def bars(rows: Sequence[Bar]) -> Markup:
    """The rows from top to bottom on one scale that holds zero, every value and every interval."""
    ends = [0.0, *(end for row in rows for end in (row.interval or ())), *(row.value or 0.0 for row in rows)]
    scale = AxisScale(min(ends), max(ends), 0.5, 99.5)
    kind = "bars many" if len(rows) > 40 else "bars"
    return Markup('<table class="{}">{}</table>').format(kind, joined(_row(row, scale) for row in rows))


def _row(row: Bar, scale: AxisScale) -> Markup:
    return Markup(
        '<tr data-say="{0}" title="{0}"><td class="of"><bdi>{1}</bdi></td><td class="bar">'
        '<svg width="100%" height="16">{2}</svg></td><td class="num">{3}</td></tr>'
    ).format(row.says, row.name, _drawn(row, scale), row.shown)


def _drawn(row: Bar, scale: AxisScale) -> Markup:
    zero = scale.at(0.0)
    marks = [line((zero, zero), (0, 100), "axis")]
    if row.value is not None:
        left, right = sorted((zero, scale.at(row.value)))
        below = " below" if row.value < 0 else ""
        marks.append(
            Markup('<rect x="{:.2f}%" y="3" width="{:.2f}%" height="10" class="mark{}"/>').format(
                left, max(right - left, 0.2), below
            )
        )
    if row.interval is not None:
        low, high = (scale.at(end) for end in row.interval)
        marks.append(line((low, high), (50, 50), "whisker"))
        marks += [line((end, end), (20, 80), "whisker") for end in (low, high)]
    return joined(marks)
