"""A number predicted from texts: heads on a frozen encoder, and adapters in it, by API, worker and verify."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from tests.frozen_models import KINDS, offered
from tests.place import Place, finished, order, zipped

NAMES = ("tides", "sums", "third")
SAID = {"target": "label", "format": "jsonl"}


def priced(seed: int, count: int) -> bytes:
    """Texts of eight words, and how many of them are of the sea, tenfold and not quite."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        sea = int(rng.integers(0, 9))
        words = [*rng.choice(KINDS["sea"], sea), *rng.choice(KINDS["sums"], 8 - sea)]
        lines.append(json.dumps({"text": " ".join(rng.permutation(words)), "label": round(10 * sea + rng.normal(), 3)}))
    return "\n".join(lines).encode()


def test_a_ridge_on_a_frozen_encoder_tells_a_number_exactly_unlearned_and_verified(
    place: Place, hand: Any, encoder: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read = offered(place, priced, SAID)
    body = order(read, model={"name": "ridge", "hyper": {"l2": 0.01}}, base=model, metric="r2", target_is="number")
    quote = place.client("buyer").post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
    path, values = finished(place, hand, body)
    assert values["full_worth"] > 0.3, "the encoder's features tell something of the number"
    assert place.client("buyer").get(path).json()["spec"]["unlearning"]["method"] == "statistics"
    for seed, name in [*enumerate(NAMES), (9, "test")]:
        (tmp_path / f"{name}.jsonl").write_bytes(priced(seed, 20 if name == "test" else 14))
    offers = [f"--provider={name}={tmp_path / name}.jsonl" for name in NAMES]
    asked = [f"--test={tmp_path / 'test.jsonl'}", "--target=label", "--metric=r2", "--seed=3", "--threads=1"]
    out = tmp_path / "out.json"
    told = CliRunner().invoke(
        cli, ["value", *offers, *asked, f"--encoder={encoder}", "--model=ridge:l2=0.01,context=16", f"--json={out}"]
    )
    assert told.exit_code == 0, told.output
    local = {player["digest"]: player["value"] for player in json.loads(out.read_text())["players"]}
    assert {player["digest"]: player["value"] for player in values["players"]} == local
    verdict = CliRunner().invoke(cli, ["verify", str(out), *offers, "--worths=2"])
    assert verdict.exit_code == 0, verdict.output


def test_adapters_in_an_encoder_tell_a_number(place: Place, hand: Any, encoder: Path) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    learner = {"name": "lora", "hyper": {"rank": 2, "steps": 60, "lr": 0.01}}
    body = order(offered(place, priced, SAID), model=learner, base=model, metric="r2", fidelity="retrain")
    _, values = finished(place, hand, body)
    assert values["full_worth"] > 0.3
    assert values["empty_worth"] == pytest.approx(0.0, abs=1e-9), "the mean of the test set's targets"


def test_what_is_no_number_is_refused_before_money_is_held(place: Place, encoder: Path) -> None:
    def worded(seed: int, count: int) -> bytes:
        return priced(seed, count).replace(b'"label": ', b'"label": "about ').replace(b"}", b'"}')

    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read, words = offered(place, priced, SAID), offered(place, worded, SAID)
    ridge = {"model": {"name": "ridge"}, "base": model, "metric": "r2"}
    for datasets, change, says in (
        (words, ridge, "is to be predicted as a number, and"),
        (words | {"test_dataset": read["test_dataset"]}, ridge, "what is in it is its provider's to see"),
        (read, ridge | {"label_map": {"1": "2"}}, "label_map is of classes; leave it out"),
        (read, {"model": {"name": "logistic"}, "base": model, "metric": "accuracy"}, "predict it as a number"),
        (read, {"model": {"name": "logistic"}, "base": model, "metric": "r2"}, "scores predictions of a number"),
    ):
        refused = place.client("buyer").post("/v1/valuations", json=order(datasets, **change))
        assert refused.status_code == 422, refused.text
        assert says in refused.text
    assert place.market.scalar("SELECT count(*) FROM valuations") == 0
