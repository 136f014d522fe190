"""Copies and harm in whole jobs: a row is paid once, a group is one player, and the others are valued without harm."""

from typing import Any

import numpy as np
import pytest

from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.payouts import service as payouts
from app.valuations.states import ValuationStatus
from tests.market import rows_of


def paid(market: Any, job_id: Any) -> dict[str, int]:
    sql = "SELECT provider_id, amount_minor FROM valuation_players WHERE valuation_id = :id"
    return {market.providers.index(row[0]): row[1] for row in market.rows(sql, id=job_id)}


def finished(market: Any, hand: Any, **changes: Any) -> Any:
    job = hand.finish(market.post(**changes))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    return job


def test_under_first_a_copy_earns_nothing_and_its_original_what_it_earns_alone(market: Any, hand: Any) -> None:
    # provider 3 holds the rows of provider 0, uploaded later; of so few rows nothing is told unless it is allowed
    market.settings = market.settings.model_copy(update={"told_rows": 30})
    job = finished(market, hand, payout={"copies": "first"})
    amounts = paid(market, job.id)
    assert amounts[3] == 0
    alone = finished(market, hand, datasets=market.datasets[:3])
    assert amounts == {**paid(market, alone.id), 3: 0}
    told = [note for note in job.inputs["notes"] if "in other providers' data" in note]
    assert sorted(note.split(" are in ")[0] for note in told) == [
        "Many of the rows of provider 0",
        "Many of the rows of provider 3",
    ]


def test_under_group_copies_share_what_their_original_earns_alone(market: Any, hand: Any) -> None:
    job = finished(market, hand, payout={"copies": "group"})
    alone = finished(market, hand, datasets=market.datasets[:3])
    amounts, before = paid(market, job.id), paid(market, alone.id)
    assert amounts[0] + amounts[3] == pytest.approx(before[0], abs=1)
    assert abs(amounts[0] - amounts[3]) <= 1
    assert sum(amounts.values()) == 1000_00


def test_whoever_is_left_alone_by_copies_is_valued_and_paid_alone(market: Any, hand: Any) -> None:
    job = finished(market, hand, datasets=[market.datasets[0], market.datasets[3]], payout={"copies": "first"})
    assert paid(market, job.id) == {0: 1000_00, 3: 0}


def test_rows_of_the_test_set_count_for_nobody_under_first(market: Any, hand: Any) -> None:
    X, y = rows_of(9, 80)
    market.datasets[2] = market.add_dataset(market.providers[2], DatasetKind.TRAIN, X[:40], y[:40])
    job = finished(market, hand, datasets=market.datasets[:3], payout={"copies": "first"})
    assert paid(market, job.id)[2] == 0


def test_rows_of_the_test_set_count_for_nobody_where_copies_are_players_too(market: Any, hand: Any) -> None:
    X, y = rows_of(9, 80)
    market.datasets[2] = market.add_dataset(market.providers[2], DatasetKind.TRAIN, X[:40], y[:40])
    market.settings = market.settings.model_copy(update={"told_rows": 30})
    job = finished(market, hand, datasets=market.datasets[:3])
    assert paid(market, job.id)[2] == 0
    assert any("are in the test set" in note for note in job.inputs["notes"])


def test_shards_play_and_their_owners_are_paid_the_sums(market: Any, hand: Any) -> None:
    # cheap worths are bought up to 200, and removal curves take 2 n more
    job = finished(market, hand, payout={"shards": 16}, max_retrains=40, max_evaluations=400)
    shards = job.result["shards"]
    assert 14 <= len(shards) <= 18
    assert {each["owner"] for each in shards} == set(job.inputs["names"])
    # owners are taken away whole, not shard by shard
    curve = job.result["removal"]["highest_first"]
    assert [point["removed"] for point in curve] == list(range(len(job.inputs["names"]) + 1))
    assert curve[-1]["retrained"] == job.result["empty_worth"]
    amounts = paid(market, job.id)
    assert sum(amounts.values()) == 1000_00
    # equal data is equal shards, and paid to the cent alike
    assert amounts[0] == amounts[3] > amounts[2]
    gain = job.result["full_worth"] - job.result["empty_worth"]
    assert sum(each["value"] for each in job.result["players"]) == pytest.approx(gain, abs=1e-9)


def test_an_order_with_protected_chooses_all_of_the_rules_against_cheating(market: Any, hand: Any) -> None:
    job = finished(market, hand, protected=True, payout={"shards": 12}, max_retrains=30, max_evaluations=120)
    chosen = job.spec["payout"]
    assert (chosen["copies"], chosen["policy"], chosen["shards"]) == ("first", "significant", 12)
    assert job.spec["class_weights"] == "balanced"
    amounts = paid(market, job.id)
    assert amounts[3] == 0
    assert sum(amounts.values()) == 1000_00


def test_balanced_classes_measure_the_same_whatever_the_mix_of_the_test_set(market: Any, hand: Any) -> None:
    X, y = rows_of(9, 80)
    first = finished(market, hand, class_weights="balanced")
    twice = y == 0
    market.test = market.add_dataset(
        market.buyer.account_id, DatasetKind.TEST, np.concatenate([X, X[twice]]), np.concatenate([y, y[twice]])
    )
    again = finished(market, hand, class_weights="balanced")
    # another mix of the test set puts classes, and so players, in another order
    values = [sorted((p["provider"], p["value"]) for p in job.result["players"]) for job in (first, again)]
    assert [name for name, _ in values[0]] == [name for name, _ in values[1]]
    np.testing.assert_allclose([v for _, v in values[0]], [v for _, v in values[1]], atol=1e-12)


def test_whoever_does_harm_for_certain_is_left_out_and_the_others_are_valued_without_it(market: Any, hand: Any) -> None:
    X, y = rows_of(5, 200)
    market.datasets[2] = market.add_dataset(market.providers[2], DatasetKind.TRAIN, X, (y + 1) % 3)
    three = finished(market, hand, datasets=market.datasets[:3], payout={"revalue_without_harm": True})
    again = three.result["without_harm"]
    assert again is not None
    assert len(again["excluded"]) == 1
    assert paid(market, three.id)[2] == 0
    two = finished(market, hand, datasets=market.datasets[:2])
    values = [player["value"] for player in two.result["players"]]
    np.testing.assert_allclose([player["value"] for player in again["players"]], values, atol=1e-12)
    left = paid(market, three.id)
    left.pop(2)
    assert left == paid(market, two.id)
    # the share and how sure it is come from the same valuation; of intervals that count nothing uncertain none is kept
    sql = "SELECT share_low, share, share_high, paid_share FROM valuation_players WHERE valuation_id = :id"
    for low, share, high, share_paid in market.rows(sql, id=three.id):
        assert low is None or low - 1e-12 <= share <= high + 1e-12
        assert share == pytest.approx(share_paid, abs=1e-9)
    kept = finished(market, hand, datasets=market.datasets[:3])
    assert kept.result["without_harm"] is None
    assert paid(market, kept.id)[2] == 0


def test_fee_reserve_and_window_reach_the_settlement(market: Any, hand: Any) -> None:
    with transaction(market.factory) as session:
        from app.datasets.tables import Dataset

        dataset = session.get_one(Dataset, market.datasets[1])
        dataset.reserve_minor, dataset.reserve_currency = 900_00, "EUR"
    market.settings = market.settings.model_copy(update={"platform_fee_basis_points": 1000})
    job = finished(market, hand, payout={"policy": "interval_aware", "dispute_window_seconds": 86_400})
    with market.factory() as session:
        settlement = payouts.settlement_of(session, job.id)
        assert settlement is not None
        plan = settlement.plan
    assert plan["fee"] == 100_00
    assert paid(market, job.id)[1] == 0
    reasons = {line["reason"] for line in plan["lines"]}
    assert any("reserve" in reason for reason in reasons)
    assert sum(line["amount"] for line in plan["lines"]) + plan["refund"] == 900_00
