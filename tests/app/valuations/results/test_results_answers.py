"""What of a job is shown to whom: a payee its own part, amounts as strings, the seal opened only at the end."""

import uuid
from typing import Any

import pytest

from app.payouts.tables import Settlement
from app.valuations.repository import JobState
from app.valuations.results.answers import agreed_terms, full, mine, payouts, progress, summary, values
from app.valuations.states import CHECK, TERMINAL, ValuationStatus
from app.valuations.tables import Round
from contract.orders.job import JobProgress
from contract.orders.spec import ValuationSpec
from contract.results.removal import RemovalCurves, RemovalPoint
from contract.results.result import Forecast, Precision, RevaluedWithout
from tests.app.valuations.results.samples import MOMENT, PROVIDERS, found, job, payees, result

PLAYERS = (found("a", 0.4, 0.8), found("b", 0.2, 0.2))


def state(last: Round | None = None, workers: int = 2) -> JobState:
    return JobState("5f" * 32, 2, last, workers, 12.3456)


def a_round(**changes: Any) -> Round:
    columns = {"number": 1, "source": "unlearn:tangent", "worths": 10, "done": 4, "seconds": 8.0} | changes
    return Round(**columns)


def test_progress_is_what_the_last_plan_knew_plus_what_its_round_has_done() -> None:
    now = progress(job(ValuationStatus.RUNNING), state(a_round()))
    assert now.evaluations == {"unlearn": 4, "repair": 0, "retrain": 2}
    assert (now.round_done, now.round_worths, now.widest_share_interval) == (4, 10, 3.0)
    assert now.seconds_left == pytest.approx(6 * 2.0 / 2), "six worths at two seconds, for two workers"
    assert now.device_seconds == 12.346


def test_what_is_computed_again_as_a_check_is_no_further_worth() -> None:
    now = progress(job(ValuationStatus.RUNNING), state(a_round(source=f"{CHECK}retrain")))
    assert now.evaluations == {"unlearn": 0, "repair": 0, "retrain": 2}


@pytest.mark.parametrize("last", [None, a_round(done=0)])
def test_nothing_is_foretold_from_nothing(last: Round | None) -> None:
    assert progress(job(ValuationStatus.RUNNING), state(last)).seconds_left is None


@pytest.mark.parametrize("status", ValuationStatus)
def test_of_a_job_that_has_ended_nobody_is_at_work_and_nothing_is_left(status: ValuationStatus) -> None:
    now = progress(job(status), state(a_round()))
    assert (now.workers == 0) == (status in TERMINAL)
    assert status not in TERMINAL or now.seconds_left is None


@pytest.mark.parametrize("status", ValuationStatus)
def test_values_and_payouts_are_linked_once_they_are_there(status: ValuationStatus) -> None:
    links = full(job(status), state()).links
    assert {"values", "payouts"} <= set(links) if status is ValuationStatus.SUCCEEDED else "values" not in links
    assert links["cancel"] == f"{links['self']}/cancel"


def test_a_list_shows_amounts_as_strings() -> None:
    assert summary(job(), "a buyer").pool == full(job(), state()).pool == "100.00"


def test_every_payee_has_its_part_of_its_player() -> None:
    shown = values(job(), "5f" * 32, payees(), result(*PLAYERS), {"plan": "ef"})
    assert [each.seat for each in shown.players] == [0, 1, 1]
    assert [each.part for each in shown.players] == [1.0, 0.25, 0.75]
    assert [each.value for each in shown.players] == pytest.approx([0.4, 0.05, 0.15])
    assert shown.players[1].share_ci == pytest.approx((0.1 * 0.25, 0.3 * 0.25))
    assert [each.amount for each in shown.players] == ["25.00"] * 3
    assert shown.notes == ["a note of admission", "a note of the engine"]
    assert shown.digests == {"plan": "ef", "game": "5f" * 32}


def test_shares_are_those_that_are_paid_and_values_those_found_among_all() -> None:
    again = found("a again", 0.6, 1.0)
    without = RevaluedWithout((1,), (0,), (again,), 0.1, 0.6, {}, "share_ci", 1.0)
    shown = values(job(), "", payees(), result(*PLAYERS, without=without), {})
    assert (shown.players[0].value, shown.players[0].share_ci) == (0.4, again.share_ci)
    assert shown.players[1].share_ci == (0.0, 0.0)
    assert shown.without_harm is not None
    assert shown.without_harm.excluded == [1]


def test_what_older_jobs_lack_is_null() -> None:
    shown = values(job(), "", payees(), result(*PLAYERS), {})
    assert (shown.checked, shown.without_harm) == (None, None)
    checked = JobProgress(checked={"worths": 3, "by_another_worker": 1}).plain()
    sure = values(job(progress=checked), "", payees(), result(*PLAYERS), {}).checked
    assert sure is not None
    assert (sure.worths, sure.by_another_worker) == (3, 1)


def test_a_removal_curve_names_players_of_the_game_by_their_seat() -> None:
    stored = result(*PLAYERS)
    curves = RemovalCurves("retrain", None, (RemovalPoint(0, None, 0.7, 0.7), RemovalPoint(1, 1, 0.5, None)))
    shown = values(job(), "", payees(), type(stored)(**vars(stored) | {"removal": curves}), {}).removal
    assert shown is not None
    assert [(each.removed, each.seat) for each in shown.highest_first] == [(0, None), (1, 1)]
    assert shown.lowest_first == []


def settlement() -> Settlement:
    line = {"share": 0.25, "amount": 2500, "released": 2000, "held": 400, "accrued": 100, "reason": "in proportion"}
    plan = {
        "terms": {"policy": "proportional"}, "fee": 250, "compute": 0, "refund": 2250, "performance": 1.0,
        "lines": [line | {"player_id": str(uuid.uuid4()), "provider_id": str(each)} for each in PROVIDERS],
        "explanation": ["The budget is 100.00 EUR."],
    }  # fmt: skip
    return Settlement(valuation_id=uuid.uuid4(), plan=plan, plan_digest="ef", dispute_until=MOMENT)


def test_payouts_are_the_plans_lines_with_whom_they_are_for() -> None:
    shown = payouts(job(), payees(), settlement())
    assert (shown.pool, shown.fee, shown.refunded) == ("100.00", "2.50", "22.50")
    assert [each.provider_id for each in shown.payouts] == PROVIDERS
    assert {(each.amount, each.released, each.held, each.accrued) for each in shown.payouts} == {
        ("25.00", "20.00", "4.00", "1.00")
    }
    assert shown.terms == agreed_terms(job())


def test_the_agreed_terms_are_those_of_the_day_of_posting() -> None:
    terms = agreed_terms(job())
    assert "The platform keeps 2.5 % of the pool." in terms
    assert any("reserve price" in each for each in terms), "one of the payees has one"


def test_a_provider_sees_its_own_rows_and_nothing_before_there_is_something() -> None:
    empty = dict.fromkeys(
        ("value", "stderr", "value_low", "value_high", "share", "share_low", "share_high", "amount_minor")
    )
    rows = payees()
    for name, value in empty.items():
        setattr(rows[0], name, value)
    [own] = mine(job(ValuationStatus.RUNNING), rows[:1], "a buyer").players
    assert (own.rows, own.value, own.value_ci, own.share_ci, own.amount) == (10, None, None, None, None)
    [own] = mine(job(), rows[1:2], "a buyer").players
    assert (own.value_ci, own.share_ci, own.amount) == ((0.0, 0.2), (0.2, 0.3), "25.00")


@pytest.mark.parametrize("status", ValuationStatus)
def test_the_seal_of_the_test_set_is_opened_when_the_job_has_ended(status: ValuationStatus) -> None:
    told = mine(job(status), [], "a buyer").measured_on
    assert told is not None
    assert (told.rows, told.commitment) == (5, "cc")
    assert (told.salt, told.digest) == (("aa", "dd") if status in TERMINAL else (None, None))


def test_a_job_from_before_test_sets_were_sealed_tells_nothing_of_one() -> None:
    old = job()
    old.inputs = {name: value for name, value in old.inputs.items() if name != "measured"}
    assert mine(old, [], "a buyer").measured_on is None


def test_a_job_that_missed_what_was_asked_says_so_wherever_it_is_shown_once_it_has_succeeded() -> None:
    missed = JobProgress(evaluations={}, widest_share_interval=3.1, precision_met=False).plain()
    of = job(progress=missed)
    assert (full(of, state()).precision_met, summary(of, "a buyer").precision_met) == (False, False)
    assert summary(job(ValuationStatus.SETTLING, progress=missed), "a buyer").precision_met is None
    assert summary(job(), "a buyer").precision_met is None, "jobs from before it was told"
    told = Precision(2.0, 3.1, 2.5, (Forecast("max_retrains", 72, 2.8),))
    settled = payees(paid_share=0.25, reason="in proportion")
    shown = values(of, "5f" * 32, settled, result(*PLAYERS, precision=told, spec=ValuationSpec()), {}).precision
    assert shown is not None
    assert (shown.met, shown.only_test_rows, shown.ruled_by) == (False, True, "budget")
    assert [(each.budget, each.most, each.widest) for each in shown.forecasts] == [("max_retrains", 72, 2.8)]
    assert shown.forecast == told.outlook()
