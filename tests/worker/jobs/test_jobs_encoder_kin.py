"""Jobs on encoders that are no BERT: a DistilBERT of sentence-transformers under a head, adapters inside an MPNet."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from app.checkpoints import text_encoders
from tests.app.checkpoints.test_checkpoints_text_encoders import CONFIGS
from tests.frozen_models import drawn, offered, sentences, write_encoder
from tests.outside_packages import outside_package
from tests.place import Place, finished, order
from tests.published_decoders import write_published_encoder
from worker.loading.extractor import read_extractor


def written(folder: Path, kind: str, pooling: dict[str, bool] | None = None) -> Path:
    """A folder of this kind with its library's own names of weights."""
    write_encoder(folder)
    family = text_encoders.encoder(CONFIGS[kind], "it")
    named = {}
    for name, array in drawn(dict(family.shapes), 0).items():
        for theirs, ours in family.renamed:
            name = name.replace(ours, theirs)
        named[name] = array
    safetensors.numpy.save_file(named, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIGS[kind]))
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
        listed = [{"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling")]
        (folder / "modules.json").write_text(json.dumps(listed))
    return folder


def packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(path, f"model/{path.relative_to(folder)}")
    return content.getvalue()


def test_a_folder_of_sentence_transformers_is_pooled_as_it_says_and_valued(
    place: Place, hand: Any, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "model", "DistilBert", {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": False}
    )
    model = place.checkpoint(packed(folder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    body = order(read, model={"name": "logistic", "hyper": {"l2": 0.01}}, base=model) | {"metric": "log_loss"}
    _, values = finished(place, hand, body)
    assert values["full_worth"] > values["empty_worth"]
    text = ["the sea and the ship"]
    by_first = read_extractor(folder, "text", context=16).features(iter(text))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    by_mean = read_extractor(folder, "text", context=16).features(iter(text))
    assert abs(by_first - by_mean).max() > 0.01
    plain = place.checkpoint(packed(folder), architecture="encoder", hyper={"context": 16})
    digests = [place.client("buyer").get(f"/v1/checkpoints/{each}").json()["digest"] for each in (model, plain)]
    assert digests[0] != digests[1], "another pooling is another model"


@pytest.mark.parametrize("learner", ["logistic", "lora"])
def test_a_modernbert_is_valued_under_a_head_and_with_adapters(
    place: Place, hand: Any, tmp_path: Path, learner: str
) -> None:
    transformers = outside_package("transformers", reason="transformers is not installed: nothing computes this")
    write_published_encoder(tmp_path / "model", "ModernBertForMaskedLM", transformers)
    model = place.checkpoint(packed(tmp_path / "model"), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    hyper = {"l2": 0.01} if learner == "logistic" else {"rank": 2, "steps": 12, "batch": 8, "lr": 0.01}
    body = order(read, model={"name": learner, "hyper": hyper}, base=model) | {"metric": "log_loss"}
    quote = place.client("buyer").post("/v1/valuations/quote", json=body).json()
    assert any("The base is a ModernBertModel, which workers compute by" in note for note in quote["notes"])
    _, values = finished(place, hand, body)
    assert values["full_worth"] > values["empty_worth"]


def test_adapters_are_put_inside_an_mpnet(place: Place, hand: Any, tmp_path: Path) -> None:
    folder = written(tmp_path / "model", "MPNet")
    model = place.checkpoint(packed(folder), architecture="encoder", hyper={"context": 16})
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    hyper = {"rank": 2, "steps": 12, "batch": 8, "lr": 0.01}
    body = order(read, model={"name": "lora", "hyper": hyper}, base=model) | {"metric": "log_loss"}
    _, values = finished(place, hand, body)
    assert values["full_worth"] > values["empty_worth"]
    (game,) = place.market.rows("SELECT frozen FROM games")
    assert game[0]["learner"]["hyper"]["offset"] == 2


@pytest.mark.parametrize(
    ("pooling", "says"),
    [
        ({"pooling_mode_lasttoken": True}, "pools by pooling_mode_lasttoken"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, "one of them"),
    ],
)
def test_a_pooling_that_is_not_computed_is_refused_at_upload(
    place: Place, tmp_path: Path, pooling: dict[str, bool], says: str
) -> None:
    folder = written(tmp_path / "model", "Roberta", pooling)
    made = place.client("buyer").post("/v1/checkpoints", json={"name": "x", "architecture": "encoder"}).json()["id"]
    refused = place.client("buyer").put(f"/v1/checkpoints/{made}/content", content=packed(folder))
    assert refused.status_code == 422
    assert says in refused.json()["detail"]
