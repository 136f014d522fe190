"""Where precision rules, a job goes on until it is reached or computing cannot reach it; forecasts come true."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from contract.results.result import Precision, ValuationResult
from tests.worker.engine.loop.test_loop_corrected import game
from worker.engine.games.answered import AnsweredGame
from worker.engine.games.game import EvaluationFailed, TableFidelityGame, all_coalitions
from worker.engine.loop.precision import looks_until
from worker.engine.loop.stopping import Look, ended_by_precision
from worker.engine.valuation import recompute, value


def reached(of: TableFidelityGame, **spec: object) -> tuple[ValuationResult, Precision]:
    result = value(of, ValuationSpec(**spec))  # type: ignore[arg-type]
    assert result.precision is not None
    return result, result.precision


@cache
def measured(rows: int) -> AnsweredGame:
    """Seven players of a table game, each of whose models is right about a test row as often as its worth says."""
    rng = np.random.default_rng(5)
    members = all_coalitions(7)
    right = 0.5 + 0.45 * (1.0 - np.exp(-(members @ rng.uniform(0.1, 1.0, 7))))
    labels = rng.integers(0, 2, rows)
    hit = rng.random(rows) < right[:, None]
    answers = np.zeros((len(members), rows, 2), dtype=np.float32)
    answers[:, np.arange(rows), labels] = np.where(hit, 1.0, -1.0)
    return AnsweredGame.of("accuracy", answers, labels)


def job(rows: int, share_ci: float, ruled_by: str = "precision") -> ValuationResult:
    spec = ValuationSpec(fidelity="retrain", estimator="multifidelity", share_ci=share_ci, ruled_by=ruled_by)
    return value(measured(rows), spec)


def test_a_budget_that_ends_too_soon_is_told_and_precision_goes_on_until_it_is_reached() -> None:
    of = game(8, noise=0.1)
    by_budget, missed = reached(of, share_ci=2.0)
    assert (by_budget.evaluations["retrain"], by_budget.stopped_by) == (36, "max_retrains")
    assert (missed.met, missed.test_rows_limit) == (False, False)
    assert missed.reached is not None
    assert missed.reached > 2.0
    by_precision, met = reached(of, share_ci=2.0, ruled_by="precision")
    assert met.met
    assert by_precision.stopped_by == "share_ci"
    assert by_precision.evaluations["retrain"] > 36
    assert met.outlook() is None


def test_more_retrainings_begin_with_those_of_this_job_and_bring_about_what_it_forecast() -> None:
    """How near is measured on retrained games (docs/benchmarks-forecast.md)."""
    of = game(7, noise=0.1)
    few, now = reached(of, share_ci=0.001)
    many, then = reached(of, share_ci=0.001, max_retrains=72)

    def retrained(result: ValuationResult) -> list[tuple[str, ...]]:
        return [row.coalition for row in result.worths if row.source == "retrain"]

    assert retrained(many)[:36] == retrained(few)
    assert [(each.budget, each.most) for each in now.forecast] == [("max_retrains", 72), ("max_retrains", 144)]
    assert now.reached is not None
    assert then.reached is not None
    assert then.reached / 3 < now.forecast[0].widest < min(3 * then.reached, now.reached)
    assert now.forecast[1].widest == pytest.approx(0.0), "that is all there are"
    assert "is expected to bring about" in (now.outlook() or "")


def test_further_ahead_what_coalitions_have_of_their_own_is_known_better_and_results_from_before_stay() -> None:
    of = game(8, noise=0.1)
    result, now = reached(of, share_ci=0.001)
    old, before = reached(of, share_ci=0.001, nested=False)
    assert [player.share_band for player in old.players] == [player.share_band for player in result.players]
    for later, sooner in zip(now.forecast, before.forecast, strict=True):
        assert 0.5 * sooner.widest < later.widest < sooner.widest
    assert recompute(result.to_json()) == result
    assert recompute(old.to_json()) == old


def test_where_the_test_rows_are_what_makes_it_wide_it_ends_and_says_that_only_more_of_them_help() -> None:
    result = job(60, share_ci=4.0)
    found = result.precision
    assert found is not None
    assert result.stopped_by == "test_rows"
    assert found.test_rows_limit
    assert found.reached is not None
    assert found.test_rows is not None
    assert found.test_rows <= found.reached
    assert "only more test rows would bring what was asked for" in (found.outlook() or "")


def test_with_many_test_rows_the_same_is_reached_with_their_chance_in_it() -> None:
    result = job(3000, share_ci=12.0)
    assert result.precision is not None
    assert result.precision.met
    assert result.precision.test_rows is not None
    widest = max(100.0 * (p.share_band[1] - p.share_band[0]) for p in result.players if p.share_band is not None)
    assert result.precision.reached == pytest.approx(widest)


def test_a_repeated_result_is_equal_and_one_that_lacks_its_looks_is_refused() -> None:
    result = job(600, share_ci=5.2)
    assert len(result.trace) > 1
    assert recompute(result) == result
    first = replace(result.trace[0], joined=None)
    with pytest.raises(EvaluationFailed, match="does not say how wide its intervals were at look 1"):
        recompute(replace(result, trace=(first, *result.trace[1:])))


def test_of_a_job_that_is_not_audited_no_width_is_said() -> None:
    _, found = reached(game(6), max_retrains=0)
    assert (found.reached, found.met, found.forecast, found.outlook()) == (None, False, (), None)


@pytest.mark.parametrize(
    ("widest", "halves", "joined", "test_rows", "ends"),
    [
        (1.0, 0.5, 1.9, 1.5, "share_ci"),
        (1.0, 4.5, 1.9, 1.5, None),  # halves disagree
        (3.0, 0.5, 3.5, 1.9, None),  # computing can still reach it
        (3.0, 0.5, 6.0, 5.2, None),  # and here it is still what matters
        (2.2, 0.5, 5.5, 5.2, "test_rows"),
        (1.9, 0.5, 9.0, 5.2, "test_rows"),
        (1.9, 0.5, 1.9, None, "share_ci"),
        (3.0, None, 3.0, None, None),
    ],
)
def test_what_ends_it(widest: float, halves: float | None, joined: float, test_rows: float | None, ends: str) -> None:
    assert ended_by_precision(Look(1, widest, halves), 2.0, joined, test_rows) == ends


def test_looks_are_counted_as_purchases_double() -> None:
    assert [looks_until(count, 28) for count in (5, 28, 29, 56, 57, 112)] == [1, 1, 2, 2, 3, 3]


def test_a_forecast_counts_the_looks_of_the_larger_job_and_not_those_of_a_small_budget() -> None:
    spec = ValuationSpec(fidelity="retrain", estimator="multifidelity", share_ci=0.001, max_retrains=32)
    now, then = (value(measured(400), replace(spec, max_retrains=count)).precision for count in (16, 64))
    assert now is not None
    assert then is not None
    (said,) = [each.widest for each in now.forecast if each.most == 64]
    assert then.reached is not None
    # by the looks of the small budget, one more, it would be more than that off
    assert said == pytest.approx(then.reached, rel=0.4)
