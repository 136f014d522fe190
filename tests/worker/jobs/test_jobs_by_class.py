"""A finished job by class: numbers for its buyer, words for a provider, and nothing of classes with few rows."""

import uuid
from typing import Any

import pytest
from sqlalchemy import text

from app.datasets.tables import Dataset, DatasetFormat, DatasetVersion, Modality
from app.db.session import transaction
from app.disclosure import repository as disclosures
from app.disclosure.repository import Charge
from app.disclosure.tables import DisclosureKind
from app.errors import Conflict, NotFound, TooManyRequests
from app.identity import Caller, Role
from app.valuations import by_class, value_endpoints
from app.valuations.results.class_schemas import ByClassAnswer, MyByClass
from contract.results.class_map import LEAST_ROWS
from tests.app.web.test_web_rules import Browser
from tests.worker.jobs.test_jobs_measure import ask, finished, rung
from worker.jobs import by_class as jobs_by_class


def asked(hand: Any, job: uuid.UUID) -> ByClassAnswer:
    assert look(hand.market, job) is None
    assert len(rung(hand)) == 1
    answer = look(hand.market, job)
    assert answer is not None
    return answer


def look(market: Any, job: uuid.UUID) -> ByClassAnswer | None:
    with transaction(market.factory) as session:
        return by_class.ask(session, market.settings, market.buyer, job)


def own(market: Any, job: uuid.UUID, provider: Any) -> MyByClass | None:
    with transaction(market.factory) as session:
        return by_class.mine(session, provider, job)


@pytest.mark.parametrize(
    "order", [{}, {"fidelity": "unlearn", "unlearning": {"method": "tangent"}}, {"mode": "partial"}]
)
def test_contributions_add_up_to_what_everybody_s_model_learned_of_the_class(hand: Any, order: dict[str, Any]) -> None:
    market = hand.market
    job = finished(hand, metric="accuracy", **order)
    paid = market.rows("SELECT amount_minor FROM valuation_players ORDER BY position")
    answer = asked(hand, job)
    assert answer.exact
    for player in answer.players:
        for cell in player.cells:
            assert cell.low is not None
            assert cell.high is not None
            assert cell.low <= cell.value <= cell.high
            assert not cell.sure or cell.low >= 0 or cell.high <= 0
    assert market.rows("SELECT amount_minor FROM valuation_players ORDER BY position") == paid
    for at, each in enumerate(answer.classes):
        assert each.rows >= LEAST_ROWS
        total = sum(player.cells[at].value for player in answer.players)
        assert total == pytest.approx(each.everybody - each.nobody, abs=0.006 * len(answer.players))
    # of a test set of which a part measures, less is sure
    assert "mode" in order or any(cell.sure for player in answer.players for cell in player.cells)


def test_the_weighted_sum_over_classes_is_the_value_by_accuracy(hand: Any) -> None:
    job = finished(hand, metric="accuracy")
    answer = asked(hand, job)
    rows = hand.market.rows("SELECT value FROM valuation_players ORDER BY position")
    total = sum(each.rows for each in answer.classes)
    for player, (value,) in zip(answer.players, rows, strict=True):
        mean = sum(each.rows * cell.value for each, cell in zip(answer.classes, player.cells, strict=True)) / total
        assert mean == pytest.approx(value, abs=0.006)


def test_it_is_computed_and_charged_once(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    answer = asked(hand, job)
    spent = market.scalar("SELECT sum(points) FROM disclosures WHERE kind = 'metric'")
    assert look(market, job) == answer
    assert rung(hand) == []
    assert spent == market.scalar("SELECT sum(points) FROM disclosures WHERE kind = 'metric'") > 0


def test_a_spent_budget_refuses_the_question(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    with transaction(market.factory) as session:
        for number, dataset in enumerate(market.datasets):
            charge = [Charge(dataset, f"{number:064x}", 99)]
            disclosures.add(session, market.buyer.account_id, DisclosureKind.JOB, charge)
    with pytest.raises(TooManyRequests):
        look(market, job)


def test_a_job_whose_answers_are_gone_says_so(hand: Any) -> None:
    market = hand.market
    job = finished(hand)
    with transaction(market.factory) as session:
        session.execute(text("DELETE FROM kept_answers"))
    with pytest.raises(Conflict, match="not there any more"):
        look(market, job)


def test_another_buyer_s_job_is_not_found(hand: Any) -> None:
    job, other = finished(hand), hand.market.add_buyer("another")
    with pytest.raises(NotFound), transaction(hand.market.factory) as session:
        by_class.ask(session, hand.market.settings, other, job)


def test_more_players_than_are_told_by_class_are_refused_in_words(hand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_by_class, "MOST_PLAYERS", 3)
    job = finished(hand)
    assert look(hand.market, job) is None
    rung(hand)
    with pytest.raises(Conflict, match="not told by class: it has 4 players, and 3 are the most"):
        look(hand.market, job)


def test_metrics_are_not_mixed_up_with_it(hand: Any) -> None:
    job = finished(hand, metric="log_loss")
    assert ask(hand.market, job, "accuracy") is None
    assert look(hand.market, job) is None
    assert len(rung(hand)) == 2
    assert ask(hand.market, job, "accuracy") is not None
    assert look(hand.market, job) is not None


def test_a_provider_is_told_in_words_of_the_classes_that_it_has_rows_of_and_of_nobody_else(hand: Any) -> None:
    market = hand.market
    job = finished(hand, metric="accuracy")
    good, wrong = (Caller(market.providers[at], Role.PROVIDER, frozenset(), uuid.uuid4()) for at in (0, 2))
    for dataset, labels in ((market.datasets[0], {"0": 20, "1": 20, "none such": 3}), (market.datasets[2], {"2": 9})):
        with transaction(market.factory) as session:
            session.get_one(Dataset, dataset).version = 1
            session.add(
                DatasetVersion(
                    dataset_id=dataset,
                    number=1,
                    digest="ab" * 32,
                    size_bytes=1,
                    rows=1,
                    columns=[],
                    format=DatasetFormat.NPZ,
                    modality=Modality.TABULAR,
                    profile={"labels": labels},
                )
            )
    assert own(market, job, good) is None
    rung(hand)
    told = own(market, job, good)
    assert told is not None
    assert [each.name for each in told.classes] == ["0", "1"]
    assert {each.effect for each in told.classes} == {"helped"}
    other = own(market, job, wrong)
    assert other is not None
    assert [each.name for each in other.classes] == ["2"]
    assert market.scalar("SELECT count(*) FROM disclosures WHERE kind = 'metric'") == 0
    stranger = Caller(uuid.uuid4(), Role.PROVIDER, frozenset(), uuid.uuid4())
    with pytest.raises(NotFound):
        own(market, job, stranger)


def test_over_http_and_on_the_page(hand: Any, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_endpoints, "_HELD_SECONDS", 0.0)
    job, buyer = finished(hand), place.clients["buyer"]
    path = f"/v1/valuations/val_{job.hex}/classes"
    page = Browser(place.app)
    assert page.fill("/login", "/login", key=buyer.headers["authorization"].removeprefix("Bearer ")).status_code == 303
    shown = page.get(f"/jobs/val_{job.hex}").text
    assert "it counts against your budget of questions" in shown
    assert rung(hand) == [], "looking at a job asks nothing"
    assert buyer.get(path).json() == {"valuation_id": f"val_{job.hex}", "status": "computing"}
    assert "A worker computes it from the stored answers" in page.get(f"/jobs/val_{job.hex}?classes=yes").text
    rung(hand)
    body = buyer.get(path).json()
    assert len(body["players"]) == 4
    shown = page.get(f"/jobs/val_{job.hex}").text
    assert 'aria-label="Contributions by class"' in shown
    cell = body["players"][0]["cells"][0]
    assert f"<small>{round(100 * cell['low'])} … {round(100 * cell['high'])}</small>".replace("-", "−") in shown
    assert place.clients["tides"].get(path).status_code == 404
    own_words = place.clients["tides"].get(f"/v1/me/valuations/val_{job.hex}/classes").json()
    assert set(own_words) == {"valuation_id", "classes"}
