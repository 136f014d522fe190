"""A finished job by another metric: values as of a job that had ordered it, from stored answers, nothing trained."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.disclosure import repository as disclosures
from app.disclosure.repository import Charge
from app.disclosure.tables import DisclosureKind
from app.errors import Conflict, InvalidInput, TooManyRequests
from app.valuations import by_metric, value_endpoints
from app.valuations.results.schemas import Values
from app.valuations.states import ValuationStatus
from app.valuations.work import other_metrics
from contract.results.result import StoredResult
from tests.app.web.test_web_rules import Browser
from tests.market import rows_of
from worker.jobs import measure
from worker.jobs.measure import CannotMeasure


def ask(market: Any, job: uuid.UUID, metric: str) -> Values | None:
    with transaction(market.factory) as session:
        return by_metric.ask(session, market.settings, market.buyer, job, metric)


def rung(hand: Any) -> list[dict[str, Any]]:
    """What is sent to workers to measure, done."""
    while hand.relay.drain_once():
        pass
    messages = [args for task, args, _ in hand.letters.waiting if task == other_metrics.TASK]
    hand.letters.waiting.clear()
    for args in messages:
        hand.runtime.measure(uuid.UUID(args["valuation_id"]), args["metric"])
    return messages


def asked(hand: Any, job: uuid.UUID, metric: str) -> Values:
    assert ask(hand.market, job, metric) is None
    assert len(rung(hand)) == 1
    values = ask(hand.market, job, metric)
    assert values is not None
    return values


def finished(hand: Any, **order: Any) -> uuid.UUID:
    job = hand.finish(hand.market.post(**order))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    return job.id


@pytest.mark.parametrize(
    "order",
    [
        {},  # every combination is trained
        {"fidelity": "unlearn", "unlearning": {"method": "tangent"}},
        {"mode": "partial"},
    ],
)
def test_they_are_the_values_of_a_job_that_ordered_the_metric(hand: Any, order: dict[str, Any]) -> None:
    market = hand.market
    first = finished(hand, metric="log_loss", **order)
    before = market.scalar("SELECT count(*) FROM evaluations")
    paid = market.rows("SELECT amount_minor, share FROM valuation_players ORDER BY position")
    values = asked(hand, first, "accuracy")
    assert market.scalar("SELECT count(*) FROM evaluations") == before, "nothing is computed that was not"
    assert market.rows("SELECT amount_minor, share FROM valuation_players ORDER BY position") == paid
    other = StoredResult.from_dict(market.job(finished(hand, metric="accuracy", **order)).result)
    with market.factory() as session:
        found = other_metrics.stored(session, first, "accuracy")
    assert found is not None
    assert found.result is not None
    mine = found.result.document
    for one, two in zip(mine.players, other.players, strict=True):
        assert one == two
    assert mine.removal == other.removal
    assert mine.removal is not None
    assert mine.removal.highest_first
    assert (values.metric, values.ordered_metric) == ("accuracy", "log_loss")
    assert (values.empty_worth, values.full_worth) == (other.empty_worth, other.full_worth)
    assert [round(100 * float(each.amount)) for each in values.players] == [amount for amount, _ in paid]


def test_a_job_that_would_have_bought_more_by_the_metric_is_valued_on_what_it_bought(hand: Any) -> None:
    market = hand.market
    for number in range(3):
        rows = rows_of(20 + number, 40 + number)
        market.datasets.append(market.add_dataset(market.providers[number], DatasetKind.TRAIN, *rows))
    order = {"players": "dataset", "max_retrains": 80, "checked_part": 0.0}
    # it ends where its intervals are as wide as they may be, and by log-loss they are wider
    first = finished(hand, metric="accuracy", share_ci=60.0, **order)
    own = StoredResult.from_dict(market.job(first).result)
    assert own.stopped_by == "share_ci"
    values = asked(hand, first, "log_loss")
    assert values.evaluations["retrain"] <= own.evaluations["retrain"]
    assert all(player.value_ci is not None for player in values.players)


def test_a_second_asker_finds_what_was_computed_and_a_second_message_does_nothing(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    values = asked(hand, job, "roc_auc")
    spent = market.scalar("SELECT sum(points) FROM disclosures WHERE kind = 'metric'")
    assert ask(market, job, "roc_auc") == values
    assert rung(hand) == []
    hand.runtime.measure(job, "roc_auc")
    assert ask(market, job, "roc_auc") == values
    assert spent == market.scalar("SELECT sum(points) FROM disclosures WHERE kind = 'metric'") > 0
    assert ask(market, job, "accuracy").digests["result"] != values.digests["result"], (
        "the ordered one is the job's own"
    )


def test_a_lost_message_is_sent_again_and_a_job_that_fails_each_time_is_given_up(
    hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = hand.market
    job = finished(hand)

    def breaks(*_: Any) -> StoredResult:
        raise ZeroDivisionError

    monkeypatch.setattr(measure, "values_by", breaks)
    for _ in range(other_metrics.MOST_TRIES):
        assert ask(market, job, "f1") is None
        with pytest.raises(ZeroDivisionError):
            rung(hand)
        hand.letters.waiting.clear()
        with transaction(market.factory) as session:
            session.execute(text("UPDATE other_metrics SET sent_at = sent_at - interval '1 hour'"))
    assert ask(market, job, "f1") is None
    assert len(rung(hand)) == 1
    with pytest.raises(Conflict, match="internal error"):
        ask(market, job, "f1")


def test_what_cannot_be_asked_is_refused_by_name_and_rings_nobody(hand: Any) -> None:
    market = hand.market
    running = market.post(seed=4)
    with pytest.raises(Conflict, match="wait for it"):
        ask(market, running, "f1")
    job = finished(hand)
    with pytest.raises(InvalidInput, match=r"metric r2 scores predictions of a number, not of a class; .*roc_auc"):
        ask(market, job, "r2")
    with pytest.raises(InvalidInput, match="accuracy"):
        ask(market, job, "acuracy")
    with transaction(market.factory) as session:
        session.execute(text("UPDATE games SET facts = jsonb_set(facts, '{answers_kept}', 'false')"))
    with pytest.raises(Conflict, match="too large to be kept; order a job with that metric"):
        ask(market, job, "f1")
    with transaction(market.factory) as session:
        session.execute(text("UPDATE games SET facts = NULL"))
    with pytest.raises(Conflict, match="erased, because some of it was withdrawn"):
        ask(market, job, "f1")
    assert market.scalar("SELECT count(*) FROM other_metrics") == 0
    assert market.scalar("SELECT count(*) FROM disclosures WHERE kind = 'metric'") == 0


def test_answers_that_are_erased_while_it_waits_end_in_a_refusal(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    assert ask(market, job, "f1") is None
    with transaction(market.factory) as session:
        session.execute(text("DELETE FROM kept_answers"))
    rung(hand)
    with pytest.raises(Conflict, match="not there any more; order a job with that metric"):
        ask(market, job, "f1")


def test_over_http_and_on_the_page_the_metric_is_switched_and_what_was_paid_is_not(
    hand: Any, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_endpoints, "_HELD_SECONDS", 0.0)
    job, buyer = finished(hand), place.clients["buyer"]
    path = f"/v1/valuations/val_{job.hex}/values"
    ordered = buyer.get(path).json()
    waits = buyer.get(path, params={"metric": "f1"})
    assert waits.status_code == 202
    assert waits.json() == {"valuation_id": f"val_{job.hex}", "metric": "f1", "status": "computing"}
    assert waits.headers["retry-after"] == "1"
    page = Browser(place.app)
    assert page.fill("/login", "/login", key=buyer.headers["authorization"].removeprefix("Bearer ")).status_code == 303
    assert "being computed from the stored answers" in page.get(f"/jobs/val_{job.hex}?metric=f1").text
    rung(hand)
    values = buyer.get(path, params={"metric": "f1"})
    body = values.json()
    assert (values.status_code, body["metric"], body["ordered_metric"]) == (200, "f1", "accuracy")
    assert [each["amount"] for each in body["players"]] == [each["amount"] for each in ordered["players"]]
    assert [each["value"] for each in body["players"]] != [each["value"] for each in ordered["players"]]
    again = {"If-None-Match": values.headers["etag"]}
    assert buyer.get(path, params={"metric": "f1"}, headers=again).status_code == 304
    assert buyer.get(path, params={"metric": "f1", "format": "csv"}).text.count("\n") == len(body["players"]) + 1
    report = buyer.get(path.replace("/values", "/report"), params={"metric": "f1"}).text
    assert "Values, shares and intervals are by f1" in report
    assert "what was paid is as ordered, by accuracy" in report
    assert "intervals are by" not in buyer.get(path.replace("/values", "/report")).text
    assert "being computed" in buyer.get(path.replace("/values", "/report"), params={"metric": "brier"}).text
    assert "are by f1" in page.get(f"/jobs/val_{job.hex}/report.html?metric=f1").text
    shown = page.get(f"/jobs/val_{job.hex}?metric=f1").text
    assert f"/jobs/val_{job.hex}/report.pdf?metric=f1" in shown
    assert "Values, shares and intervals are by f1" in shown
    assert "metric r2 scores" in page.get(f"/jobs/val_{job.hex}?metric=r2").text
    assert "Values, shares and intervals are by" not in page.get(f"/jobs/val_{job.hex}").text
    assert buyer.get(path, params={"metric": "r2"}).json()["errors"][0]["pointer"] == "/metric"
    assert place.clients["tides"].get(path, params={"metric": "f1"}).status_code == 404


def test_a_spent_budget_of_questions_is_no_further_metric(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    with transaction(market.factory) as session:
        for number, dataset in enumerate(market.datasets):
            charge = [Charge(dataset, f"{number:064x}", 99)]
            disclosures.add(session, market.buyer.account_id, DisclosureKind.JOB, charge)
    with pytest.raises(TooManyRequests, match="for this metric are not left"):
        ask(market, job, "f1")


def test_a_worth_that_is_not_there_and_no_budget_explains_is_refused(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    assert ask(market, job, "f1") is None
    with transaction(market.factory) as session:
        asked_for = measure._begin(session, job, "f1")
    assert asked_for is not None
    stored = {source: dict(list(worths.items())[:3]) for source, worths in asked_for.stored.items()}
    with pytest.raises(CannotMeasure, match="did not compute all"):
        measure.values_by(replace(asked_for, stored=stored), market.blobs, "f1")
