"""Jobs that train adapters inside an encoder or a backbone: through the real API and the real worker, and the same on
the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from typer.testing import CliRunner

from app.checkpoints import families, vision
from app.checkpoints.lora_shapes import lora_shapes
from app.cli import app as cli
from app.errors import CherishError
from contract.architectures.model_folder import ModelFacts
from tests.frozen_models import BERT, VIT, offered, pictures, sentences
from tests.place import Place, finished, order, zipped
from worker.engine.learners.lora_classifier import AdaptedEncoder
from worker.loading.extractor import read_extractor

HYPER = {"rank": 2, "steps": 6, "batch": 8, "lr": 0.01}
TOLD = ",".join(f"{name}={value}" for name, value in HYPER.items())


def learner_on(folder: Path, kind: str, shape: tuple[int, ...]) -> AdaptedEncoder:
    found = read_extractor(folder, kind)
    return AdaptedEncoder({**HYPER, "heads": 2}, shape, 2, found.weights)


def valued(tmp_path: Path, make: Any, suffix: str, *asked: str) -> dict[str, Any]:
    """The result of ``cherish value`` on the files that ``offered`` uploads."""
    for seed, name in [*enumerate(("tides", "sums", "third")), (9, "test")]:
        (tmp_path / f"{name}.{suffix}").write_bytes(make(seed, 20 if name == "test" else 14))
    offers = [f"--provider={name}={tmp_path / name}.{suffix}" for name in ("tides", "sums", "third")]
    out = tmp_path / "out.json"
    whole = ["value", *offers, f"--test={tmp_path / 'test'}.{suffix}", "--target=label", "--metric=log_loss"]
    result = CliRunner().invoke(cli, [*whole, "--seed=3", "--threads=1", f"--json={out}", *asked])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_adapters_in_an_encoder_are_valued_as_on_the_command_line_to_the_last_digit(
    place: Place, hand: Any, encoder: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    body = order(read, model={"name": "lora", "hyper": HYPER}, base=model) | {"metric": "log_loss"}
    quote = place.client("buyer").post("/v1/valuations/quote", json=body).json()
    assert quote["device_seconds"] > 0
    path, values = finished(place, hand, body)
    spec = place.client("buyer").get(path).json()["spec"]
    assert spec["unlearning"]["method"] == "merge"
    worths = [player["value"] for player in values["players"]]
    assert sum(worths) == pytest.approx(values["full_worth"] - values["empty_worth"], abs=1e-9)
    labels = [json.loads(line)["label"] for line in sentences(9, 20).splitlines()]
    often = np.unique(labels, return_counts=True)[1] / 20
    assert values["empty_worth"] == pytest.approx((often * np.log(often)).sum()), "the best that knows no text"

    found = valued(tmp_path, sentences, "jsonl", f"--encoder={encoder}", f"--model=lora:{TOLD},context=16")
    local = {p["digest"]: p["value"] for p in found["players"]}
    assert {p["digest"]: p["value"] for p in values["players"]} == local
    again = CliRunner().invoke(cli, ["verify", str(tmp_path / "out.json"), "--worths=2"])
    assert "The result follows from its worths" in again.output, again.output

    # a game that is loaded again has the models that were prepared, and reads rows and encoder anew
    games = hand.runtime.games
    (game,) = list(games._games)
    before = games._games[game][0]
    games.forget(game)
    games.forget_features()
    job = next(iter(hand.runtime.steps._jobs._jobs.values()))
    loaded = games.evaluator(job)
    assert all(np.array_equal(a.X, b.X) for a, b in zip(before.problem.players, loaded.problem.players, strict=True))
    assert loaded.full_worth == before.full_worth


def test_adapters_in_a_backbone_start_partial_mode_in_the_service_and_on_the_command_line(
    place: Place, hand: Any, backbone: Path, tmp_path: Path
) -> None:
    learner = learner_on(backbone, "image", (3, 32, 32))
    arrays = learner.layout.unpack(learner.start(1))
    arrays["blocks.0.attn.qkv.lora_B.weight"] += np.float32(0.05)
    arrays["head.weight"] += np.linspace(-0.1, 0.1, 32, dtype=np.float32).reshape(2, 16)
    model = place.checkpoint(zipped(backbone), architecture="backbone")
    adapters = place.checkpoint(None, architecture="lora", base=model, hyper=HYPER)
    weights = safetensors.numpy.save(arrays)
    stored = place.client("buyer").put(f"/v1/checkpoints/{adapters}/content", content=weights)
    assert stored.status_code == 200, stored.text
    read = offered(place, pictures, {"target": "label", "modality": "image"})
    body = order(read, checkpoint=adapters, mode="partial") | {"metric": "log_loss"}
    _, values = finished(place, hand, body)
    assert (values["evaluations"]["retrain"], values["source"]) == (0, "unlearn:mixture")
    assert {"base", "checkpoint"} <= values["digests"].keys()
    seen = place.client("buyer").get(f"/v1/checkpoints/{adapters}/lineage").json()["items"]
    assert {each["dataset_id"] for each in seen} == set(read["datasets"])

    (tmp_path / "m.safetensors").write_bytes(weights)
    asked = [f"--backbone={backbone}", "--mode=partial", f"--checkpoint={tmp_path / 'm.safetensors'}"]
    found = valued(tmp_path, pictures, "zip", *asked, f"--model=lora:{TOLD}")
    assert {p["digest"]: p["value"] for p in values["players"]} == {p["digest"]: p["value"] for p in found["players"]}


def test_adapters_in_a_resnet_are_valued_as_on_the_command_line_to_the_last_digit_and_start_partial_mode(
    place: Place, hand: Any, resnet: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(resnet), architecture="backbone")
    read = offered(place, pictures, {"target": "label", "modality": "image"})
    body = order(read, model={"name": "lora", "hyper": HYPER}, base=model) | {"metric": "log_loss"}
    quote = place.client("buyer").post("/v1/valuations/quote", json=body).json()
    assert quote["device_seconds"] > 0
    _, values = finished(place, hand, body)
    assert values["empty_worth"] == pytest.approx(-np.log(2), abs=1e-6), "nobody's model prefers no class"
    assert values["full_worth"] != values["empty_worth"]
    found = valued(tmp_path, pictures, "zip", f"--backbone={resnet}", f"--model=lora:{TOLD}")
    assert {p["digest"]: p["value"] for p in values["players"]} == {p["digest"]: p["value"] for p in found["players"]}

    learner = learner_on(resnet, "image", (3, 32, 32))
    arrays = learner.layout.unpack(learner.start(1))
    arrays["layer2.0.downsample.0.lora_B.weight"] += np.float32(0.05)
    arrays["head.weight"] += np.linspace(-0.1, 0.1, 32, dtype=np.float32).reshape(2, 16)
    adapters = place.checkpoint(None, architecture="lora", base=model, hyper=HYPER)
    weights = safetensors.numpy.save(arrays)
    stored = place.client("buyer").put(f"/v1/checkpoints/{adapters}/content", content=weights)
    assert stored.status_code == 200, stored.text
    body = order(read, checkpoint=adapters, mode="partial") | {"metric": "log_loss"}
    _, values = finished(place, hand, body)
    assert (values["evaluations"]["retrain"], values["source"]) == (0, "unlearn:mixture")


@pytest.mark.parametrize(("config", "kind"), [(BERT, "text"), (VIT, "image")])
def test_the_services_table_of_adapters_is_the_learners(config: dict[str, Any], kind: str, request: Any) -> None:
    folder = request.getfixturevalue("encoder" if kind == "text" else "backbone")
    learner = learner_on(folder, kind, (16,) if kind == "text" else (3, 32, 32))
    family = families.bert(config, "it") if kind == "text" else vision.backbone(config, "it")
    facts = ModelFacts(family=family.name, sizes=family.sizes)
    assert lora_shapes(facts, 2, 2) == {slot.name: slot.shape for slot in learner.layout.slots}


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_the_services_table_of_adapters_in_a_resnet_is_the_learners(architecture: str) -> None:
    family = vision.backbone({"architecture": architecture}, "it")
    weights = {name: torch.zeros(1).expand(shape) for name, shape in family.shapes.items()}
    learner = AdaptedEncoder(HYPER, (3, 224, 224), 2, weights)
    facts = ModelFacts(family=family.name, sizes=family.sizes)
    assert lora_shapes(facts, 2, 2) == {slot.name: slot.shape for slot in learner.layout.slots}


def test_adapters_that_do_not_fit_are_refused_with_the_mend_and_nothing_is_held(
    place: Place, encoder: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    whole = order(read, model={"name": "lora", "hyper": HYPER}, base=model) | {"metric": "log_loss"}
    wrong = place.checkpoint(None, architecture="lora", base=model, hyper={"rank": 3})
    arrays = learner_on(encoder, "text", (16,))
    content = safetensors.numpy.save(arrays.layout.unpack(arrays.start(0)))
    assert place.client("buyer").put(f"/v1/checkpoints/{wrong}/content", content=content).status_code == 200
    for change, pointer, says in (
        ({"base": None}, "/base", "lora needs a base"),
        ({"model": {"name": "lora", "hyper": {"context": 16}}}, "/model/hyper/context", "no hyper-parameter"),
        ({"model": {"name": "lora", "hyper": {"heads": 4}}}, "/model/hyper/heads", "no hyper-parameter"),
        ({"model": None, "base": None, "checkpoint": wrong}, "/checkpoint", "has shape [2, 16]"),
    ):
        refused = place.client("buyer").post("/v1/valuations", json=whole | change)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["pointer"] == pointer
        assert says in refused.json()["detail"]
    assert place.market.scalar("SELECT count(*) FROM valuations") == 0
    for asked, words in (
        ([f"--encoder={encoder}", "--model=cnn"], "logistic, mlp or ridge as the head, or lora"),
        (["--model=lora"], "--encoder or --backbone"),
        ([f"--encoder={encoder}", "--model=lora:rank=0"], "rank must be a whole number above 0"),
    ):
        with pytest.raises(CherishError, match=words):
            valued(tmp_path, sentences, "jsonl", *asked)
