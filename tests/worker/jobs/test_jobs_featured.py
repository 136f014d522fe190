"""Jobs whose rows are a frozen encoder's or backbone's features: through the real API and the real worker."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from typer.testing import CliRunner

from app.checkpoints import families, vision
from app.cli import app as cli
from tests.frozen_models import BERT, drawn, offered, pictures, sentences
from tests.outside_packages import outside_package
from tests.place import Place, finished, order, zipped
from worker.engine.learners.backbones import encoders
from worker.loading.extractor import read_extractor


def test_texts_are_valued_by_a_head_on_a_frozen_encoder_as_on_the_command_line(
    place: Place, hand: Any, encoder: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    head = {"name": "logistic", "hyper": {"l2": 0.01}}
    body = order(read, model=head, base=model)
    body["metric"] = "log_loss"
    assert place.client("buyer").post("/v1/valuations/quote", json=body).json()["device_seconds"] > 0
    _, values = finished(place, hand, body)
    assert values["full_worth"] > values["empty_worth"] + 0.1, "sentences of two kinds are told apart"
    digest = place.client("buyer").get(f"/v1/checkpoints/{model}").json()["digest"]
    assert values["digests"]["base"] == digest

    # another worker takes the features that were stored with the game
    games = hand.runtime.games
    (game,) = list(games._games)
    before = games._games[game][0].problem
    games.forget(game)
    games.forget_features()
    games._bases._held.clear()
    shard = place.market.rows("SELECT id FROM shards WHERE kind = 'evaluate' LIMIT 1")
    assert shard, "there was something to evaluate"
    job = next(iter(hand.runtime.steps._jobs._jobs.values()))
    again = games.evaluator(job).problem
    assert not games._bases._held, "and reads no model for it"
    assert all(np.array_equal(a.X, b.X) for a, b in zip(before.players, again.players, strict=True))

    for seed, name in [*enumerate(("tides", "sums", "third")), (9, "test")]:
        (tmp_path / f"{name}.jsonl").write_bytes(sentences(seed, 20 if name == "test" else 14))
    offers = [f"--provider={name}={tmp_path / name}.jsonl" for name in ("tides", "sums", "third")]
    asked = [f"--test={tmp_path / 'test.jsonl'}", "--target=label", "--metric=log_loss", "--seed=3", "--threads=1"]
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        cli,
        ["value", *offers, *asked, f"--encoder={encoder}", "--model=logistic:l2=0.01,context=16", f"--json={out}"],
    )
    assert result.exit_code == 0, result.output
    local = {p["digest"]: p["value"] for p in json.loads(out.read_text())["players"]}
    assert {p["digest"]: p["value"] for p in values["players"]} == local
    again_ = CliRunner().invoke(cli, ["verify", str(out), *offers, "--worths=2"])
    assert again_.exit_code == 0, again_.output
    assert "The result holds" in again_.output


def test_images_are_valued_on_a_frozen_backbone_and_a_head_starts_partial_mode(
    place: Place, hand: Any, backbone: Path
) -> None:
    model = place.checkpoint(zipped(backbone), architecture="backbone")
    read = offered(place, pictures, {"target": "label", "modality": "image"})
    _, values = finished(
        place, hand, order(read, model={"name": "mlp", "hyper": {"steps": 20}}, base=model) | {"metric": "log_loss"}
    )
    assert values["full_worth"] > values["empty_worth"] + 0.1

    head = place.checkpoint(None, architecture="logistic", base=model)
    weights = {"weight": np.full((2, 16), 0.01, np.float32), "bias": np.zeros(2, np.float32)}
    stored = place.client("buyer").put(f"/v1/checkpoints/{head}/content", content=safetensors.numpy.save(weights))
    assert stored.status_code == 200, stored.text
    _, values = finished(place, hand, order(read, checkpoint=head, mode="partial"))
    assert values["evaluations"]["retrain"] == 0
    assert {"base", "checkpoint"} <= values["digests"].keys()


def test_what_a_frozen_model_cannot_be_shown_is_refused(place: Place, encoder: Path, backbone: Path) -> None:
    texts = place.checkpoint(zipped(encoder), architecture="encoder")
    images = place.checkpoint(zipped(backbone), architecture="backbone")
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    whole = order(read, model={"name": "logistic"}, base=texts)
    for change, pointer, says in (
        ({"base": images}, "/datasets/0", "holds text data, and the backbone takes images"),
        ({"model": {"name": "cnn"}}, "/base", "is no base for cnn"),
        ({"model": {"name": "lm"}}, "/base", "is no base for lm"),
    ):
        refused = place.client("buyer").post("/v1/valuations", json=whole | change)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["pointer"] == pointer
        assert says in refused.json()["detail"]
    client = place.client("buyer")
    for architecture, folder, change, says in (
        ("encoder", encoder, {"hidden_act": "relu"}, "hidden_act is not the plain BERT's"),
        ("encoder", encoder, {"architectures": ["RobertaModel"]}, "only BertModel"),
        ("encoder", encoder, {"num_hidden_layers": 3}, "is missing"),
        ("encoder", encoder, {"vocab_size": 10}, "has shape [40, 16]"),
        ("backbone", backbone, {"architecture": "efficientnet_b99"}, "which timm 1.0.31 does not have"),
        ("backbone", backbone, {"model_args": {"img_size": 30}}, "do not divide"),
        ("backbone", backbone, {"pretrained_cfg": {"std": [0, 1, 1]}}, "std is [0, 1, 1]"),
    ):
        config = folder / "config.json"
        kept = config.read_text()
        config.write_text(json.dumps(json.loads(kept) | change))
        made = client.post("/v1/checkpoints", json={"name": "x", "architecture": architecture}).json()["id"]
        refused = client.put(f"/v1/checkpoints/{made}/content", content=zipped(folder))
        config.write_text(kept)
        assert refused.status_code == 422, refused.text
        assert says in refused.json()["detail"]
    (encoder / "tokenizer.json").unlink()
    made = client.post("/v1/checkpoints", json={"name": "x", "architecture": "encoder"}).json()["id"]
    refused = client.put(f"/v1/checkpoints/{made}/content", content=zipped(encoder))
    assert "there is no tokenizer.json" in refused.json()["detail"]
    long = {"name": "x", "architecture": "encoder", "hyper": {"context": 1000}}
    made = client.post("/v1/checkpoints", json=long).json()["id"]
    assert "context is 1000" in client.put(f"/v1/checkpoints/{made}/content", content=zipped(encoder)).json()["detail"]
    traced = io.BytesIO()
    with zipfile.ZipFile(traced, "w") as archive:  # the form that torch.jit.save writes
        for name in ("it/data.pkl", "it/code/__torch__.py", "it/constants.pkl", "it/version"):
            archive.writestr(name, b"\x80\x02")
    made = client.post("/v1/checkpoints", json={"name": "x", "architecture": "backbone"}).json()["id"]
    refused = client.put(f"/v1/checkpoints/{made}/content", content=traced.getvalue())
    assert "never opened, nor is TorchScript" in refused.json()["detail"]


def test_neither_company_nor_filling_changes_a_feature(encoder: Path, backbone: Path) -> None:
    texts = ["the sea", "two plus two and four " * 4, "salt", "a wave of the sea " * 30]
    found = read_extractor(encoder, "text", context=40)
    together = found.features(iter(texts))
    alone = np.stack([found.features(iter([text]))[0] for text in texts])
    assert np.array_equal(together, alone)
    assert together.shape == (4, 16)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((32, 32), (40, 20))]
    grey = images[0][..., 0]
    seen = read_extractor(backbone, "image")
    rows = seen.features(iter([*images, grey, np.stack([grey] * 3, axis=2)]))
    assert np.array_equal(rows[2], rows[3]), "grey is shown in three channels"
    assert not np.array_equal(rows[0], rows[2])


def test_a_padded_text_has_the_features_of_the_text_alone() -> None:
    family = families.bert(BERT, "it")
    weights = {name: torch.from_numpy(array) for name, array in drawn(family.shapes, 0).items()}
    tokens, there = torch.tensor([[2, 5, 6, 3, 0, 0], [2, 5, 6, 3, 9, 9]]), torch.ones(2, 6, dtype=torch.bool)
    there[:, 4:] = False
    padded = encoders.bert(family.model, weights, tokens, there)
    alone = encoders.bert(family.model, weights, tokens[:1, :4], there[:1, :4])
    assert torch.allclose(padded, alone.expand(2, -1), atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
def test_transformers_computes_the_same_states() -> None:
    transformers = outside_package("transformers")
    torch.manual_seed(0)
    theirs = transformers.BertModel(transformers.BertConfig(**BERT)).eval()
    family = families.bert(BERT, "it")
    weights = {name: array for name, array in theirs.state_dict().items() if not family.is_spare(name)}
    tokens, there = torch.randint(0, 40, (3, 20)), torch.ones(3, 20, dtype=torch.bool)
    there[1, 8:] = False
    with torch.no_grad():
        states = theirs(input_ids=tokens, attention_mask=there.long()).last_hidden_state
    wanted = (states * there[..., None]).sum(1) / there.sum(1, keepdim=True)
    assert torch.allclose(encoders.bert(family.model, weights, tokens, there), wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit_tiny_patch16_224"])
def test_timm_computes_the_same_features(name: str) -> None:
    timm = outside_package("timm")
    torch.manual_seed(0)
    theirs = timm.create_model(name, pretrained=False).eval()
    family = vision.backbone({"architecture": name}, "it")
    weights = {
        label: array
        for label, array in theirs.state_dict().items()
        if not family.is_spare(label) and not label.endswith("num_batches_tracked")
    }
    assert {label: tuple(array.shape) for label, array in weights.items()} == family.shapes
    images = torch.randn(2, 3, 224, 224)

    def features(images: torch.Tensor) -> torch.Tensor:
        known = (family.model, weights)
        if family.name == "resnet":
            return encoders.resnet(*known, images)
        return encoders.vit(*known, encoders.patches(weights, images))

    with torch.no_grad():
        wanted = theirs.forward_head(theirs.forward_features(images), pre_logits=True)
        assert torch.allclose(features(images), wanted, atol=1e-5)
