"""Networks that predict a number, of columns and of images: quoted, valued, verified, and forgotten again."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.datasets.tables import DatasetKind
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod
from tests.app.erasure.forgetting import keep, record_of, step, value, withdraw
from tests.market import Hand, Market
from tests.place import Place, finished, order
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

NAMES = ("tides", "sums", "third")
SIDE = 8


def columns(seed: int, count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 3)).round(3)
    return X.astype(np.float32), (2000.0 + 300.0 * (X @ np.array([1.0, -0.5, 0.25]) + 0.2 * rng.normal(size=count)))


def images(seed: int, count: int) -> tuple[Any, Any]:
    """Squares on noise, and how bright they are, tenfold."""
    rng = np.random.default_rng(seed)
    bright = rng.random(count)
    X = 0.1 * rng.random((count, SIDE, SIDE))
    X[:, 2:6, 2:6] += bright[:, None, None]
    return X.astype(np.float32), 10.0 * bright + 0.1 * rng.normal(size=count)


def npz(part: tuple[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, X=part[0], y=part[1])
    return buffer.getvalue()


CASES = [
    ("mlp", columns, "array", {"hidden": 8, "steps": 40, "lr": 0.05}),
    ("cnn", images, "image", {"channels": 4, "steps": 30, "lr": 0.02}),
]


@pytest.mark.parametrize(("learner", "made", "modality", "hyper"), CASES)
def test_a_network_tells_a_number_as_the_command_line_does_and_is_verified(
    place: Place, hand: Any, tmp_path: Path, learner: str, made: Any, modality: str, hyper: dict[str, Any]
) -> None:
    said = {"target": "y", "format": "npz", "modality": modality}
    datasets = [place.dataset(name, npz(made(seed, 30)), **said) for seed, name in enumerate(NAMES)]
    read = {"datasets": datasets, "test_dataset": place.dataset("buyer", npz(made(9, 50)), **said)}
    body = order(read, model={"name": learner, "hyper": hyper}, metric="r2", target_is="number")
    quote = place.client("buyer").post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
    _, values = finished(place, hand, body)
    assert values["full_worth"] > 0.5
    assert values["empty_worth"] == pytest.approx(0.0, abs=1e-9)
    for seed, name in [*enumerate(NAMES), (9, "test")]:
        (tmp_path / f"{name}.npz").write_bytes(npz(made(seed, 50 if name == "test" else 30)))
    offers = [f"--provider={name}={tmp_path / name}.npz" for name in NAMES]
    out, model = tmp_path / "out.json", ",".join(f"{name}={value}" for name, value in hyper.items())
    asked = [f"--test={tmp_path / 'test.npz'}", "--target=y", "--metric=r2", "--seed=3", "--threads=1"]
    told = CliRunner().invoke(cli, ["value", *offers, *asked, f"--model={learner}:{model}", f"--json={out}"])
    assert told.exit_code == 0, told.output
    local = {player["digest"]: player["value"] for player in json.loads(out.read_text())["players"]}
    assert {player["digest"]: player["value"] for player in values["players"]} == local
    verdict = CliRunner().invoke(cli, ["verify", str(out), *offers, "--worths=2"])
    assert verdict.exit_code == 0, verdict.output


@pytest.mark.parametrize("method", [WithdrawalMethod.RETRAIN, WithdrawalMethod.FINETUNE_RETAINED])
@pytest.mark.parametrize(("learner", "made", "modality", "hyper"), CASES)
def test_a_network_of_numbers_forgets_a_withdrawn_dataset(
    market: Market, hand: Hand, learner: str, made: Any, modality: str, hyper: dict[str, Any], method: WithdrawalMethod
) -> None:
    parts = [made(1, 30), made(2, 30), made(3, 30)]
    parts[2] = (parts[2][0], parts[2][1] + np.ptp(parts[2][1]))  # all of its numbers are too high
    owners = market.providers[:3]
    market.datasets[:] = [
        market.add_dataset(owner, DatasetKind.TRAIN, *part) for owner, part in zip(owners, parts, strict=True)
    ]
    market.test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *made(9, 50))
    players = [PlayerData(str(number), *part) for number, part in enumerate(parts)]
    whole = Evaluator(Problem(players, Rows(*made(9, 50)), 1, LearnerSpec(learner, hyper), "rmse", seed=3))
    trained = whole.learner.layout.unpack(whole.context.full)
    weights = {name: np.ascontiguousarray(each.astype(np.float32)) for name, each in trained.items()}
    columns = {"architecture": Architecture(learner), "hyper": hyper, "unlearning": method}
    model = keep(market, market.buyer, weights, **columns)
    value(market, hand, model, metric="rmse", target_is="number")
    withdraw(market, 2)
    step(hand)
    record = record_of(market, model)
    assert (record["method"], record["outcome"]) == (method.value, "unlearned")
    assert record["rmse"]["after"] < record["rmse"]["before"]
    after, before = record["residual"]["after"], record["residual"]["before"]
    assert after["rms_difference"] < before["rms_difference"]
    assert (after["rms_difference"] == 0.0) == (method is WithdrawalMethod.RETRAIN)
