"""What a notebook shows of an answer: a table of its rows, and where they have shares a small bar chart with intervals.

Text is escaped: names in it are other people's.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

MOST_ROWS = 50
MOST_COLUMNS = 10
_BAR, _STEP, _LEFT, _WIDE = 12, 18, 150, 240


def shown(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A heading, a chart where there is one, and the first rows as a table."""
    drawn = shares_chart(rows)
    return f"<div><strong>{escape(title)}</strong>{drawn}{_table(rows)}</div>"


def shares_chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """An SVG of each row's share with its 95 % interval; nothing where rows have no shares."""
    drawn = [row for row in rows if isinstance(row.get("share"), int | float)][:MOST_ROWS]
    if not drawn:
        return ""
    most = max([*(max(float(row["share"]), _ends(row)[1]) for row in drawn), 1e-9])

    def x(value: float) -> float:
        return _LEFT + _WIDE * min(max(value, 0.0), most) / most

    marks = []
    for at, row in enumerate(drawn):
        top, share, (low, high) = at * _STEP + 3, float(row["share"]), _ends(row)
        middle = top + _BAR / 2
        name = escape(str(row.get("provider") or row.get("name") or row.get("position") or at))
        marks.append(f'<text x="{_LEFT - 6}" y="{middle + 4}" text-anchor="end" font-size="11">{name[:24]}</text>')
        marks.append(f'<rect x="{_LEFT}" y="{top}" width="{x(share) - _LEFT:.1f}" height="{_BAR}" fill="#3b7a57"/>')
        marks.append(f'<path d="M{x(low):.1f} {middle}H{x(high):.1f}" stroke="#222" stroke-width="1.5"/>')
        marks.append(f'<text x="{_LEFT + _WIDE + 8}" y="{middle + 4}" font-size="11">{share:.1%}</text>')
    height = len(drawn) * _STEP + 6
    label = "Shares with 95 % intervals"
    size = f'width="{_LEFT + _WIDE + 60}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" {size}>{"".join(marks)}</svg>'


def _ends(row: Mapping[str, Any]) -> tuple[float, float]:
    interval = row.get("share_ci")
    return (float(interval[0]), float(interval[1])) if interval else (float(row["share"]), float(row["share"]))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows[:MOST_ROWS] for name in row))[:MOST_COLUMNS]
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(name))}</td>" for name in columns) + "</tr>" for row in rows[:MOST_ROWS]
    )
    more = f"<p>{len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= 80 else text[:79] + "…")
