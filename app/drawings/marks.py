"""What all drawings are made of: scales, ticks and marks whose places are percentages of the drawing.

A drawing has no fixed width: marks are placed in percent and letters keep their size, so one drawing is readable on a
phone, on a screen and on paper. Each mark that stands for a number carries ``data-say``: the exact numbers in words,
which a script shows under the pointer and for the arrow keys, and a ``<title>`` for browsers without it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class AxisScale:
    """From ``low`` .. ``high`` to percentages ``start`` .. ``end`` of the drawing; a flat range is widened."""

    low: float
    high: float
    start: float = 0.0
    end: float = 100.0

    def at(self, value: float) -> float:
        """The percentage of ``value``, held inside the drawing."""
        span = (self.high - self.low) or 1.0
        part = min(max((value - self.low) / span, 0.0), 1.0)
        return self.start + (self.end - self.start) * part


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most ``most`` + 1 round numbers from ``low`` or below to ``high`` or above, rising."""
    span = (high - low) or abs(high) or 1.0
    rough = span / most
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(step * magnitude for step in _STEPS if step * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def written(value: float) -> str:
    """A tick's number, short, with a real minus sign."""
    return f"{value:.6g}".replace("-", "−")


def joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def line(x: tuple[float, float], y: tuple[float, float], kind: str) -> Markup:
    """A straight line between two places in percent."""
    return Markup('<line x1="{:.2f}%" y1="{:.2f}%" x2="{:.2f}%" y2="{:.2f}%" class="{}"/>').format(
        x[0], y[0], x[1], y[1], kind
    )


def words(x: float, y: float, text: str, anchor: str = "middle", down: float = 0.0) -> Markup:
    """Letters at a place in percent, ``down`` pixels lower."""
    return Markup('<text x="{:.2f}%" y="{:.2f}%" dy="{:g}" text-anchor="{}" class="label">{}</text>').format(
        x, y, down, anchor, text
    )


def said(mark: Markup, says: str) -> Markup:
    """A mark that stands for a number: ``says`` are its exact numbers in words."""
    return Markup('<g data-say="{0}"><title>{0}</title>{1}</g>').format(says, mark)


def course(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """The line through places in percent."""
    return joined(line((a[0], b[0]), (a[1], b[1]), kind) for a, b in pairwise(points))
