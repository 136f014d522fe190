"""Charts of a job and of a provider's record, as Vega-Lite specifications. Pure: numbers in, JSON out; no colours.

The script in the page gives them width and the colours of the theme. Each chart has its numbers in a table of the page
too, so that nobody needs to see the drawing.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from app.valuations.results.evidence import Pair
from app.valuations.results.schemas import RemovalAnswer, Values
from app.valuations.schemas import MyValuation

Spec = dict[str, Any]


@dataclass(frozen=True)
class _Step:
    """A round, as far as it is drawn; ``widest`` is None where nothing uncertain was counted."""

    round: int
    evaluations: dict[str, int]
    widest: float | None


_TRACE = TypeAdapter(list[_Step])
_POINTS = 100
_ROW = 30
# more bars than these say less: of more players the first and the last are drawn
MOST_BARS = 30
_FIRST, _LAST = 20, 5
_KNOWN: Spec = {"filter": "isValid(datum.low)"}


def shares(values: Values) -> Spec:
    """A bar for each player's share, in points, with its 95 % interval."""
    ranked = sorted(values.players, key=lambda player: -player.value)
    if len(ranked) > MOST_BARS:
        ranked = [*ranked[:_FIRST], *ranked[-_LAST:]]
    rows = [
        {
            "who": player.provider,
            # names may be equal where each dataset is a player
            "position": player.position,
            "share": _POINTS * player.share,
            # a share without an interval has a bar and no whisker
            "low": _POINTS * player.share_ci[0] if player.share_ci else None,
            "high": _POINTS * player.share_ci[1] if player.share_ci else None,
        }
        for player in ranked
        if player.share is not None
    ]
    names = {str(player.position): player.provider for player in ranked}
    y: Spec = {"field": "position", "type": "nominal", "sort": None, "title": None}
    y |= {"axis": {"labelExpr": f"{json.dumps(names)}[datum.label]"}}
    x = {"field": "share", "type": "quantitative", "title": "share of the pool, %"}
    tip = [
        {"field": "who", "title": "provider"},
        {"field": "share", "format": ".2f", "title": "share, %"},
        {"field": "low", "format": ".2f"},
        {"field": "high", "format": ".2f"},
    ]
    return {
        "data": {"values": rows},
        "height": max(2, len(rows)) * _ROW,
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.62}, "cornerRadiusEnd": 3},
                "encoding": {"x": x, "tooltip": tip},
            },
            {
                "transform": [_KNOWN],
                "mark": {"type": "rule", "strokeWidth": 2, "style": "interval"},
                "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
            },
            *(
                {
                    "transform": [_KNOWN],
                    "mark": {"type": "tick", "thickness": 2, "size": 11, "style": "interval"},
                    "encoding": {"x": {"field": end, "type": "quantitative"}},
                }
                for end in ("low", "high")
            ),
        ],
    }


def audit(pairs: Sequence[Pair]) -> Spec:
    """Each coalition that was both unlearned and trained anew: on the line, unlearning was right."""
    rows = [{"unlearned": pair.unlearned, "retrained": pair.retrained, "size": pair.size} for pair in pairs]
    ends = [min(min(p.unlearned, p.retrained) for p in pairs), max(max(p.unlearned, p.retrained) for p in pairs)]
    scale = {"zero": False, "nice": True}
    return {
        "height": 300,
        "layer": [
            {
                "data": {"values": [{"a": end, "b": end} for end in ends]},
                "mark": {"type": "line", "style": "reference", "strokeDash": [5, 4]},
                "encoding": {
                    "x": {"field": "a", "type": "quantitative"},
                    "y": {"field": "b", "type": "quantitative"},
                },
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "opacity": 0.8, "size": 55},
                "encoding": {
                    "x": {"field": "unlearned", "type": "quantitative", "scale": scale, "title": "worth by unlearning"},
                    "y": {
                        "field": "retrained",
                        "type": "quantitative",
                        "scale": scale,
                        "title": "worth by training anew",
                    },
                    "tooltip": [
                        {"field": "size", "title": "players kept"},
                        {"field": "unlearned", "format": ".4f"},
                        {"field": "retrained", "format": ".4f"},
                    ],
                },
            },
        ],
    }


def convergence(trace: Sequence[dict[str, Any]], target: float | None) -> Spec:
    """The widest share interval after each round, and the width that was asked for."""
    rows = [
        {"retrained": step.evaluations.get("retrain", 0), "widest": step.widest, "round": step.round}
        for step in _TRACE.validate_python(trace)
    ]
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "point": {"filled": True, "size": 60}, "strokeWidth": 2},
            "encoding": {
                "x": {"field": "round", "type": "ordinal", "title": "round", "axis": {"labelAngle": 0}},
                "y": {
                    "field": "widest",
                    "type": "quantitative",
                    "title": "widest interval, points",
                    "scale": {"zero": True},
                },
                "tooltip": [
                    {"field": "round"},
                    {"field": "widest", "format": ".2f", "title": "points"},
                    {"field": "retrained", "title": "retrained so far"},
                ],
            },
        }
    ]
    if target is not None:
        layers.append(
            {
                "data": {"values": [{"target": target}]},
                "mark": {"type": "rule", "style": "reference", "strokeDash": [5, 4]},
                "encoding": {"y": {"field": "target", "type": "quantitative"}},
            }
        )
    return {"height": 220, "layer": layers}


def removal(curves: RemovalAnswer) -> Spec:
    """The test score as players are taken away, from the highest value and from the lowest; dots: trained anew."""
    rows = [
        {"removed": point.removed, "worth": point.worth, "retrained": point.retrained, "order": order}
        for order, points in (
            ("highest value first", curves.highest_first),
            ("lowest value first", curves.lowest_first),
        )
        for point in points
    ]
    x = {"field": "removed", "type": "quantitative", "title": "players taken away", "axis": {"tickMinStep": 1}}
    scale = {"zero": False, "nice": True}
    tip = [
        {"field": "order", "title": "taken"},
        {"field": "removed", "title": "taken away"},
        {"field": "worth", "format": ".4f", "title": curves.source},
        {"field": "retrained", "format": ".4f", "title": "trained anew"},
    ]
    order = {"field": "order", "type": "nominal", "title": None}
    return {
        "data": {"values": rows},
        "height": 240,
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {
                    "y": {"field": "worth", "type": "quantitative", "scale": scale, "title": "test score"},
                    "color": order | {"legend": {"orient": "bottom", "direction": "vertical"}},
                    "strokeDash": order | {"legend": None},
                    "tooltip": tip,
                },
            },
            {
                "transform": [{"filter": "isValid(datum.retrained)"}],
                "mark": {"type": "point", "filled": False, "size": 60, "strokeWidth": 2},
                "encoding": {"y": {"field": "retrained", "type": "quantitative"}, "color": order, "tooltip": tip},
            },
        ],
    }


def cost(values: Values) -> Spec | None:
    """Device seconds of this job beside the estimate for retraining every coalition; None where it is not known."""
    if values.retrain_seconds_estimate is None:
        return None
    rows = [
        {"what": "this job", "seconds": values.seconds},
        {"what": "exact retraining", "seconds": values.retrain_seconds_estimate},
    ]
    return {
        "data": {"values": rows},
        "height": 80,
        "mark": {"type": "bar", "height": {"band": 0.6}, "cornerRadiusEnd": 3},
        "encoding": {
            "y": {"field": "what", "type": "nominal", "title": None, "sort": None},
            "x": {"field": "seconds", "type": "quantitative", "title": "device seconds"},
            "tooltip": [{"field": "what"}, {"field": "seconds", "format": ".1f"}],
        },
    }


def own_shares(jobs: Sequence[MyValuation]) -> Spec | None:
    """A provider's own share in each ended job, with its interval, by the moment it ended."""
    rows = [
        _moment(job, _POINTS * part.share, [_POINTS * end for end in part.share_ci or ()])
        for job in jobs
        for part in job.players
        if job.finished_at is not None and part.share is not None
    ]
    return _course(rows, "your share, %", ".2f")


def own_values(jobs: Sequence[MyValuation]) -> Spec | None:
    """A provider's own value in each ended job, with its interval; jobs of another metric in another colour."""
    rows = [
        _moment(job, part.value, part.value_ci or ())
        for job in jobs
        for part in job.players
        if job.finished_at is not None and part.value is not None
    ]
    return _course(rows, "your value", ".4f")


@dataclass(frozen=True)
class _Point:
    """What a provider's data was worth in one job that has ended, with the ends of its interval."""

    ended: str
    metric: str
    found: float
    low: float | None
    high: float | None


def _moment(job: MyValuation, value: float, ends: Sequence[float]) -> _Point:
    ended = job.finished_at.isoformat() if job.finished_at else ""
    low, high = ends or (None, None)
    return _Point(ended, job.metric.replace("_", " "), value, low, high)


def _course(points: list[_Point], title: str, digits: str) -> Spec | None:
    """Points with intervals over time; None below two: one point is no course, and the table has it."""
    if len(points) < 2:
        return None
    several = len({point.metric for point in points}) > 1
    colour = {"color": {"field": "metric", "type": "nominal", "title": None, "legend": {"orient": "bottom"}}}
    tip = [{"field": "metric"}, *({"field": name, "format": digits} for name in ("found", "low", "high"))]
    y = {"type": "quantitative", "title": title}
    axis = {"labelAngle": 0, "labelOverlap": True}
    return {
        "data": {"values": [asdict(point) for point in points]},
        "height": 200,
        "encoding": {"x": {"field": "ended", "type": "temporal", "title": None, "axis": axis}},
        "layer": [
            {
                "transform": [_KNOWN],
                "mark": {"type": "rule", "style": "interval", "strokeWidth": 2},
                "encoding": {"y": {"field": "low"} | y, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {"y": {"field": "found"} | y, "tooltip": tip} | (colour if several else {}),
            },
        ],
    }
