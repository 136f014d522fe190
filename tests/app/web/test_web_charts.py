"""Charts draw every number they are given, two players or two hundred, and say each in words."""

from typing import Any

from app.valuations.job_schemas import MyValuation, QuotedBudget
from app.valuations.results.evidence import Pair
from app.valuations.results.schemas import PrecisionAnswer, RemovalAnswer
from app.web import charts
from tests.app.valuations.results.samples import example, player, values


def players(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        player(provider=f"p{at}", position=at, share=1 / count, value=0.5 - at / 1000, **changes) for at in range(count)
    ]


def test_two_players_and_two_hundred_are_all_drawn_the_first_one_first() -> None:
    for count in (2, 200):
        drawn = charts.shares(values(players=players(count)))
        assert drawn.count("<tr ") == count
        assert drawn.index("p0") < drawn.index("p1")


def test_a_bar_says_its_share_and_interval_and_without_an_interval_its_share_alone() -> None:
    drawn = charts.shares(values(players=players(2, share_ci=[0.4, 0.61])))
    assert "p0: 50.00 %, between 40.00 % and 61.00 %" in drawn
    assert "whisker" in drawn
    assert "whisker" not in charts.shares(values(players=players(2, share_ci=None)))


def test_datasets_of_one_provider_are_told_apart() -> None:
    one = [player(provider="Same", position=at, datasets=[f"ds_{at:032x}"]) for at in (1, 2)]
    drawn = charts.shares(values(players=one))
    assert "Same (ds …00000001)" in drawn
    assert "Same (ds …00000002)" in drawn


def test_the_audit_has_a_point_for_each_pair() -> None:
    drawn = charts.audit([Pair(1, 0.2, 0.25), Pair(2, 0.5, 0.45)])
    assert drawn.count("<circle") == 2
    assert "1 players kept: 0.2000 unlearned, 0.2500 trained anew" in drawn


def test_convergence_leaves_out_rounds_of_which_nothing_was_known() -> None:
    trace = [
        {"round": 0, "evaluations": {"retrain": 2}, "widest": None},
        {"round": 1, "evaluations": {"retrain": 9}, "widest": 4.5},
    ]
    drawn = charts.convergence(trace, 2.0)
    assert drawn is not None
    assert drawn.count("<circle") == 1
    assert "round 1: 4.50 points, 9 trained anew so far" in drawn
    assert 'class="reference"' in drawn
    assert charts.convergence(trace[:1], 2.0) is None


def test_convergence_goes_on_to_what_more_retrainings_are_expected_to_bring() -> None:
    trace = [{"round": 1, "evaluations": {"retrain": 9}, "widest": 4.5}]
    ahead = [
        {"budget": "max_retrains", "most": 32, "widest": 3.9},
        {"budget": "max_retrains", "most": 64, "widest": 3.1},
    ]
    told = {"asked": 2.0, "reached": 5.25, "met": False, "forecast": "words", "forecasts": ahead}
    drawn = charts.convergence(trace, 2.0, PrecisionAnswer.model_validate(told), 16)
    assert drawn is not None
    for words in (
        "round 1: 4.50 points, 9 trained anew so far",
        "5.25 points reached with 16, test rows included",
        "about 3.10 points expected with 64",
    ):
        assert words in drawn
    met = PrecisionAnswer.model_validate(told | {"forecasts": []})
    assert charts.convergence(trace, 2.0, met, 16) == charts.convergence(trace, 2.0)


def test_what_was_trained_anew_is_ringed_on_the_removal_curves() -> None:
    points = [
        {"removed": at, "seat": 0, "worth": 0.9 - at / 10, "retrained": 0.8 if at == 1 else None} for at in (0, 1)
    ]
    curves = RemovalAnswer(source="unlearn:tangent", reason=None, highest_first=points, lowest_first=points)
    drawn = charts.removal(curves)
    assert drawn.count("ring") == 2
    assert "1 gone, highest value first: 0.8000 (trained anew)" in drawn


def test_a_cost_that_nobody_could_pay_is_not_drawn() -> None:
    assert charts.cost(values(retrain_seconds_estimate=1e15), str) is None
    assert charts.cost(values(retrain_seconds_estimate=None), str) is None
    drawn = charts.cost(values(seconds=2.0, retrain_seconds_estimate=40.0), str)
    assert drawn is not None
    assert "exact retraining: 40.0" in drawn


def test_a_record_is_drawn_from_two_jobs_on_each_metric_in_its_colour() -> None:
    job = example(MyValuation)
    assert charts.own_shares([job]) is None
    other = job.model_copy(update={"metric": "log_loss"})
    drawn = charts.own_values([job, other])
    assert drawn is not None
    assert drawn.count("<circle") == 2
    assert "key b" in drawn


def test_precision_against_cost_is_drawn_where_something_is_expected_of_several_budgets() -> None:
    def line(most: int, widest: float | None) -> QuotedBudget:
        return QuotedBudget(max_retrains=most, device_seconds=most / 2, compute="0.00", widest=widest)

    drawn = charts.budgets([line(8, 7.03), line(16, 5.6)])
    assert drawn is not None
    assert 'data-say="16 retrainings: about 5.6 points"' in drawn
    assert charts.budgets([line(8, 7.03)]) is None
    assert charts.budgets([line(8, None), line(16, None)]) is None
