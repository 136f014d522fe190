"""Explorations: what the best few datasets reach, told before anybody is paid: coarsely, metered, to nobody else."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from app.datasets.tables import Dataset, DatasetKind
from app.db.session import transaction
from app.errors import InvalidInput, NotFound, TooManyRequests
from app.http.ids import public_id
from app.identity import Caller, Role
from app.payouts import service as payouts
from app.valuations import service as valuations
from app.valuations.explorations import service
from app.valuations.explorations.coarse import PART_STEP, SHARE_STEP
from app.valuations.explorations.orders import exploration_of
from app.valuations.explorations.schemas import CatalogSearch, ExplorationAnswer, NewExploration
from app.valuations.states import ValuationStatus
from contract.results.result import StoredResult
from tests.market import rows_of


@pytest.fixture
def many(hand: Any) -> Any:
    """The market with a test set that is large enough, and prices of the datasets."""
    market = hand.market
    market.test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(9, 600))
    with transaction(market.factory) as session:
        for dataset_id, price in zip(market.datasets, (100_00, 50_00, 25_00, 100_00), strict=True):
            dataset = session.get_one(Dataset, dataset_id)
            dataset.reserve_minor, dataset.reserve_currency = price, "EUR"
    return hand


def asked(market: Any, **changes: Any) -> NewExploration:
    body = {"datasets": market.datasets, "test_dataset": market.test, "seed": 3}
    return NewExploration.model_validate(body | {"model": {"name": "logistic", "hyper": {"l2": 0.01}}} | changes)


def post(market: Any, question: NewExploration, caller: Caller | None = None) -> uuid.UUID:
    with transaction(market.factory) as session:
        return service.post(session, market.blobs, market.settings, caller or market.buyer, question).id


def told(market: Any, exploration_id: uuid.UUID) -> ExplorationAnswer:
    with market.factory() as session:
        return service.describe(session, market.settings, service.get(session, market.buyer, exploration_id))


def wallet(market: Any) -> int:
    with market.factory() as session:
        (balance,) = payouts.balances(session, market.buyer.account_id)
        return balance.available


def steps(number: float, step: float) -> bool:
    return abs(number / step - round(number / step)) < 1e-6


def test_datasets_are_ranked_and_the_best_few_are_named_with_their_price(many: Any) -> None:
    market = many.market
    job = post(market, asked(market))
    assert many.finish(job).status is ValuationStatus.SUCCEEDED
    answer = told(market, job)
    assert [line.rank for line in answer.ranked] == [1, 2, 3, 4]
    assert answer.ranked[-1].dataset_id == market.datasets[2], "half of its labels are wrong"
    assert [each.size for each in answer.sets] == [1, 2, 3, 4]
    best = answer.sets[0]
    assert best.datasets == [answer.ranked[0].dataset_id] or best.part > 0.8
    assert answer.sets[-1].part == 1.0
    assert answer.sets[-1].price == "275.00"
    assert f"{best.part:.0%} of the gain" in best.sentence
    assert "of the price" in best.sentence
    assert answer.audited is False
    assert answer.evaluations["retrain"] == 0
    assert any("not compared with training anew" in note for note in answer.notes)
    for line in answer.ranked:
        assert line.share is not None and line.low is not None and line.high is not None  # noqa: PT018
        assert steps(line.share, SHARE_STEP)
        assert steps(line.low, SHARE_STEP)
        assert line.low <= line.share + SHARE_STEP
        assert line.share - SHARE_STEP <= line.high
    assert all(steps(each.part, PART_STEP) for each in answer.sets)


def test_what_is_told_is_within_a_step_of_what_was_found(many: Any) -> None:
    market = many.market
    job = post(market, asked(market))
    many.finish(job)
    answer, row = told(market, job), market.job(job)
    result = StoredResult.from_dict(row.result)
    exact = {
        uuid.UUID(dataset): result.players[part.player].share
        for part, (dataset,) in zip(
            row.job_inputs.seating,
            [each[0] for each in market.rows("SELECT datasets FROM valuation_players ORDER BY position")],
            strict=True,
        )
    }
    for line in answer.ranked:
        assert abs(line.share - exact[line.dataset_id]) < SHARE_STEP  # type: ignore[operator]
    assert told(market, job) == answer, "the same question has the same answer"


def test_it_pays_nobody_and_costs_its_device_time_within_the_budget(many: Any) -> None:
    market = many.market
    market.settings = market.settings.model_copy(update={"compute_prices": {"EUR": Decimal(100_000)}})
    with pytest.raises(InvalidInput, match="fewest worths that rank 4 datasets may cost"):
        post(market, asked(market, budget="0.01"))
    before = wallet(market)
    job = post(market, asked(market, budget="500.00"))
    held = before - wallet(market)
    assert 0 < held <= 500_00
    many.finish(job)
    answer = told(market, job)
    assert before - wallet(market) == round(100 * float(answer.compute)) <= held
    assert market.scalar("SELECT coalesce(sum(amount_minor), 0) FROM valuation_players") == 0


def test_nobody_else_is_told_and_a_jobs_addresses_do_not_know_it(many: Any) -> None:
    market = many.market
    job = post(market, asked(market))
    many.finish(job)
    stranger = market.add_buyer("another")
    owner = Caller(market.providers[0], Role.PROVIDER, frozenset(), uuid.uuid4())
    with market.factory() as session:
        with pytest.raises(NotFound, match="no exploration exp_"):
            service.get(session, stranger, job)
        for ask in (valuations.get, valuations.values, valuations.payout_lines):
            with pytest.raises(NotFound, match="no valuation val_"):
                ask(session, market.buyer, job)
        with pytest.raises(NotFound, match="no valuation val_"):
            valuations.certificate(session, market.settings, market.buyer, job)
        page = market_page(market)
        assert valuations.list_valuations(session, market.buyer, [], page)[0] == []
        assert valuations.list_mine(session, owner, page)[0] == []
        listed, _ = service.page_of(session, market.buyer, page)
        assert [each.id for each in listed] == [job]
        assert service.page_of(session, stranger, page)[0] == []


def market_page(market: Any) -> Any:
    from app.http.pages import PageRequest

    return PageRequest(20, None, market.settings.signing_secret.get_secret_value().encode())


def test_it_is_charged_as_a_question_and_its_providers_see_that(many: Any) -> None:
    market = many.market
    market.settings = market.settings.model_copy(update={"disclosure_points": 8})
    post(market, asked(market))
    charged = market.rows("SELECT kind, points, count(*) FROM disclosures GROUP BY kind, points")
    assert charged == [("exploration", 6, 4)]
    post(market, asked(market)), "the same again costs nothing"
    with pytest.raises(TooManyRequests, match="6 for this exploration are not left"):
        post(market, asked(market, seed=4))


def test_too_few_test_rows_are_not_explored_on(hand: Any) -> None:
    with pytest.raises(InvalidInput, match="has 80 rows, and on fewer than 100 nothing is explored"):
        post(hand.market, asked(hand.market))


def test_what_a_new_dataset_adds_to_a_finished_job_is_measured_by_training(many: Any) -> None:
    market = many.market
    first = market.post(datasets=market.datasets[1:3], players="dataset", max_retrains=0)
    many.finish(first)
    new = market.datasets[0]
    question = NewExploration(datasets=[new], beside=first)
    job = post(market, question)
    assert many.finish(job).status is ValuationStatus.SUCCEEDED
    answer = told(market, job)
    assert answer.beside == first
    (line,) = answer.additions
    assert line.dataset_id == new
    assert line.low is not None and line.low <= line.part + PART_STEP  # noqa: PT018
    assert [each.dataset_id for each in answer.ranked if each.added] == [new]
    # one retraining, and nothing else but unlearned worths
    assert market.rows("SELECT count(*) FROM evaluations WHERE source = 'retrain' AND valuation_id = :v", v=job) == [
        (1,)
    ]
    with pytest.raises(InvalidInput, match="is of that job already"):
        post(market, NewExploration(datasets=[market.datasets[1]], beside=first))
    with pytest.raises(NotFound):
        post(market, question, market.add_buyer("another"))


def test_what_a_new_version_adds_to_a_finished_job_is_measured_and_the_same_version_is_refused(many: Any) -> None:
    market = many.market
    job = market.post(datasets=market.datasets[:3], players="dataset", share_ci=50.0)
    assert many.finish(job).status is ValuationStatus.SUCCEEDED
    question = {"datasets": [public_id("ds", market.datasets[2])], "beside": public_id("val", job)}
    with pytest.raises(InvalidInput, match="in the version that is there now"):
        post(market, NewExploration.model_validate(question))
    # the third provider's labels are half wrong in the version that the job valued, and right in the next
    with transaction(market.factory) as session:
        better = session.get_one(Dataset, market.add_dataset(market.providers[2], DatasetKind.TRAIN, *rows_of(31, 200)))
        dataset = session.get_one(Dataset, market.datasets[2])
        dataset.digest, dataset.size_bytes, dataset.rows = better.digest, better.size_bytes, better.rows
    exploration = post(market, NewExploration.model_validate(question))
    assert many.finish(exploration).status is ValuationStatus.SUCCEEDED
    answer = told(market, exploration)
    assert [line.dataset_id for line in answer.ranked if line.added] == [market.datasets[2]]
    assert len(answer.ranked) == 3
    (addition,) = answer.additions
    assert (addition.dataset_id, steps(addition.part, PART_STEP)) == (market.datasets[2], True)
    assert addition.low is not None
    assert any("has another version than that job valued" in note for note in answer.notes)


def test_a_search_leaves_out_what_an_order_could_not_name(many: Any) -> None:
    market = many.market
    with transaction(market.factory) as session:
        session.get_one(Dataset, market.datasets[3]).reserve_currency = "USD"
    body = {"datasets": [], "search": CatalogSearch(most=3).model_dump()}
    question = asked(market, **body)
    with market.factory() as session:
        found = exploration_of(session, market.settings, market.buyer, question)
    assert sorted(found.order.datasets) == sorted(market.datasets[:3])
    assert found.notes == ("Of 4 datasets that were found 3 are explored (1 ask for another currency).",)
    assert found.order.drop_unfit


def test_datasets_or_a_search_and_a_test_set_or_a_job(many: Any) -> None:
    market = many.market
    for wrong in (
        {"datasets": []},
        {"test_dataset": None},
        {"beside": public_id("val", uuid.uuid4())},
        {"datasets": market.datasets[:1] * 2},
    ):
        with pytest.raises(ValueError, match=r"give|leave that out|twice"):
            asked(market, **wrong)
