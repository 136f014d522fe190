"""Where an amount goes: one bar on the left, and a band to each part on the right, as high as the part is large.

Names stand beside their bands and are cut by the page in their middle, as names that begin alike end differently;
beyond ``MOST`` parts the small ones are one. A table of the page has every part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from app.drawings.marks import joined, said

MOST = 14
_END = 7  # letters of a name that are not cut
_ROW, _LEAST, _LEFT, _RIGHT = 26.0, 1.5, 60.0, 300.0


@dataclass(frozen=True)
class FlowPart:
    """A part of the whole: its name, its size (0 or more), its exact numbers in words and as they are shown."""

    name: str
    size: float
    says: str
    shown: str
    kind: str = "a"


def flow(whole: str, parts: Sequence[FlowPart], rest: str) -> Markup:
    """The parts that are above nothing, the largest of each kind first; empty where there are none. ``rest`` names
    those that are drawn as one, and is formatted with their number."""
    ranked = sorted((part for part in parts if part.size > 0), key=lambda part: -part.size)
    drawn = ranked if len(ranked) <= MOST else [*ranked[: MOST - 1], _together(ranked[MOST - 1 :], rest)]
    total = sum(part.size for part in drawn)
    if not drawn:
        return Markup()
    height = _ROW * len(drawn)
    bands, left, labels = [], 0.0, []
    for at, part in enumerate(drawn):
        thick = max(height * part.size / total, _LEAST)
        middle, end = _ROW * (at + 0.5), min(thick, _ROW - 8)
        band = _band(left, left + thick, middle - end / 2, middle + end / 2)
        bands.append(said(Markup('<path d="{}" class="stream {}"/>').format(band, part.kind), part.says))
        labels.append(
            Markup(
                '<li><bdi class="of" title="{0}"><span>{1}</span><span>{2}</span></bdi>'
                '<span class="num">{3}</span></li>'
            ).format(part.name, part.name[:-_END], part.name[-_END:], part.shown)
        )
        left += thick
    return Markup(
        '<div class="flow"><p class="whole">{}</p>'
        '<svg viewBox="0 0 300 {:.0f}" height="{:.0f}" preserveAspectRatio="none">'
        '<rect x="0" y="0" width="{:.0f}" height="{:.0f}" class="mark"/>{}</svg><ul class="plain">{}</ul></div>'
    ).format(whole, max(height, left), max(height, left), _LEFT / 6, left, joined(bands), joined(labels))


def _together(parts: Sequence[FlowPart], rest: str) -> FlowPart:
    name, size = rest.format(len(parts)), sum(part.size for part in parts)
    return FlowPart(
        name, size, Markup("; ").join(part.says for part in parts[:5]) + ("; …" if len(parts) > 5 else ""), "", "c"
    )


def _band(top: float, bottom: float, other_top: float, other_bottom: float) -> str:
    left, middle = _LEFT / 6, (_LEFT + _RIGHT) / 2
    there = f"C{middle:.1f},{top:.1f} {middle:.1f},{other_top:.1f} {_RIGHT:.1f},{other_top:.1f}"
    back = f"C{middle:.1f},{other_bottom:.1f} {middle:.1f},{bottom:.1f} {left:.1f},{bottom:.1f}"
    return f"M{left:.1f},{top:.1f} {there} L{_RIGHT:.1f},{other_bottom:.1f} {back} Z"
