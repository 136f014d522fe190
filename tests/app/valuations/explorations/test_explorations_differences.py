"""The difference that a new version, or one more dataset, makes to a finished job: one training, nobody valued."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from app.datasets.tables import Dataset, DatasetKind
from app.db.session import transaction
from app.errors import Conflict, InvalidInput, NotFound
from app.http.ids import public_id
from app.valuations.explorations import differences, service
from app.valuations.explorations.coarse import PART_STEP
from app.valuations.explorations.schemas import NewExploration
from app.valuations.states import ValuationStatus
from app.valuations.work import answers as kept_answers
from contract.results.result import StoredResult
from tests.app.valuations.explorations.test_explorations_service import many, post, steps, told, wallet
from tests.market import rows_of

__all__ = ["many"]


@pytest.fixture
def job(many: Any) -> uuid.UUID:
    """A finished job of three of the four datasets; half of the third's labels are wrong."""
    finished: uuid.UUID = many.market.post(datasets=many.market.datasets[:3], players="dataset", share_ci=50.0)
    assert many.finish(finished).status is ValuationStatus.SUCCEEDED
    return finished


def question(market: Any, job: uuid.UUID, *datasets: int, **more: Any) -> NewExploration:
    named = [public_id("ds", market.datasets[each]) for each in datasets]
    return NewExploration.model_validate(
        {"datasets": named, "beside": public_id("val", job), "difference": True} | more
    )


def renew(market: Any, at: int, seed: int = 31) -> None:
    """Another version of a dataset, all of whose labels are right."""
    provider = market.providers[at]
    with transaction(market.factory) as session:
        made = session.get_one(Dataset, market.add_dataset(provider, DatasetKind.TRAIN, *rows_of(seed, 200)))
        dataset = session.get_one(Dataset, market.datasets[at])
        dataset.digest, dataset.size_bytes, dataset.rows = made.digest, made.size_bytes, made.rows


def test_a_new_version_is_told_beside_the_version_before_by_one_training(many: Any, job: uuid.UUID) -> None:
    market = many.market
    renew(market, 2)
    asked = question(market, job, 2)
    exploration = post(market, asked)
    assert many.finish(exploration).status is ValuationStatus.SUCCEEDED
    answer = told(market, exploration)
    found = answer.difference
    assert found is not None
    assert (found.datasets, answer.ranked, answer.sets, answer.additions) == ([market.datasets[2]], [], [], [])
    known = StoredResult.from_dict(market.job(job).result)
    assert found.before == known.full_worth, "what the job's own model scored"
    exact = StoredResult.from_dict(market.job(exploration).result)
    assert exact.selection is not None and exact.selection.difference is not None  # noqa: PT018
    truth = exact.selection.difference
    assert truth.gain == pytest.approx(known.full_worth - known.empty_worth)
    assert truth.after == exact.full_worth
    assert all(steps(each, PART_STEP) for each in (found.part, found.low, found.high))
    assert abs(found.part - truth.part) < PART_STEP
    assert found.low <= found.part <= found.high
    assert market.rows("SELECT count(*) FROM evaluations WHERE valuation_id = :v", v=exploration) == [(0,)]
    kinds = market.rows("SELECT kind, count(*) FROM shards WHERE valuation_id = :v GROUP BY kind", v=exploration)
    assert dict(kinds) == {"prepare": 1, "plan": 1, "settle": 1}
    paid = "SELECT count(*) FROM valuation_players WHERE amount_minor > 0 AND valuation_id = :v"
    assert market.rows(paid, v=exploration) == [(0,)]
    assert f"instead of {found.before:.4f}" in found.sentence
    assert any("has another version than that job valued" in note for note in answer.notes)
    # an order of the same data, trained whole, scores the same
    whole = market.post(datasets=market.datasets[:3], players="dataset", share_ci=50.0)
    many.finish(whole)
    assert StoredResult.from_dict(market.job(whole).result).full_worth == truth.after


def test_one_more_dataset_is_told_and_costs_what_was_quoted_at_most(many: Any, job: uuid.UUID) -> None:
    market = many.market
    market.settings = market.settings.model_copy(update={"compute_prices": {"EUR": Decimal(100_000)}})
    asked = question(market, job, 3)
    with market.factory() as session:
        quote = service.quote(session, market.blobs, market.settings, market.buyer, asked)
        ranking = NewExploration.model_validate(asked.model_dump(exclude={"difference"}, exclude_unset=True))
        ranked = service.quote(session, market.blobs, market.settings, market.buyer, ranking)
    assert (sum(quote.evaluations.values()), quote.sufficient) == (0, True)
    assert sum(ranked.evaluations.values()) > 0
    assert Decimal(quote.compute) > 0
    with pytest.raises(InvalidInput, match="this difference may cost"):
        post(market, question(market, job, 3, budget="0.01"))
    charged = "SELECT coalesce(sum(points), 0) FROM disclosures WHERE kind = 'exploration'"
    post(market, ranking)
    spent, before = market.scalar(charged), wallet(market)
    exploration = post(market, asked)
    assert market.scalar(charged) == 2 * spent > 0, "it is another question than the ranking"
    assert before - wallet(market) == round(100 * float(quote.compute))
    many.finish(exploration)
    answer = told(market, exploration)
    assert answer.difference is not None
    assert answer.difference.datasets == [market.datasets[3]]
    assert before - wallet(market) == round(100 * float(answer.compute)) <= round(100 * float(quote.compute))


def test_more_than_the_named_data_may_not_differ(many: Any, job: uuid.UUID) -> None:
    market = many.market
    renew(market, 1)
    with pytest.raises(InvalidInput, match="another version than that job valued would change the model too"):
        post(market, question(market, job, 3))
    post(market, question(market, job, 1, 3))
    row = market.job(job)
    with market.factory() as session:
        game = service.repository.get_game(session, row.game_id).document
        differences.check_game(session, row, game)
        for other in ({"seed": 7}, {"metric": "log_loss"}, {"test": "0" * 64}):
            with pytest.raises(Conflict, match="would differ from valuation val_"):
                differences.check_game(session, row, game.model_copy(update=other))
        with pytest.raises(Conflict, match="other rules"):
            differences.check_game(session, row, game.model_copy(update={"rules": game.rules + 1}))
        with pytest.raises(Conflict, match="left ds_ab out"):
            differences.check_job(session, row, [], {}, {"ab"})


def test_what_is_not_kept_is_not_compared_and_strangers_know_no_job(many: Any, job: uuid.UUID) -> None:
    market = many.market
    asked = question(market, job, 3)
    with pytest.raises(NotFound):
        post(market, asked, market.add_buyer("another"))
    begun = post(market, asked)
    with transaction(market.factory) as session:
        kept_answers.erase(session, market.job(job).game_id)
    with pytest.raises(Conflict, match="is not kept"):
        post(market, question(market, job, 3, metadata={"name": "again"}))
    with pytest.raises(ValueError, match="give beside and datasets"):
        NewExploration.model_validate(
            {"datasets": [public_id("ds", begun)], "test_dataset": public_id("ds", job), "difference": True}
        )
