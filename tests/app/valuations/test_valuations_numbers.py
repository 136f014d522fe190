"""A number as the target, from an order to payouts and to forgetting: real rows, a worker moved by hand."""

import uuid
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from app.checkpoints.tables import Checkpoint
from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.errors import InvalidData, InvalidInput
from app.valuations import service
from app.valuations.states import ValuationStatus
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod
from contract.results.shares import shares_of
from tests.app.erasure.forgetting import Model as Kept
from tests.app.erasure.forgetting import record_of, step, value, weights_of, withdraw
from tests.market import Hand, Market
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

SIZES = (60, 40, 50)


def rows_of(seed: int, count: int, noise: float = 0.3) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 4)).astype(np.float32)
    return X, 2000.0 + 300.0 * (X @ np.array([1.0, -0.5, 0.25, 0.0]) + noise * rng.normal(size=count))


@pytest.fixture
def houses(market: Market) -> Market:
    """The market with numbers to predict: three providers, the last one's prices are noise."""
    parts = [rows_of(1, 60), rows_of(2, 40), rows_of(3, 50, noise=4.0)]
    owners = market.providers[:3]
    market.datasets[:] = [
        market.add_dataset(owner, DatasetKind.TRAIN, *part) for owner, part in zip(owners, parts, strict=True)
    ]
    market.test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(9, 80))
    return market


def test_a_job_for_a_number_is_valued_and_paid_as_all_coalitions_say(houses: Market, hand: Hand) -> None:
    job_id = houses.post(target_is="number", metric="rmse", model=None)
    job = hand.finish(job_id)
    assert job.status is ValuationStatus.SUCCEEDED, job.error
    assert job.order.model is not None
    assert (job.order.model.name, job.order.metric) == ("ridge", "rmse")
    with houses.factory() as session:
        found = service.values(session, houses.buyer, job_id)
        paid = service.payout_lines(session, houses.buyer, job_id)
    players = [PlayerData(str(i), *rows_of(i + 1, size, 4.0 if i == 2 else 0.3)) for i, size in enumerate(SIZES)]
    problem = Problem(players, Rows(*rows_of(9, 80)), 1, LearnerSpec("ridge", {}), "rmse")
    evaluator = Evaluator(problem)
    truth = exact_values(evaluator.worth("retrain", all_coalitions(3)))
    named = {player.name: worth for player, worth in zip(evaluator.players, truth, strict=True)}
    by_rows = {player.rows: player for player in found.players}
    for at, size in enumerate(SIZES):
        assert by_rows[size].value == pytest.approx(named[str(at)], rel=1e-6)
    assert found.empty_worth == pytest.approx(evaluator.empty_worth)
    assert found.empty_worth < -100, "worths are in the target's unit"
    assert found.gain is not None
    assert found.gain.gained
    shares = shares_of(np.array([by_rows[size].value for size in SIZES]))
    assert [by_rows[size].share for size in SIZES] == pytest.approx(shares.tolist(), abs=1e-6)
    assert sum(float(line.amount) for line in paid.payouts) + float(paid.fee) == pytest.approx(1000.0)


def test_a_number_is_refused_as_classes_and_classes_as_a_number_before_money_is_held(houses: Market) -> None:
    with pytest.raises(InvalidData, match="80 distinct numbers in 80 rows, so it is a number"):
        houses.post()
    with pytest.raises(InvalidInput, match="metric accuracy does not measure predictions of target_is number"):
        houses.post(target_is="number", metric="accuracy")
    with pytest.raises(InvalidInput, match="a number has no classes"):
        houses.post(metric="r2", model={"name": "mlp"}, class_weights="balanced")
    with pytest.raises(InvalidInput, match="accuracy scores predictions of a class, not of a number"):
        houses.post(model={"name": "ridge"})
    assert houses.scalar("SELECT count(*) FROM valuations") == 0


def test_text_among_numbers_is_refused_and_the_buyers_own_rows_are_named(houses: Market) -> None:
    X, y = rows_of(9, 30)
    texts = np.array([*(f"{each:.1f}" for each in y[:-1]), "dear"])
    houses.test = houses.add_dataset(houses.buyer.account_id, DatasetKind.TEST, X, texts)
    with pytest.raises(InvalidData, match=r"1 of 30 rows hold no number: row 30 \(`dear`\)"):
        houses.post(metric="r2", model=None)
    houses.test = houses.add_dataset(houses.buyer.account_id, DatasetKind.TEST, *rows_of(9, 80))
    houses.datasets[0] = houses.add_dataset(houses.providers[0], DatasetKind.TRAIN, X, texts)
    with pytest.raises(InvalidData, match="what is in it is its provider's to see"):
        houses.post(metric="r2", model=None)


def test_a_ridge_checkpoint_forgets_a_withdrawn_dataset_exactly(houses: Market, hand: Hand) -> None:
    players = [PlayerData(str(i), *rows_of(i + 1, size, 4.0 if i == 2 else 0.3)) for i, size in enumerate(SIZES)]
    test = Rows(*rows_of(9, 80))
    whole = Evaluator(Problem(players, test, 1, LearnerSpec("ridge", {}), "rmse"))
    alone = Evaluator(Problem(players[:2], test, 1, LearnerSpec("ridge", {}), "rmse", scale=whole.problem.scale))
    weights = whole.learner.layout.unpack(whole.context.full)
    blob = houses.blobs.put_bytes(
        safetensors.numpy.save({name: np.ascontiguousarray(w) for name, w in weights.items()})
    )
    with transaction(houses.factory) as session:
        checkpoint = Checkpoint(
            buyer_id=houses.buyer.account_id,
            name="prices",
            architecture=Architecture.RIDGE,
            hyper={},
            unlearning=WithdrawalMethod.STATISTICS,
            digest=blob.digest,
            size_bytes=blob.size,
            tensors={name: {"dtype": "F64", "shape": list(w.shape)} for name, w in weights.items()},
        )
        session.add(checkpoint)
        session.flush()
        kept = Kept(uuid.UUID(str(checkpoint.id)), blob.digest)
    value(houses, hand, kept, metric="rmse")
    withdraw(houses, 2)
    step(hand)
    record = record_of(houses, kept)
    assert (record["method"], record["outcome"]) == ("statistics", "unlearned")
    assert record["residual"]["after"]["rms_difference"] < 1e-3 < record["residual"]["before"]["rms_difference"]
    assert record["rmse"]["after"] == pytest.approx(record["rmse"]["never_saw"], abs=1e-4)
    assert record["rmse"]["before"] > record["rmse"]["after"]
    expected = alone.learner.layout.unpack(alone.context.full)
    for name, array in weights_of(houses, kept).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6)


def test_trees_predict_a_number_and_are_unlearned_by_adding_what_they_predict(houses: Market, hand: Hand) -> None:
    pytest.importorskip("lightgbm", reason="lightgbm is not installed: no trees are grown here")
    model = {"name": "boosted_trees", "hyper": {"rounds": 20, "leaves": 4, "least_rows": 3}}
    job_id = houses.post(target_is="number", metric="r2", model=model, fidelity="unlearn")
    job = hand.finish(job_id)
    assert job.status is ValuationStatus.SUCCEEDED, job.error
    with houses.factory() as session:
        found = service.values(session, houses.buyer, job_id)
        paid = service.payout_lines(session, houses.buyer, job_id)
    assert found.source == "unlearn:mixture"
    assert found.full_worth > 0.4
    assert sum(player.value for player in found.players) == pytest.approx(found.full_worth - found.empty_worth)
    assert float(paid.divided) > 0
