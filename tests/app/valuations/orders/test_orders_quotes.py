"""A quote says what an order would take, stores nothing, and refuses what posting would refuse."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.identity import Role
from app.payouts import service as payouts
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.orders import fit_cache
from app.valuations.orders.quotes import (
    JobSize,
    MeasuredSeconds,
    distinct_coalitions,
    estimate,
    expected_evaluations,
    with_method,
)
from app.valuations.schemas import NewValuation
from app.valuations.tables import BuyerGame, Valuation
from contract.learning.learners import LEARNERS
from contract.learning.methods import default_method
from contract.orders.fit import FitAnswer, RowsFitted
from contract.orders.job import LabelMix
from worker.engine.estimators.design import sampled_design
from worker.engine.learners import NAMES
from worker.engine.unlearning import methods_for

SIZE = JobSize(rows=1000, width=64, classes=10, test_rows=500)


def order(**changes: Any) -> NewValuation:
    ids = [f"ds_{number:032x}" for number in range(3)]
    return NewValuation.model_validate({"datasets": ids[:2], "test_dataset": ids[2], "pool": "100.00"} | changes)


def rows(seed: int, count: int) -> bytes:
    lines = [f"{(seed * 7 + i) % 11},{(seed + i * 3) % 5},{'abc'[i % 3]}" for i in range(count)]
    return "\n".join(["u,v,label", *lines]).encode() + b"\n"


def test_exact_copies_are_one_coalition_less() -> None:
    assert distinct_coalitions(["a", "b", "c"]) == 8
    assert distinct_coalitions(["a", "a", "b"]) == 6


def test_ten_players_are_unlearned_everywhere_and_audited_by_thirty_six_retrainings() -> None:
    digests = [str(i) for i in range(10)]
    assert expected_evaluations(order(), digests) == {"unlearn": 1024, "repair": 0, "retrain": 36}
    assert expected_evaluations(order(max_retrains=20), digests)["retrain"] == 20
    assert expected_evaluations(order(ruled_by="precision"), digests)["retrain"] == 8 * 36
    assert expected_evaluations(order(ruled_by="precision", max_retrains=90), digests)["retrain"] == 90
    some = expected_evaluations(order(ruled_by="precision"), digests[:7])
    assert some == {"unlearn": 128, "repair": 0, "retrain": 128}, (
        "corrected first, and retrained to the last if need be"
    )


def test_where_retraining_everything_is_no_dearer_nothing_is_unlearned() -> None:
    assert expected_evaluations(order(), ["a", "b", "c"]) == {"unlearn": 0, "repair": 0, "retrain": 8}


def test_everything_is_retrained_where_that_takes_seconds_and_the_order_names_no_number() -> None:
    digests = [str(i) for i in range(8)]
    small, large = replace(SIZE, rows=200, width=10, classes=2), replace(SIZE, rows=100_000)
    assert expected_evaluations(order(), digests, "logistic", small) == {"unlearn": 0, "repair": 0, "retrain": 256}
    assert expected_evaluations(order(max_retrains=30), digests, "logistic", small)["retrain"] == 30
    assert expected_evaluations(order(max_seconds=0.01), digests, "logistic", small)["retrain"] == 36
    assert expected_evaluations(order(), digests, "logistic", large)["retrain"] == 36
    assert expected_evaluations(order(), digests[:6], "logistic", large)["retrain"] == 64, "under twice the audit"


def test_a_few_are_retrained_from_another_start_where_training_draws_one_and_the_budgets_allow_it() -> None:
    few = ["a", "b", "c"]
    assert expected_evaluations(order(), few, "mlp")["retrain"] == 8 + 6
    assert expected_evaluations(order(max_retrains=10), few, "mlp")["retrain"] == 10
    assert expected_evaluations(order(max_retrains=8), few, "mlp")["retrain"] == 8


def test_partial_mode_retrains_nothing() -> None:
    counts = expected_evaluations(order(mode="partial"), ["a", "b", "c"])
    assert counts == {"unlearn": 8, "repair": 0, "retrain": 0}


def test_measured_seconds_are_used_where_every_needed_fidelity_was_measured() -> None:
    counts = {"unlearn": 100, "repair": 0, "retrain": 10}
    past = MeasuredSeconds({"unlearn": 1e-6, "retrain": 1e-4, "prepare": 1e-4}, jobs=3)
    found = estimate(order(), "mlp", SIZE, counts, past, players=3)
    assert (found.basis, found.seconds) == ("measured", pytest.approx(1.2))
    less = estimate(order(), "mlp", SIZE, counts, MeasuredSeconds({"retrain": 1e-4}, jobs=3), players=3)
    assert less.basis == "model"
    assert "stated in docs/benchmarks-cost.md" in less.sentence
    assert estimate(order(max_seconds=0.5), "mlp", SIZE, counts, past, players=3).seconds == 0.5


def test_an_order_that_names_no_method_gets_what_measured_best_for_its_model_and_mode() -> None:
    for learner in NAMES:
        for mode in ("full", "partial"):
            assert default_method(learner, mode) in methods_for(learner)
    assert with_method(order(), "lm").unlearning.method == "mixture"
    assert with_method(order(mode="partial"), "lm").unlearning.method == "mixture"
    assert with_method(order(), "mlp").unlearning.method == "tangent"
    named = order(unlearning={"method": "npo", "options": {"npo.steps": 3}})
    assert with_method(named, "lm") == named


def test_a_method_that_trains_a_model_for_each_player_is_quoted_with_those_trainings() -> None:
    size, counts, past = (
        JobSize(0, 33, 256, 40, training=1e9, scoring=1e6),
        {"unlearn": 16},
        MeasuredSeconds({}, jobs=0),
    )
    asked = {name: order(unlearning={"method": name}) for name in ("logit_sum", "interpolation")}
    seconds = {name: estimate(each, "lm", size, counts, past, players=4).seconds for name, each in asked.items()}
    each = LEARNERS["lm"].cost(size.sizes("lm", {})).training(0)
    assert seconds["logit_sum"] - seconds["interpolation"] == pytest.approx(4 * each, abs=2e-3)


def test_attributions_are_quoted_with_a_training_for_each_player() -> None:
    counts = {"unlearn": 0, "repair": 0, "retrain": 10}
    past = MeasuredSeconds({"retrain": 1e-3, "prepare": 2e-3}, jobs=3)
    by_model = LEARNERS["mlp"].cost(SIZE.sizes("mlp", {})).training(SIZE.rows)
    for measured, training in ((past, SIZE.rows * 2e-3), (MeasuredSeconds({}, jobs=0), by_model)):
        plain, more = (
            estimate(order(attributions=asked), "mlp", SIZE, counts, measured, players=3).seconds
            for asked in (False, True)
        )
        assert more - plain == pytest.approx(3 * training, abs=2e-3)


@pytest.fixture
def posted(
    known: Callable[..., Any], upload: Callable[..., Any], publish: Callable[..., Any], session: Session
) -> tuple[Any, dict[str, Any]]:
    buyer = known(Role.BUYER)
    licence = {"spdx": "CC-BY-4.0", "purposes": ["research"]}
    datasets = [publish(known(Role.PROVIDER), rows(1, 12))["id"]]
    datasets.append(publish(known(Role.PROVIDER), rows(2, 15), licence=licence)["id"])
    payouts.deposit(session, buyer.account.id, 60_00, "EUR", "start")
    body = {"datasets": datasets, "test_dataset": upload(buyer, rows(9, 9))["id"], "pool": "100.00"}
    return buyer, body


def test_a_quote_tells_cost_and_licence_problems_and_leaves_nothing_behind(
    posted: tuple[Any, dict[str, Any]], app: FastAPI, session: Session
) -> None:
    buyer, body = posted
    app.state.settings = app.state.settings.model_copy(update={"platform_fee_basis_points": 250})
    answer = buyer.client.post("/v1/valuations/quote", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["players"], told["distinct_coalitions"]) == (2, 4)
    assert told["evaluations"] == {"unlearn": 0, "repair": 0, "retrain": 4}
    assert (told["fee"], told["distributable"]) == ("2.50", "97.50")
    assert (told["balance"], told["sufficient"]) == ("60.00", False)
    assert told["device_seconds_basis"] == "model"
    assert [each["pointer"] for each in told["licence_problems"]] == ["/datasets/1"]
    assert any("2.5 %" in sentence for sentence in told["terms"])
    allowed = buyer.client.post("/v1/valuations/quote", json=body | {"purpose": "research"})
    assert allowed.json()["licence_problems"] == []
    for table in (Valuation, BuyerGame):
        assert session.scalar(select(func.count()).select_from(table)) == 0


def test_a_quote_refuses_what_posting_refuses(posted: tuple[Any, dict[str, Any]]) -> None:
    buyer, body = posted
    answer = buyer.client.post("/v1/valuations/quote", json=body | {"pool": "1.005"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/pool"


def test_an_order_reads_no_file_that_its_quote_has_read_whichever_process_answered(
    posted: tuple[Any, dict[str, Any]], app: FastAPI
) -> None:
    buyer, body = posted
    body = body | {"purpose": "research", "pool": "50.00"}
    assert buyer.client.post("/v1/valuations/quote", json=body).status_code == 200
    app.state.blobs = BlobStore.from_url("memory://")
    posted_now = buyer.client.post("/v1/valuations", json=body)
    assert posted_now.status_code == 202, posted_now.text
    other = body | {"pool": "5.00", "payout": {"copies": "first"}}
    assert buyer.client.post("/v1/valuations", json=other).status_code == 404, "another question reads them again"


def test_what_was_read_is_kept_to_the_bit_and_not_for_ever(session: Session) -> None:
    answer = FitAnswer(
        labels=("é",),
        encoding={"center": -0.0, "spread": 5e-324},
        shape=(1,),
        test=RowsFitted(rows=1, digest="cd" * 32),
        seats=(),
        members=(),
        order=(),
        raw_test="ef" * 32,
        mix=LabelMix(rows=1, labels={"é": 1.0}, pooled=None, distance=None),
    )
    fit_cache.keep(session, "a" * 64, answer)
    assert repr(fit_cache.kept(session, "a" * 64)) == repr(answer)
    fit_cache.purge(session, repository.now(session) - timedelta(hours=1))
    assert fit_cache.kept(session, "a" * 64) is not None
    fit_cache.purge(session, repository.now(session) + timedelta(seconds=1))
    assert fit_cache.kept(session, "a" * 64) is None


def test_reading_a_jobs_files_is_limited_and_its_failure_ends_no_call_but_its_own(
    posted: tuple[Any, dict[str, Any]], app: FastAPI
) -> None:
    buyer, body = posted
    settings = app.state.settings
    app.state.settings = settings.model_copy(update={"parse_seconds": 0.0001})
    answer = buyer.client.post("/v1/valuations/quote", json=body)
    assert answer.status_code == 422, answer.text
    assert "the job's files: reading it took more than 0.0001 seconds" in answer.json()["detail"]
    app.state.settings = settings
    assert buyer.client.post("/v1/valuations/quote", json=body).status_code == 200


def test_device_time_that_has_a_price_is_quoted_and_leaves_something_to_divide(
    posted: tuple[Any, dict[str, Any]], app: FastAPI
) -> None:
    buyer, body = posted
    model = {"name": "mlp", "hyper": {"hidden": 512, "steps": 20_000}}
    body = body | {"purpose": "research", "pool": "50.00", "model": model}
    free = buyer.client.post("/v1/valuations/quote", json=body).json()
    assert (free["compute"], free["distributable"]) == ("0.00", "50.00")
    settings = app.state.settings
    app.state.settings = settings.model_copy(update={"compute_prices": {"EUR": Decimal(3600)}})
    told = buyer.client.post("/v1/valuations/quote", json=body).json()
    most = math.ceil(100 * told["device_seconds"]) / 100  # a euro a second
    assert float(told["compute"]) == pytest.approx(most)
    assert float(told["distributable"]) == pytest.approx(50.0 - most)
    assert any("Device time is charged at 3600 EUR an hour" in each for each in told["terms"])
    app.state.settings = settings.model_copy(update={"compute_prices": {"EUR": Decimal(1_000_000)}})
    for path in ("/v1/valuations/quote", "/v1/valuations"):
        dear = buyer.client.post(path, json=body | {"pool": "1.00"})
        assert dear.status_code == 422, dear.text
        assert "leave nothing of the pool to divide" in dear.json()["errors"][0]["detail"]
    other = buyer.client.post("/v1/valuations/quote", json=body | {"currency": "USD"}).json()
    assert other["compute"] == "0.00", "a currency without a price is free"


@pytest.mark.parametrize("n", [13, 16, 31, 32, 33, 40, 50])
def test_a_sampled_grid_has_no_more_coalitions_than_were_quoted(n: int) -> None:
    """At powers of two the grid's own are as many as a quote once said in all, without those that are retrained."""
    quoted = expected_evaluations(order(), [str(i) for i in range(n)])
    plan = quoted["retrain"] - 2
    drawn, _ = sampled_design(n, [(i,) for i in range(n)], plan, np.random.default_rng(0))
    assert len(drawn) + 2 <= quoted["unlearn"]
