"""Charts of a job and of a provider's record, drawn as SVG on the server. Pure: numbers in, markup out; no colours.

The stylesheet gives them the colours of the theme, and they are as wide as their page. Each mark carries its exact
numbers in words, and each chart has its numbers in a table or sentence of the page too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from pydantic import TypeAdapter

from app.admin.throughput import Hour
from app.drawings.bars import Bar, bars
from app.drawings.planes import Plane, Point, Series
from app.valuations.explorations.schemas import BestSetAnswer
from app.valuations.job_schemas import MyValuation, QuotedBudget
from app.valuations.results import wording
from app.valuations.results.attribution_schemas import AttributionAnswer
from app.valuations.results.evidence import Pair
from app.valuations.results.schemas import (
    ForecastAnswer,
    PrecisionAnswer,
    RemovalAnswer,
    RemovalPointAnswer,
    Values,
)
from app.web import localisation
from app.web.composed import composed
from app.web.localisation import gettext as _
from contract.orders.job import ShareSoFar


@dataclass(frozen=True)
class _Step:
    """A round, as far as it is drawn; ``widest`` is None where nothing uncertain was counted."""

    round: int
    evaluations: dict[str, int]
    widest: float | None


_TRACE = TypeAdapter(list[_Step])


def _number(value: float, digits: int = 4) -> str:
    return localisation.number(value, digits)


def _percent(part: float, digits: int = 2) -> str:
    return f"{localisation.number(100 * part, digits)} %"


def shares(values: Values) -> Markup:
    """A bar for each player's share with its 95 % interval, the largest first."""
    names = wording.names(values.players)
    rows = []
    for player in wording.ranked(values.players):
        if player.share is None:
            continue
        name, shown = names[player.position], _percent(player.share)
        band = player.share_ci
        ends = () if band is None else (_percent(band[0]), _percent(band[1]))
        says = _("{a}: {b}, between {c} and {d}", a=name, b=shown, c=ends[0], d=ends[1]) if ends else f"{name}: {shown}"
        rows.append(Bar(name, player.share, band, says, shown))
    return bars(rows)


def attributed(found: AttributionAnswer) -> Markup:
    """A bar for each provider's share of what was asked, the largest first."""
    if found.together is None:
        return bars([])
    told = zip(found.providers, found.together.shares, strict=True)
    ranked = sorted(told, key=lambda each: (-each[1], each[0].position))
    return bars(
        [Bar(who.provider, share, None, f"{who.provider}: {_percent(share)}", _percent(share)) for who, share in ranked]
    )


def shares_so_far(shares: Sequence[ShareSoFar]) -> Markup:
    """A bar for each share of a job that runs, with its interval, by rank: whose it is, nobody is told yet."""
    rows = []
    for rank, each in enumerate(shares, 1):
        shown, low, high = _percent(each.share, 1), _percent(each.low, 1), _percent(each.high, 1)
        rows.append(Bar(f"{rank}.", each.share, (each.low, each.high), f"{rank}.: {shown}, {low} … {high}", shown))
    return bars(rows)


def budgets(quoted: Sequence[QuotedBudget]) -> Markup | None:
    """The widest interval that is expected by device time; None for a single budget, or where nothing is expected."""
    points = [
        Point(
            each.device_seconds,
            each.widest,
            _("{a} retrainings: about {b} points", a=each.max_retrains, b=_number(each.widest, 1)),
        )
        for each in quoted
        if each.widest is not None
    ]
    if len(points) < 2:
        return None
    return Plane(_("device seconds"), _("widest interval, points"), [Series("", points)], zero=True, height=200).draw()


def throughput(hours: Sequence[Hour]) -> Markup | None:
    """Jobs under way at the end of each hour, and those that ended in it; None where there was none of either."""
    if not any(each.under_way or each.succeeded or each.otherwise for each in hours):
        return None
    back = [at - len(hours) + 1 for at in range(len(hours))]
    under_way = [
        Point(at, each.under_way, _("{a} hours ago: {b} under way", a=-at, b=each.under_way))
        for at, each in zip(back, hours, strict=True)
    ]
    ended = [
        Point(
            at,
            each.succeeded + each.otherwise,
            _(
                "{a} hours ago: {b} succeeded in the hour, {c} ended otherwise",
                a=-at,
                b=each.succeeded,
                c=each.otherwise,
            ),
        )
        for at, each in zip(back, hours, strict=True)
    ]
    drawn = [
        Series(_("under way"), under_way, "a", dots=False),
        Series(_("ended in the hour"), ended, "b", dots=False),
    ]
    return Plane(_("hours from now"), _("jobs"), drawn, zero=True).draw()


def audit(pairs: Sequence[Pair]) -> Markup:
    """Each coalition that was both unlearned and trained anew: on the line, unlearning was right."""
    points = [
        Point(
            pair.unlearned,
            pair.retrained,
            _(
                "{a} players kept: {b} unlearned, {c} trained anew",
                a=pair.size,
                b=_number(pair.unlearned),
                c=_number(pair.retrained),
            ),
        )
        for pair in pairs
    ]
    titles = (_("worth by unlearning"), _("worth by training anew"))
    return Plane(*titles, [Series("", points, joined=False)], diagonal=True, height=320).draw()


def convergence(
    trace: Sequence[dict[str, Any]], target: float | None, precision: PrecisionAnswer | None = None, retrained: int = 0
) -> Markup | None:
    """The widest share interval after each round, and the width that was asked for; None where none was known.

    Where more retrainings are expected to narrow it, the axis counts them, and what a job of ``retrained`` reached with
    everything that is uncertain goes on to what is expected.
    """
    ahead = [] if precision is None else [each for each in precision.forecasts if each.budget == "max_retrains"]
    if precision is not None and precision.reached is not None and ahead and retrained:
        return _forecast(trace, target, precision.reached, retrained, ahead)
    known = [step for step in _TRACE.validate_python(trace) if step.widest is not None]
    if not known:
        return None
    points = [Point(step.round, step.widest or 0.0, _round(step)) for step in known]
    return Plane(_("round"), _("widest interval, points"), [Series("", points)], zero=True, level=target).draw()


def _round(step: _Step) -> str:
    return _(
        "round {a}: {b} points, {c} trained anew so far",
        a=step.round,
        b=_number(step.widest or 0.0, 2),
        c=step.evaluations.get("retrain", 0),
    )


def _forecast(
    trace: Sequence[dict[str, Any]],
    target: float | None,
    reached: float,
    retrained: int,
    ahead: Sequence[ForecastAnswer],
) -> Markup:
    steps = [step for step in _TRACE.validate_python(trace) if step.widest is not None]
    computed = [Point(step.evaluations.get("retrain", 0), step.widest or 0.0, _round(step)) for step in steps]
    so_far = _("{a} points reached with {b}, test rows included", a=_number(reached, 2), b=retrained)
    expected = [Point(retrained, reached, so_far)]
    expected += [
        Point(
            each.most,
            each.widest,
            _("about {a} points expected with {b}", a=_number(each.widest, 2), b=each.most),
        )
        for each in ahead
    ]
    drawn = [
        Series(_("by computing alone"), computed, "a"),
        Series(_("with everything, and expected"), expected, "b", dots=False),
    ]
    shown = [series for series in drawn if series.points]
    return Plane(_("trained anew"), _("widest interval, points"), shown, zero=True, level=target).draw()


def removal(curves: RemovalAnswer) -> Markup:
    """The test score as players are taken away, from the highest value and from the lowest; rings: trained anew."""
    orders = (
        (_("highest value first"), "a", curves.highest_first),
        (_("lowest value first"), "b", curves.lowest_first),
    )
    lines = [Series(name, _removed(name, points, curves.source), kind, dots=False) for name, kind, points in orders]
    rings = [
        Series("", _removed(name, points, _("trained anew"), retrained=True), f"{kind} ring", joined=False)
        for name, kind, points in orders
    ]
    drawn = [*lines, *(series for series in rings if series.points)]
    return Plane(_("players taken away"), _("test score"), drawn).draw()


def _removed(
    order: str, points: Sequence[RemovalPointAnswer], source: str | None, *, retrained: bool = False
) -> list[Point]:
    shown = [(point.removed, point.retrained if retrained else point.worth) for point in points]
    return [
        Point(gone, score, _("{a} gone, {b}: {c} ({d})", a=gone, b=order, c=_number(score), d=source))
        for gone, score in shown
        if score is not None
    ]


def best_sets(sets: Sequence[BestSetAnswer]) -> Markup:
    """What the best few datasets reach of the gain, by how many they are."""
    points = [
        Point(
            each.size,
            100 * each.part,
            composed(each.sentence),
            None if each.low is None or each.high is None else (100 * each.low, 100 * each.high),
        )
        for each in sets
    ]
    return Plane(_("datasets"), _("of the gain, %"), [Series("", points)], zero=True, level=100.0).draw()


def cost(values: Values, say: Callable[[float], str]) -> Markup | None:
    """Device time of this job beside the estimate for retraining every coalition; None where it is not known."""
    whole = wording.whole_cost(values)
    if whole is None:
        return None
    pairs = ((_("this job"), values.seconds), (_("exact retraining"), whole))
    return bars([Bar(name, seconds, None, f"{name}: {say(seconds)}", say(seconds)) for name, seconds in pairs])


def own_shares(jobs: Sequence[MyValuation]) -> Markup | None:
    """A provider's own share in each ended job, with its interval, by the moment it ended."""
    shown = [
        _Moment(
            job, 100 * part.share, None if part.share_ci is None else (100 * part.share_ci[0], 100 * part.share_ci[1])
        )
        for job in jobs
        for part in job.players
        if job.finished_at is not None and part.share is not None
    ]
    return _course(shown, _("your share, %"), 2)


def own_values(jobs: Sequence[MyValuation]) -> Markup | None:
    """A provider's own value in each ended job, with its interval; jobs of another metric in another colour."""
    shown = [
        _Moment(job, part.value, part.value_ci)
        for job in jobs
        for part in job.players
        if job.finished_at is not None and part.value is not None
    ]
    return _course(shown, _("your value"), 4)


@dataclass(frozen=True)
class _Moment:
    """What a provider's data was worth in one job that has ended, with its interval."""

    job: MyValuation
    value: float
    interval: tuple[float, float] | None


def _course(moments: Sequence[_Moment], title: str, digits: int) -> Markup | None:
    """Points with intervals, job after job; None below two: one point is no course, and the table has it."""
    if len(moments) < 2:
        return None
    ordered = sorted(moments, key=lambda moment: moment.job.finished_at.timestamp() if moment.job.finished_at else 0.0)
    metrics = sorted({moment.job.metric for moment in ordered})
    series = [
        Series(
            metric.replace("_", " ") if len(metrics) > 1 else "",
            [_point(at, each, digits) for at, each in enumerate(ordered) if each.job.metric == metric],
            "abc"[number % 3],
            joined=False,
        )
        for number, metric in enumerate(metrics)
    ]
    shown = {0, len(ordered) // 2, len(ordered) - 1}
    names = [(float(at), localisation.day(each.job.finished_at)) for at, each in enumerate(ordered) if at in shown]
    return Plane(_("jobs, the oldest first"), title, series, names=names, height=230).draw()


def _point(at: int, moment: _Moment, digits: int) -> Point:
    ended, metric = moment.job.finished_at, moment.job.metric.replace("_", " ")
    says = f"{localisation.day(ended)}, {metric}: {_number(moment.value, digits)}"
    if moment.interval is not None:
        low, high = (_number(end, digits) for end in moment.interval)
        says = _("{a}, between {b} and {c}", a=says, b=low, c=high)
    return Point(at, moment.value, says, moment.interval)
