"""Jobs with boosted trees through the real API and the real worker: missing cells, categories, money, verify."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from contract.learning.learners import Architecture
from tests.app.erasure.forgetting import keep, record_of, step, train, value, withdraw
from tests.market import Hand, Market
from tests.place import PROVIDERS, Place, finished, order

pytest.importorskip("lightgbm", reason="lightgbm is not installed: no trees are grown here")
MODEL = {"name": "boosted_trees", "hyper": {"rounds": 8, "leaves": 4, "least_rows": 3, "categories": 4}}


def table(seed: int, count: int) -> bytes:
    """Rows with a number that is missing here and there, and a category; the label is no linear function of either."""
    rng = np.random.default_rng(seed)
    lines = ["size,colour,label"]
    for _ in range(count):
        size, colour = rng.normal(), rng.choice(["red", "green", "blue"])
        label = "yes" if (size > 0) == (colour == "red") else "no"
        lines.append(f"{'' if rng.random() < 0.1 else f'{size:.3f}'},{colour},{label}")
    return "\n".join(lines).encode() + b"\n"


def offered(place: Place) -> dict[str, Any]:
    said = {"format": "csv", "modality": "tabular", "target": "label"}
    datasets = [place.dataset(name, table(number, 60 + 20 * number), **said) for number, name in enumerate(PROVIDERS)]
    return {"datasets": datasets, "test_dataset": place.dataset("buyer", table(9, 120), **said)}


def test_trees_are_valued_audited_and_paid_and_the_command_line_finds_the_same(
    place: Place, hand: Any, tmp_path: Path
) -> None:
    read = offered(place)
    body = order(read, model=MODEL, metric="roc_auc")
    quote = place.client("buyer").post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
    assert quote.json()["device_seconds"] > 0
    path, values = finished(place, hand, body)
    buyer = place.client("buyer")
    assert buyer.get(path).json()["spec"]["unlearning"]["method"] == "mixture", "the best measured for trees"
    assert values["full_worth"] > 0.8, "which a linear model cannot reach"
    assert sum(player["value"] for player in values["players"]) == pytest.approx(
        values["full_worth"] - values["empty_worth"], abs=1e-9
    )
    paid = buyer.get(f"{path}/payouts").json()
    assert float(paid["divided"]) > 0, "trees gained something, and it is paid for"
    # the same files on the command line are the same values to the last digit, and verify finds them so
    for number, name in enumerate(PROVIDERS):
        (tmp_path / f"{name}.csv").write_bytes(table(number, 60 + 20 * number))
    (tmp_path / "test.csv").write_bytes(table(9, 120))
    hyper = ",".join(f"{name}={number}" for name, number in MODEL["hyper"].items())  # type: ignore[attr-defined]
    out = tmp_path / "out.json"
    files = [f"--provider={name}={tmp_path / name}.csv" for name in PROVIDERS]
    rest = [f"--test={tmp_path / 'test.csv'}", "--target=label", "--metric=roc_auc", "--seed=3", "--threads=1"]
    told = CliRunner().invoke(cli, ["value", *files, *rest, f"--model=boosted_trees:{hyper}", f"--json={out}"])
    assert told.exit_code == 0, told.output
    local = {player["digest"]: player["value"] for player in json.loads(out.read_text())["players"]}
    assert {player["digest"]: player["value"] for player in values["players"]} == local
    verdict = CliRunner().invoke(cli, ["verify", str(out), *files, f"--test={tmp_path / 'test.csv'}"])
    assert verdict.exit_code == 0, verdict.output


@pytest.mark.parametrize("model", ["random_forest", "knn", "svm_rbf"])
def test_an_estimator_by_name_is_valued_and_its_unlearning_audited(place: Place, hand: Any, model: str) -> None:
    hyper = {"trees": 10} if model == "random_forest" else {}
    path, values = finished(place, hand, order(offered(place), model={"name": model, "hyper": hyper}, metric="roc_auc"))
    assert place.client("buyer").get(path).json()["spec"]["unlearning"]["method"] == "mixture"
    assert values["full_worth"] > values["empty_worth"]
    assert sum(player["value"] for player in values["players"]) == pytest.approx(
        values["full_worth"] - values["empty_worth"], abs=1e-9
    )
    made = place.client("buyer").post("/v1/checkpoints", json={"name": "x", "architecture": model})
    assert made.status_code == 422
    assert "are not kept as weights" in made.json()["detail"]


def test_what_trees_cannot_be_asked_is_refused_before_money_is_held(place: Place) -> None:
    read = offered(place)
    for change, says in (
        ({"model": {"name": "boosted_trees", "hyper": {"leaves": 1}}}, "leaves must be a whole number of at least 2"),
        ({"model": {"name": "knn"}, "mode": "partial"}, "learner knn has no partial mode"),
        ({"model": {"name": "boosted_tree"}}, "did you mean 'boosted_trees'"),
        ({"model": MODEL, "unlearning": {"method": "tangent"}}, "not written for learner boosted_trees"),
        ({"model": MODEL, "mode": "partial", "unlearning": {"method": "logit_sum"}}, "no data to repair with"),
    ):
        refused = place.client("buyer").post("/v1/valuations", json=order(read, metric="roc_auc") | change)
        assert refused.status_code == 422, refused.text
        assert says in refused.text
    assert place.market.scalar("SELECT count(*) FROM valuations") == 0


def test_trees_that_forget_a_withdrawn_dataset_are_those_that_never_saw_it(market: Market, hand: Hand) -> None:
    hyper = {"rounds": 5, "leaves": 4, "least_rows": 3, "categories": 2}
    weights = train(market, Architecture.BOOSTED_TREES, **hyper)
    model = keep(market, market.buyer, weights, architecture=Architecture.BOOSTED_TREES, hyper=hyper)
    value(market, hand, model)
    withdraw(market, 2)
    assert step(hand) == ["forget", "unlearn", "forget"]
    record = record_of(market, model)
    assert (record["method"], record["outcome"]) == ("retrain", "unlearned")
    assert record["residual"]["after"]["total_variation"] < 1e-6 < record["residual"]["before"]["total_variation"]
