"""Whole jobs that measure on rows drawn by lot: order, quote, result, certificate, and verify."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from contract.orders.lot import seed_commitment
from tests.frozen_models import offered, sentences
from tests.place import PROVIDERS, Place, finished, order, zipped

SAID = {"modality": "tabular", "target": "label", "format": "csv"}


def table(seed: int, count: int) -> bytes:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 3))
    y = np.where(X @ [1.0, 2.0, -1.0] + 0.3 * rng.normal(size=count) > 0, "ill", "well")
    lines = ["a,b,c,label"] + [",".join([*(f"{v:.5f}" for v in row), label]) for row, label in zip(X, y, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def table_order(place: Place, **more: Any) -> dict[str, Any]:
    datasets = [place.dataset(name, table(at, 40 + 10 * at), **SAID) for at, name in enumerate(PROVIDERS)]
    test = place.dataset("buyer", table(9, 30), kind="test", **SAID)
    body = {"datasets": datasets, "test_dataset": test, "model": {"name": "logistic", "hyper": {"l2": 0.01}}}
    return order(body, **({"metric": "clipped_log_loss", "test_lot": {"part": 0.2}} | more))


def test_a_job_measures_on_rows_by_lot_from_its_quote_to_its_certificate(
    place: Place, hand: Any, tmp_path: Path
) -> None:
    buyer = place.client("buyer")
    body = table_order(place)
    quote = buyer.post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
    # 20 % of 40, 50 and 60, and of the last no more than of the one in the middle; beside 30 of the buyer's
    drawn = 8 + 10 + 10
    assert any(f"{30 + drawn} test rows" in note for note in quote.json()["notes"]), quote.json()["notes"]
    assert any("20 % are drawn by lot" in term for term in quote.json()["terms"])

    path, values = finished(place, hand, body)
    lot = values["test_lot"]
    assert (lot["rows"], lot["part"], lot["beside"]) == (drawn, 0.2, True)
    assert seed_commitment(lot["seed"]) == lot["commitment"]
    assert values["chance"]["units"] == 30 + drawn
    trained = place.market.scalar("SELECT sum(value::int) FROM valuations, jsonb_array_elements_text(inputs->'rows')")
    assert trained == 150 - drawn

    # what the test set is of another order's choosing, the lot is not
    _, again = finished(
        place, hand, body | {"test_dataset": place.dataset("buyer", table(11, 35), kind="test", **SAID)}
    )
    assert again["test_lot"]["seed"] == lot["seed"]

    signed = buyer.get(f"{path}/certificate").json()
    assert signed["certificate"]["test_lot"] == lot
    (tmp_path / "certificate.json").write_text(json.dumps(signed))
    verified = CliRunner().invoke(cli, ["verify", str(tmp_path / "certificate.json")])
    assert verified.exit_code == 0, verified.output
    assert f"the lot of {drawn} rows" in " ".join(verified.output.split())

    provider = place.client("tides")
    told = provider.get("/v1/me/valuations").json()["items"][-1]["measured_on"]
    assert (told["rows"], told["lot"]["rows"]) == (30 + drawn, drawn)


def test_alone_they_measure_whatever_the_buyer_picked(place: Place, hand: Any) -> None:
    body = table_order(place, test_lot={"part": 0.2, "beside": False})
    _, values = finished(place, hand, body)
    assert values["chance"]["units"] == values["test_lot"]["rows"] == 28
    picked = table(9, 30).replace(b"ill", b"?").replace(b"well", b"ill").replace(b"?", b"well")
    _, other = finished(place, hand, body | {"test_dataset": place.dataset("buyer", picked, kind="test", **SAID)})
    expected = {each["provider"]: pytest.approx(each["value"]) for each in values["players"]}
    assert {each["provider"]: each["value"] for each in other["players"]} == expected


def test_texts_for_a_frozen_model_are_drawn_too(place: Place, hand: Any, encoder: Path) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    test = place.dataset("buyer", sentences(9, 20), kind="test", target="label", format="jsonl")
    body = order(read | {"test_dataset": test}, model={"name": "logistic", "hyper": {"l2": 0.01}}, base=model)
    _, values = finished(place, hand, body | {"test_lot": {"part": 0.25}})
    assert values["chance"]["units"] == 20 + values["test_lot"]["rows"]
    assert values["test_lot"]["rows"] >= 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"test_group": "a"}, "no groups"),
        ({"mode": "partial"}, "trained on these rows already"),
        ({"test_lot": {"part": 0.9}}, "less than or equal to 0.5"),
    ],
)
def test_an_order_that_cannot_have_them_is_refused(place: Place, more: dict[str, Any], said: str) -> None:
    answer = place.client("buyer").post("/v1/valuations", json=table_order(place, **more))
    assert answer.status_code == 422, answer.text
    assert said in answer.text


def test_of_two_players_each_would_test_the_other_alone(place: Place) -> None:
    body = table_order(place)
    answer = place.client("buyer").post("/v1/valuations", json=body | {"datasets": body["datasets"][:2]})
    assert (answer.status_code, "3 players or more" in answer.text) == (422, True)
