"""Jobs on the features of a model that timm computes: quoted, valued as on the command line, verified; no adapters."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.errors import InvalidInput
from tests.frozen_models import offered, pictures, write_timm
from tests.place import Place, finished, order, zipped


@pytest.fixture
def convnext(tmp_path: Path) -> Path:
    write_timm(tmp_path / "model", "convnext_tiny", 32, 5, depths=[1, 1, 1, 1], dims=[8, 8, 16, 16])
    return tmp_path / "model"


def test_images_are_valued_on_a_convnext_as_on_the_command_line_and_hold_when_verified(
    place: Place, hand: Any, convnext: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(convnext), architecture="backbone")
    read = offered(place, pictures, {"target": "label", "modality": "image"})
    head = {"name": "logistic", "hyper": {"l2": 0.01}}
    body = order(read, model=head, base=model) | {"metric": "log_loss"}
    quote = place.client("buyer").post("/v1/valuations/quote", json=body).json()
    assert quote["device_seconds"] > 0
    assert any(
        "The base is a convnext_tiny, which workers compute by the package timm" in each for each in quote["notes"]
    )
    _, values = finished(place, hand, body)
    assert values["full_worth"] > values["empty_worth"] + 0.1, "light and dark are told apart"

    for seed, name in [*enumerate(("tides", "sums", "third")), (9, "test")]:
        (tmp_path / f"{name}.zip").write_bytes(pictures(seed, 20 if name == "test" else 14))
    offers = [f"--provider={name}={tmp_path / name}.zip" for name in ("tides", "sums", "third")]
    given = [f"--test={tmp_path / 'test.zip'}", "--target=label", "--metric=log_loss", "--seed=3", "--threads=1"]
    out = tmp_path / "out.json"
    asked = ["value", *offers, *given, f"--backbone={convnext}"]
    done = CliRunner().invoke(cli, [*asked, "--model=logistic:l2=0.01", f"--json={out}"])
    assert done.exit_code == 0, done.output
    local = {player["digest"]: player["value"] for player in json.loads(out.read_text())["players"]}
    assert {player["digest"]: player["value"] for player in values["players"]} == local
    verified = CliRunner().invoke(cli, ["verify", str(out), *offers, "--worths=2"])
    assert verified.exit_code == 0, verified.output
    assert "The result holds" in verified.output

    refused = CliRunner().invoke(cli, [*asked, "--model=lora:rank=2"])
    assert isinstance(refused.exception, InvalidInput)
    assert "is a convnext_tiny, which timm computes as it is" in str(refused.exception)
    adapters = body | {"model": {"name": "lora", "hyper": {"rank": 2}}}
    told = place.client("buyer").post("/v1/valuations", json=adapters)
    assert (told.status_code, told.json()["errors"][0]["pointer"]) == (422, "/base")
    assert "is a convnext_tiny, which timm computes as it is: lora has no place" in told.json()["detail"]
