"""Removal curves: nested coalitions in the order of values, from one named source, within the job's budgets."""

from dataclasses import replace

import numpy as np

from tests.worker.engine.loop.test_loop_run import market
from worker.engine.games.game import TableFidelityGame, family
from worker.engine.loop.removal_curves import removal
from worker.engine.valuation import ValuationResult, ValuationSpec, value


def worth_of(game: TableFidelityGame, source: str, gone: list[int]) -> float:
    kept = (1 << len(game.players)) - 1 - sum(1 << player for player in gone)
    return float(game.tables[source][kept])


def valued(game: TableFidelityGame, **asked: object) -> ValuationResult:
    return value(game, replace(ValuationSpec(), **asked))  # type: ignore[arg-type]  # fields of the spec by name


def test_the_curves_take_players_away_by_their_values_and_say_where_each_worth_is_from() -> None:
    game = market()
    found = valued(game, max_retrains=40)
    curves = removal(game, found)
    assert curves.source == "unlearn:tangent"
    values = np.array([player.value for player in found.players])
    for points, ranked in ((curves.highest_first, np.argsort(-values)), (curves.lowest_first, np.argsort(values))):
        order = [point.player for point in points]
        assert order == [None, *ranked.tolist()]
        assert [point.worth for point in points] == [
            worth_of(game, "unlearn:tangent", order[1 : k + 1])
            for k in range(len(points))  # type: ignore[arg-type]
        ]
        # the two ends are always trained anew; in between what the audit happens to have trained
        assert (points[0].retrained, points[-1].retrained) == (found.full_worth, found.empty_worth)
        for k, point in enumerate(points):
            assert point.retrained in (None, worth_of(game, "retrain", order[1 : k + 1]))  # type: ignore[arg-type]


def test_copies_stand_for_each_other_in_the_curves() -> None:
    game = market(copy=True)
    found = valued(game, max_retrains=40)
    known = {(row.source, frozenset(row.coalition)) for row in found.worths}
    before = len(game.requests)
    removal(game, found)
    asked = {
        (source, frozenset(game.players[i].name for i in np.flatnonzero(row)))
        for source, rows in game.requests[before:]
        for row in rows
    }
    assert asked <= known


def test_where_everything_was_trained_anew_the_curves_are_too() -> None:
    game = market(n=4)
    found = valued(game)
    curves = removal(game, found)
    assert curves.source == "retrain"
    assert [point.worth for point in curves.highest_first] == [point.retrained for point in curves.highest_first]


def test_missing_worths_are_unlearned_within_the_budgets_and_never_trained_for_a_picture() -> None:
    game = market(n=10)
    asked = {"estimator": "permutation", "max_retrains": 0, "fidelity": "unlearn"}
    found = valued(game, max_evaluations=60, **asked)
    game.requests.clear()
    curves = removal(game, found)
    assert (curves.source, game.requests) == (None, [])
    assert "max_evaluations is 60" in (curves.reason or "")
    roomy = removal(game, replace(found, spec=replace(found.spec, max_evaluations=None)))
    assert len(roomy.highest_first) == len(roomy.lowest_first) == 11
    assert {family(source) for source, _ in game.requests} == {"unlearn"}
    assert sum(len(rows) for _, rows in game.requests) <= 20


def test_without_a_cheap_source_there_are_no_curves_and_it_says_why() -> None:
    game = market(n=10)
    found = valued(game, fidelity="retrain", estimator="permutation", max_retrains=60)
    game.requests.clear()
    curves = removal(game, found)
    assert (curves.source, curves.highest_first, game.requests) == (None, (), [])
    assert "trained anew" in (curves.reason or "")
