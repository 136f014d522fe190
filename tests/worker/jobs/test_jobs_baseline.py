"""Whole jobs against the baseline: nothing gained, nothing paid, whatever classes are called."""

from typing import Any

import numpy as np
import pytest

from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.payouts.proof import prove
from app.valuations.states import ValuationStatus
from tests.market import rows_of


def finished(market: Any, hand: Any, **changes: Any) -> Any:
    job = hand.finish(market.post(**changes))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    return job


def paid(market: Any, job_id: Any) -> list[int]:
    sql = "SELECT amount_minor FROM valuation_players WHERE valuation_id = :id ORDER BY position"
    return [amount for (amount,) in market.rows(sql, id=job_id)]


def noise(market: Any, rare: int) -> dict[str, Any]:
    """Two providers and a test set of noise, nine rows in ten of one class; the rare one is called 0 or 1."""
    rng = np.random.default_rng(4)

    def rows(count: int) -> tuple[Any, Any]:
        y = np.where(rng.random(count) < 0.1, rare, 1 - rare)
        y[:2] = [rare, 1 - rare]
        return rng.normal(size=(count, 4)).astype(np.float32), y.astype(np.int64)

    datasets = [market.add_dataset(owner, DatasetKind.TRAIN, *rows(150)) for owner in market.providers[:2]]
    test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows(200))
    return {"datasets": datasets, "test_dataset": test}


@pytest.mark.parametrize("metric", ["accuracy", "clipped_log_loss"])
def test_noise_is_paid_nothing_however_its_classes_are_named(market: Any, hand: Any, metric: str) -> None:
    results = []
    for rare in (0, 1):
        job = finished(market, hand, **noise(market, rare), metric=metric)
        assert paid(market, job.id) == [0, 0]
        results.append((job.result["empty_worth"], job.result["full_worth"], job.result["gain"]))
    assert results[0] == results[1]
    assert results[0][2]["gained"] is False
    with transaction(market.factory) as session:
        assert prove(session).ok


def test_a_model_of_real_data_is_a_gain_over_the_baseline_and_is_paid(market: Any, hand: Any) -> None:
    job = finished(market, hand)
    gain = job.result["gain"]
    assert gain["gained"] is True
    assert gain["baseline"] == job.result["empty_worth"]
    y = rows_of(9, 80)[1]
    assert gain["baseline"] == np.bincount(y).max() / len(y)
    assert sum(paid(market, job.id)) == 1000_00


def test_the_intervals_of_a_job_hold_its_test_rows_and_say_their_parts(market: Any, hand: Any) -> None:
    for changes in ({}, {"max_retrains": 8}, {"fidelity": "unlearn"}):
        result = finished(market, hand, **changes).result
        assert result["chance"]["units"] == 80
        for player in result["players"]:
            low, high = player["value_ci"]
            assert low < player["value"] < high
            assert player["parts"]["test_rows"] >= 0.0
            assert player["parts"]["seeds"] == 0.0, "logistic regression has no random start"
        assert any(player["parts"]["test_rows"] > 1.0 for player in result["players"])
