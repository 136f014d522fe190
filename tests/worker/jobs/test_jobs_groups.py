"""Whole jobs whose test rows were drawn in groups: order, quote, result, certificate, page and command line."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.valuations.results import certificates
from tests.frozen_models import offered, sentences
from tests.place import Place, finished, order, zipped

PROVIDERS = ("tides", "sums", "third")


def visits(seed: int, patients: int, each: int, named: str = "") -> bytes:
    """A table of visits: a patient's are nearly alike. Where it is ``named`` there is a column of patients."""
    rng = np.random.default_rng(seed)
    own = np.repeat(rng.normal(size=(patients, 2)), each, axis=0)
    X = own + 0.1 * rng.normal(size=own.shape)
    y = np.where(np.repeat(own[::each].sum(axis=1), each) > 0, "ill", "well")
    lines = [f"{named},a,b,label" if named else "a,b,label"]
    for row, (values, label) in enumerate(zip(X, y, strict=True)):
        whose = [f"patient {row // each}"] if named else []
        lines.append(",".join([*whose, *(f"{value:.4f}" for value in values), label]))
    return ("\n".join(lines) + "\n").encode()


def table_order(place: Place, **more: Any) -> dict[str, Any]:
    said = {"modality": "tabular", "target": "label", "format": "csv"}
    datasets = [place.dataset(name, visits(at, 30, 1), **said) for at, name in enumerate(PROVIDERS)]
    test = place.dataset("buyer", visits(9, 25, 6, "patient"), kind="test", **said)
    body = {"datasets": datasets, "test_dataset": test, "model": {"name": "logistic", "hyper": {"l2": 0.01}}}
    return order(body, **({"metric": "clipped_log_loss", "test_group": "patient"} | more))


def test_a_job_counts_by_groups_of_test_rows_from_its_quote_to_its_page(
    place: Place, hand: Any, tmp_path: Path
) -> None:
    buyer = place.client("buyer")
    body = table_order(place)
    quote = buyer.post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
    (width,) = [note for note in quote.json()["notes"] if "25 groups" in note]
    assert "150 test rows" in width
    assert "More groups are the cheapest way" in width

    path, values = finished(place, hand, body)
    assert (values["chance"]["units"], values["chance"]["within"]) == (25, 150)
    assert "on 150 test rows in 25 groups" in values["gain"]["basis"]
    signed = buyer.get(f"{path}/certificate").json()
    assert certificates.is_genuine(signed, signed["public_key"])
    assert signed["certificate"]["chance"]["within"] == 150
    assert signed["certificate"]["spec"]["test_group"] == "patient"
    buyer.post("/login", data={"token": buyer.headers["Authorization"].removeprefix("Bearer ")})
    assert "in 25 groups" in buyer.get(f"{path}/report").text

    # a provider sees when the test set was there: after its own rows, so it could have been picked
    provider = place.client("tides")
    told = provider.get("/v1/me/valuations").json()["items"][0]["measured_on"]
    made = provider.get(f"/v1/datasets/{body['datasets'][0]}").json()["created_at"]
    assert datetime.fromisoformat(told["uploaded_at"]) > datetime.fromisoformat(made)
    assert told["late"] is True
    assert sorted(signed["certificate"]["late_test"]["datasets"]) == sorted(body["datasets"])
    assert any("Late test set" in note for note in [*quote.json()["notes"]])
    assert any("Late test set" in note for note in values["notes"])
    refused = buyer.post("/v1/valuations/quote", json=body | {"test_first": True})
    assert (refused.status_code, "test_first" in refused.text) == (422, True)

    # rows by themselves: the same values, and intervals that are too sure
    _, apart = finished(place, hand, body | {"test_group": None, "features": {"leave_out": ["patient"]}})
    assert apart["chance"]["within"] is None
    for grouped, by_rows in zip(values["players"], apart["players"], strict=True):
        assert grouped["value"] == by_rows["value"]
    assert values["gain"]["stderr"] > 1.5 * apart["gain"]["stderr"]

    for at, name in enumerate(PROVIDERS):
        (tmp_path / f"{name}.csv").write_bytes(visits(at, 30, 1))
    (tmp_path / "test.csv").write_bytes(visits(9, 25, 6, "patient"))
    offers = [f"--provider={name}={tmp_path / name}.csv" for name in PROVIDERS]
    asked = [f"--test={tmp_path / 'test.csv'}", "--target=label", "--metric=clipped_log_loss", "--seed=3"]
    out = tmp_path / "out.json"
    local = CliRunner().invoke(
        cli, ["value", *offers, *asked, "--test-group=patient", "--model=logistic:l2=0.01", f"--json={out}"]
    )
    assert local.exit_code == 0, local.output
    assert "The 150 test units were drawn in 25 groups" in " ".join(local.output.split())
    document = json.loads(out.read_text())
    assert document["chance"]["halves"] == values["chance"]["halves"]
    assert {p["digest"]: p["share_ci"] for p in document["players"]} == {
        p["digest"]: p["share_ci"] for p in values["players"]
    }
    verified = CliRunner().invoke(cli, ["verify", str(out), *offers, "--intervals"])
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("group", "said"),
    [("ward", "no such column to group test rows by"), ("label", "is the target")],
)
def test_a_column_that_cannot_group_is_refused_and_nothing_is_held(place: Place, group: str, said: str) -> None:
    answer = place.client("buyer").post("/v1/valuations", json=table_order(place, test_group=group))
    assert answer.status_code == 422, answer.text
    assert said in answer.text
    assert place.market.scalar("SELECT count(*) FROM valuations") == 0


def test_texts_for_a_frozen_model_are_grouped_by_a_column_beside_them(place: Place, hand: Any, encoder: Path) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    lines = [json.loads(line) for line in sentences(9, 20).splitlines()]
    told = [json.dumps(line | {"reader": f"reader {at % 5}"}) for at, line in enumerate(lines)]
    test = place.dataset("buyer", "\n".join(told).encode(), kind="test", target="label", format="jsonl")
    body = order(read | {"test_dataset": test}, model={"name": "logistic", "hyper": {"l2": 0.01}}, base=model)
    _, values = finished(place, hand, body | {"test_group": "reader"})
    assert (values["chance"]["units"], values["chance"]["within"]) == (5, 20)
