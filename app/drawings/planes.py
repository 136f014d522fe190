"""Points and courses in a plane with two axes: one against another, and one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from app.drawings.marks import AxisScale, course, joined, line, said, ticks, words, written

_LEFT, _RIGHT, _TOP, _BOTTOM = 11.0, 98.0, 4.0, 80.0


@dataclass(frozen=True)
class Point:
    """A place in the axes' numbers, its exact numbers in words, and perhaps an interval of its height."""

    x: float
    y: float
    says: str
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """Points of one kind: ``kind`` is a class of the stylesheet, ``joined`` draws the line through them."""

    name: str
    points: Sequence[Point]
    kind: str = "a"
    joined: bool = True
    dots: bool = True


@dataclass(frozen=True)
class Plane:
    """A drawing with axes. ``level`` is a height to be reached, ``diagonal`` where both axes are equal, and
    ``names`` (number, words) stand below the horizontal axis in place of numbers."""

    x_title: str
    y_title: str
    series: Sequence[Series]
    zero: bool = False
    level: float | None = None
    diagonal: bool = False
    height: int = 260
    names: Sequence[tuple[float, str]] = field(default_factory=tuple)

    def draw(self) -> Markup:
        """The SVG; a legend in words stands below it where there are several series."""
        points = [point for series in self.series for point in series.points]
        across = [point.x for point in points]
        up = [*(point.y for point in points), *(end for point in points for end in point.interval or ())]
        up += [0.0] if self.zero else []
        up += [self.level] if self.level is not None else []
        if self.diagonal:
            across = up = [*across, *up]
        x_ticks = [number for number, _ in self.names] or _whole(ticks(min(across), max(across)), across)
        y_ticks = ticks(min(up), max(up))
        x = AxisScale(min([*x_ticks, *across]), max([*x_ticks, *across]), _LEFT + 1, _RIGHT - 1)
        y = AxisScale(y_ticks[0], y_ticks[-1], _BOTTOM, _TOP)
        marks = [self._grid(x, y, x_ticks, y_ticks), *(_series(series, x, y) for series in self.series)]
        return Markup('<svg width="100%" height="{}">{}</svg>{}').format(self.height, joined(marks), self._legend())

    def _grid(self, x: AxisScale, y: AxisScale, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Markup:
        marks = [line((_LEFT, _RIGHT), (y.at(tick), y.at(tick)), "grid") for tick in y_ticks]
        marks += [words(_LEFT - 1, y.at(tick), written(tick), "end", 4) for tick in y_ticks]
        named = dict(self.names)
        marks += [words(x.at(tick), _BOTTOM, named.get(tick, written(tick)), "middle", 16) for tick in x_ticks]
        marks.append(words((_LEFT + _RIGHT) / 2, 100, self.x_title, "middle", -6))
        marks.append(line((_LEFT, _RIGHT), (_BOTTOM, _BOTTOM), "axis"))
        if self.level is not None:
            marks.append(line((_LEFT, _RIGHT), (y.at(self.level), y.at(self.level)), "reference"))
        if self.diagonal:
            low, high = max(x.low, y.low), min(x.high, y.high)
            marks.append(line((x.at(low), x.at(high)), (y.at(low), y.at(high)), "reference"))
        return joined(marks)

    def _legend(self) -> Markup:
        keys = [(series.kind, series.name) for series in self.series if series.name]
        up = Markup('<p class="legend"><span>{} ↑</span>{}</p>')
        return up.format(
            self.y_title, joined(Markup('<span class="key {}">{}</span>').format(kind, name) for kind, name in keys)
        )


def _whole(marks: Sequence[float], across: Sequence[float]) -> list[float]:
    """Ticks of an axis that counts: whole numbers only, where all its points are whole."""
    if all(value == int(value) for value in across):
        return [tick for tick in marks if tick == int(tick) and min(across) <= tick <= max(across)] or list(across[:1])
    return list(marks)


def _series(series: Series, x: AxisScale, y: AxisScale) -> Markup:
    places = [(x.at(point.x), y.at(point.y)) for point in series.points]
    marks = [course(places, f"course {series.kind}")] if series.joined else []
    for point, (left, top) in zip(series.points, places, strict=True):
        drawn = []
        if point.interval is not None:
            drawn.append(line((left, left), (y.at(point.interval[0]), y.at(point.interval[1])), "whisker"))
        size = "5" if series.dots else "2"
        dot = Markup('<circle cx="{:.2f}%" cy="{:.2f}%" r="{}" class="dot {}"/>')
        marks.append(said(joined([*drawn, dot.format(left, top, size, series.kind)]), point.says))
    return joined(marks)
