"""What a quote says of how worths will be measured: the baseline, on which rows, and how wide intervals will be at
best. Pure."""

import math
from collections.abc import Mapping

from app.valuations.schemas import NewValuation
from contract.metrics import Predicts, metric_of
from contract.orders.estimators import PRECISION
from contract.orders.game import FrozenGame
from contract.results.baseline import SPLIT_PART, chosen_apart

BETTER_WITH_RARE_CLASSES = ("balanced_accuracy", "average_precision", "roc_auc")
# from this part of the test rows on, one class is so frequent that answering it always scores high
LOPSIDED = 0.9
# so few groups leave the spread between groups itself uncertain
FEW_GROUPS = 20
# points of the widest interval times the root of the rows that measure: low, middle and high over measured games
WIDTH_FACTORS = (90.0, 200.0, 400.0)


def measurement(game: FrozenGame, test_rows: int, labels: Mapping[str, float], groups: int | None = None) -> list[str]:
    """For the buyer, before anything is paid. ``labels`` are the parts of the test rows that each class has, ``groups``
    in how many groups the rows were drawn (None: each by itself)."""
    width = _width(game, test_rows) if groups is None else _width_of_groups(game, test_rows, groups)
    return [_baseline(game, test_rows), width, *_suits(game, labels)]


def rule(order: NewValuation, game: FrozenGame, test_rows: int, effort: str, groups: int | None = None) -> str:
    """What ends the job, and how far it may go: ``effort`` says what that takes at most."""
    rows = measuring_rows(test_rows, game)
    _, low, _ = expected_width(rows if groups is None else _measuring_groups(groups, test_rows, rows))
    if order.ruled_by == PRECISION:
        words = (
            f"Precision rules this order: it goes on until the widest share interval, test rows included, is at most "
            f"{order.share_ci:g} points, through at most {effort}. Where the test rows alone make it wider than that, "
            "it ends once computing adds little."
        )
    else:
        words = (
            f"A budget rules this order: at most {effort}. Where the widest share interval is wider than "
            f"{order.share_ci:g} points then, the job says so; with ruled_by precision it would go on."
        )
    if low > order.share_ci:
        more = "more of them help" if groups is None else "more groups help"
        words += f" Your test rows alone are likely to make it wider than {order.share_ci:g} points: {more}."
    return words


def _suits(game: FrozenGame, labels: Mapping[str, float]) -> list[str]:
    metric = metric_of(game.metric)
    if metric.one_unit_decides:
        return [
            f"Metric {metric.name} lets a single test row with a wild target weigh as much as all others together; "
            f"{metric.steadier} counts no error as more than three spreads of your test rows' targets."
        ]
    most = max(labels.values(), default=0.0)
    if most < LOPSIDED or game.class_weights == "balanced" or not metric_of(game.metric).hides_rare_classes:
        return []
    better = ", ".join(BETTER_WITH_RARE_CLASSES)
    return [
        f"{most:.0%} of your test rows are of one class, so a model that always answers it has a high {game.metric}, "
        f"and data about the other classes hardly counts; metric {better} or class_weights balanced would count it."
    ]


def expected_width(measuring_rows: int) -> tuple[float, float, float]:
    """How wide the widest 95 % share interval is expected to be by the draw of test rows alone, in points: a middle,
    and what most of the games that were measured lie between (docs/method.md)."""
    low, middle, high = (factor / math.sqrt(measuring_rows) for factor in WIDTH_FACTORS)
    return min(middle, 100.0), min(low, 100.0), min(high, 100.0)


def _width(game: FrozenGame, test_rows: int) -> str:
    rows = measuring_rows(test_rows, game)
    middle, low, high = expected_width(rows)
    return (
        f"With {rows} test rows that measure worths, the widest share interval will be about {middle:.0f} points "
        f"({low:.0f} to {high:.0f} in most jobs) by the draw of test rows alone, however much is computed. More test "
        "rows are the cheapest way to narrower intervals: four times as many halve it."
    )


def _width_of_groups(game: FrozenGame, test_rows: int, groups: int) -> str:
    """The same where rows were drawn in groups: between rows of a group that tell nothing new and rows that are as good
    as drawn by themselves."""
    rows = measuring_rows(test_rows, game)
    drawn = _measuring_groups(groups, test_rows, rows)
    alike, apart = expected_width(drawn), expected_width(rows)
    few = f" {drawn} groups are few: nothing is certain of them." if drawn < FEW_GROUPS else ""
    what = "blocks" if game.predicts is Predicts.NEXT_TOKEN else "rows"
    return (
        f"The {rows} test {what} that measure worths are in {drawn} groups of {what} that were drawn together, and "
        f"groups are what counts: the widest share interval will be about {alike[0]:.0f} points where {what} of a "
        f"group are alike, and {apart[0]:.0f} where they are not ({apart[1]:.0f} to {alike[2]:.0f} in most jobs), by "
        f"that alone, however much is computed.{few} More groups are the cheapest way to narrower intervals; more "
        f"{what} of the same groups help little."
    )


def _measuring_groups(groups: int, test_rows: int, rows: int) -> int:
    """In how many groups the ``rows`` that measure worths are."""
    return max(1, round(groups * rows / test_rows))


def measuring_rows(test_rows: int, game: FrozenGame) -> int:
    """How many of the test rows measure worths."""
    if game.mode == "partial":
        return max(1, round(test_rows * 2 / 3))
    tokens = game.predicts is Predicts.NEXT_TOKEN
    return round(test_rows * (1 - SPLIT_PART)) if chosen_apart(test_rows) and not tokens else test_rows


def _baseline(game: FrozenGame, test_rows: int) -> str:
    what = metric_of(game.metric).constant_is
    if game.predicts is Predicts.NEXT_TOKEN:
        what, chosen = "the base model", ""
    elif game.mode == "partial":
        chosen = ", chosen by the test rows that anchor unlearning"
    elif chosen_apart(test_rows):
        chosen = f", chosen by {SPLIT_PART:.0%} of your test rows, which then measure nothing else"
    else:
        chosen = ", chosen by the same test rows that measure worths"
    if game.mode == "partial":
        what = f"{what}, or the model with all providers unlearned, where that is better"
    return f"The baseline, which you have without anybody's data, is {what}{chosen}. No combination counts as less."
