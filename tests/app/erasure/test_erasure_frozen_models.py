"""Withdrawal and what stands on a frozen model: adapters of a language model, adapters inside an encoder, and heads on
features are unlearned as other checkpoints are, and what they stand on stays."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from app.cli.valuing.text import Corpora
from app.datasets.rows.encoding import EncodedRows
from app.http.ids import parse_id
from app.valuations.results import certificates
from contract.architectures.decoder import DecoderSizes
from contract.architectures.model_folder import read_sizes
from tests.app.erasure.forgetting import step
from tests.frozen_models import offered, pictures, sentences
from tests.place import Place, finished, order, zipped
from tests.worker.jobs.test_jobs_language import HYPER, SHAPE, TESTED, TEXTS, corpora
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.lora_classifier import AdaptedEncoder
from worker.loading.extractor import read_extractor, standardised
from worker.loading.frozen_models import frozen_weights, opened
from worker.loading.model_folders import read_adapter, read_base, write_adapter, write_base

INSIDE = {"rank": 2, "steps": 6, "batch": 8, "lr": 0.01}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    learner = LanguageModel({**SHAPE, "rank": 0}, (33,), 256)
    write_base(tmp_path / "base", SHAPE, learner.layout.unpack(learner.start(0)), 256)
    return tmp_path / "base"


def texts_game(base: Path, names: tuple[str, ...], **more: float) -> Evaluator:
    """The language model's game over some providers' texts, as the service's jobs play it."""
    found, make = read_base(base), Corpora(32, None, 256)
    players = []
    for name in names:
        file = base.parent / f"{name}.txt"
        file.write_text(TEXTS[name] * 40)
        whole = [file]
        if name == "third":  # its corpus is two documents
            whole = [file.with_name("a.txt"), file.with_name("b.txt")]
            for part, text in zip(whole, ((TEXTS[name] * 40)[:400], (TEXTS[name] * 40)[400:]), strict=True):
                part.write_text(text)
        X = np.concatenate([block for part in whole for block in make.documents(part, name)[0]])
        y = np.zeros(len(X), dtype=np.int64)
        players.append(PlayerData(name, X, y, EncodedRows(X, y).digest))
    tested = base.parent / "tested.txt"
    tested.write_text(TESTED["tides"] * 12)
    hyper = {**found.hyper, **{key: value for key, value in HYPER.items() if key != "context"}, "alpha": 8.0, **more}
    test = make.rows(tested, "test")
    below = frozen_weights({name: torch.from_numpy(each) for name, each in found.weights.items()})
    return Evaluator(Problem(players, test, 256, LearnerSpec("lm", hyper), "log_loss", seed=3, checkpoint=below))


def adapter_on(place: Place, base: Path, arrays: dict[str, Any], *, half: bool = False, **said: Any) -> tuple[str, str]:
    """(the base's id, that of an adapter on it), in bfloat16 if ``half``."""
    write_adapter(base.parent / "adapter", arrays, int(HYPER["rank"]), 8.0)
    if half:
        file = base.parent / "adapter" / "adapter_model.safetensors"
        found = {name: each.to(torch.bfloat16) for name, each in safetensors.torch.load_file(file).items()}
        safetensors.torch.save_file(found, file)
    below = place.checkpoint(zipped(base))
    return below, place.checkpoint(zipped(base.parent / "adapter"), base=below, hyper=HYPER, **said)


def certificate(place: Place, checkpoint: str) -> dict[str, Any]:
    """What is certified of the checkpoint's one unlearning, its signature checked."""
    buyer = place.client("buyer")
    (duty,) = buyer.get(f"/v1/checkpoints/{checkpoint}/unlearnings").json()["items"]
    signed = buyer.get(f"/v1/checkpoints/{checkpoint}/unlearnings/{duty['id']}/certificate").json()
    assert certificates.is_genuine(signed, signed["public_key"])
    return dict(signed["certificate"])


def withdraw(place: Place, hand: Any, name: str, dataset: str) -> list[str]:
    assert place.client(name).post(f"/v1/datasets/{dataset}/withdraw").status_code == 200
    return step(hand)


def test_an_adapter_trained_anew_is_the_one_that_never_saw_the_texts_to_the_bit(
    place: Place, hand: Any, base: Path
) -> None:
    some = {"rank@k_proj": 0, "rank@up_proj": 0}  # an adapter that stands beside the other projections alone
    full = texts_game(base, ("tides", "sums", "third"), **some)
    arrays = full.learner.layout.unpack(full.context.full)
    below, adapter = adapter_on(place, base, arrays, unlearning="retrain")
    read = corpora(place)
    finished(place, hand, order(read, checkpoint=adapter))
    buyer = place.client("buyer")
    before = buyer.get(f"/v1/checkpoints/{adapter}").json()
    assert withdraw(place, hand, "third", read["datasets"][2])[-1] == "forget"

    record, after = certificate(place, adapter), buyer.get(f"/v1/checkpoints/{adapter}").json()
    assert (record["method"], record["outcome"], record["reason"]) == ("retrain", "unlearned", None)
    assert record["weights"] == {"before": before["digest"], "after": after["digest"]}
    assert (after["version"], after["tensors"], after["base"]) == (2, before["tensors"], below)
    residual = record["residual"]
    assert residual["after"]["total_variation"] == 0.0 < residual["before"]["total_variation"]
    assert record["membership"]["members"] == record["forgotten"]["rows"] > 20
    assert record["membership"]["after"] == record["membership"]["never_saw"]
    with opened(place.market.blobs, after["digest"]) as folder:
        sizes, found = read_adapter(folder, read_sizes(DecoderSizes, read_base(base).hyper))
    assert sizes == {"rank": 2, "alpha": 8.0} | some
    alone = texts_game(base, ("tides", "sums"), **some)
    wanted = alone.learner.layout.unpack(alone.context.full)
    assert all(np.array_equal(found[name], array) for name, array in wanted.items())
    # what stands on the base went, the base did not; and the adapter can be ordered on again
    assert not place.market.blobs.exists(before["digest"])
    assert buyer.get(f"/v1/checkpoints/{below}").json()["version"] == 1
    again = order(read | {"datasets": read["datasets"][:2]}, checkpoint=adapter)
    assert buyer.post("/v1/valuations", json=again).status_code == 202
    # weights that had seen it do not come back under another name
    other = place.checkpoint(None, base=below)
    back = buyer.put(f"/v1/checkpoints/{other}/content", content=zipped(base.parent / "adapter"))
    assert back.status_code == 409
    assert "were unlearned or erased here" in back.json()["detail"]


@pytest.mark.parametrize("method", ["unmerge", "natural_gradient"])
def test_an_adapter_steps_away_from_texts_where_others_are_hidden(
    place: Place, hand: Any, base: Path, method: str
) -> None:
    full = texts_game(base, ("tides", "sums", "third"))
    arrays = full.learner.layout.unpack(full.context.full)
    _, adapter = adapter_on(place, base, arrays, half=True, unlearning=method)
    read = corpora(place)
    finished(place, hand, order(read, checkpoint=adapter, mode="partial"))
    withdraw(place, hand, "sums", read["datasets"][1])
    record = certificate(place, adapter)
    assert (record["method"], record["outcome"]) == (method, "unlearned")
    assert record["remains"]["whole"] is False
    assert "not every other row" in record["residual"]["unmeasured"]
    assert record["membership"]["fell_by"]["value"] > 0, "the texts are less known than they were"
    after = place.client("buyer").get(f"/v1/checkpoints/{adapter}").json()
    assert (after["version"], after["digest"]) == (2, record["weights"]["after"])
    assert {each["dtype"] for each in after["tensors"].values()} == {"BF16"}
    content = place.client("buyer").get(f"/v1/checkpoints/{adapter}/content").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = safetensors.torch.load(archive.read("adapter_model.safetensors"))
    assert {each.dtype for each in found.values()} == {torch.bfloat16}


def test_a_head_on_an_encoder_is_trained_anew_on_the_features_that_its_job_had(
    place: Place, hand: Any, encoder: Path
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    seen = read_extractor(encoder, "text", context=16)
    parts = {}
    for seed, name in [*enumerate(("tides", "sums", "third")), (9, "test")]:
        lines = [json.loads(line) for line in sentences(seed, 20 if name == "test" else 14).splitlines()]
        y = np.array([int(line["label"] == "sums") for line in lines])
        parts[name] = (seen.features(iter([line["text"] for line in lines])), y)
    X, features = standardised(parts["test"][0], [parts[name][0] for name in ("tides", "sums", "third")])

    def weights(names: tuple[str, ...]) -> dict[str, Any]:
        players = [
            PlayerData(name, rows, parts[name][1])
            for name, rows in zip(("tides", "sums", "third"), features, strict=True)
            if name in names
        ]
        problem = Problem(players, Rows(X, parts["test"][1]), 2, LearnerSpec("logistic", {"l2": 0.01}), seed=3)
        found = Evaluator(problem)
        return {n: a.astype(np.float32) for n, a in found.learner.layout.unpack(found.context.full).items()}

    head = place.checkpoint(None, architecture="logistic", base=model, hyper={"l2": 0.01}, unlearning="auto")
    stored = safetensors.numpy.save(weights(("tides", "sums", "third")))
    assert place.client("buyer").put(f"/v1/checkpoints/{head}/content", content=stored).status_code == 200
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    finished(place, hand, order(read, checkpoint=head))
    withdraw(place, hand, "tides", read["datasets"][0])
    record = certificate(place, head)
    assert (record["method"], record["outcome"]) == ("retrain", "unlearned")
    assert record["residual"]["after"]["total_variation"] == 0.0 < record["residual"]["before"]["total_variation"]
    found = safetensors.numpy.load(place.client("buyer").get(f"/v1/checkpoints/{head}/content").content)
    wanted = weights(("sums", "third"))
    assert all(np.allclose(found[name], wanted[name], atol=1e-5) for name in wanted)
    assert place.client("buyer").get(f"/v1/checkpoints/{model}").json()["digest"] is not None


def test_a_head_whose_test_rows_are_gone_is_erased_and_the_certificate_says_why(
    place: Place, hand: Any, encoder: Path
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    head = place.checkpoint(None, architecture="logistic", base=model, unlearning="auto")
    weights = {"weight": np.full((2, 16), 0.01, np.float32), "bias": np.zeros(2, np.float32)}
    place.client("buyer").put(f"/v1/checkpoints/{head}/content", content=safetensors.numpy.save(weights))
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    finished(place, hand, order(read, checkpoint=head))
    content = place.market.scalar("SELECT digest FROM datasets WHERE id = :id", id=parse_id("ds", read["test_dataset"]))
    place.market.blobs.delete(content)
    withdraw(place, hand, "tides", read["datasets"][0])
    record = certificate(place, head)
    assert (record["method"], record["outcome"]) == ("erase", "erased")
    assert "centre and spread of your test rows, which are gone" in record["reason"]


def third_forgotten(
    place: Place, hand: Any, adapters: str, arrays: dict[str, Any], read: dict[str, Any], method: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The adapters are uploaded and valued, the third provider withdraws: its certificate, and what the adapters are
    then, arrays of the same names and shapes."""
    where, buyer = f"/v1/checkpoints/{adapters}/content", place.client("buyer")
    stored = buyer.put(where, content=safetensors.numpy.save(arrays))
    assert stored.status_code == 200, stored.text
    finished(place, hand, order(read, checkpoint=adapters))
    withdraw(place, hand, "third", read["datasets"][2])
    record = certificate(place, adapters)
    assert (record["method"], record["outcome"], record["reason"]) == (method, "unlearned", None)
    assert record["residual"]["before"]["total_variation"] > 0
    found = safetensors.numpy.load(buyer.get(where).content)
    assert {name: array.shape for name, array in found.items()} == {name: each.shape for name, each in arrays.items()}
    return record, found


@pytest.mark.parametrize("method", ["retrain", "neggrad_plus", "unmerge"])
def test_adapters_inside_an_encoder_forget_by_the_owners_method(
    place: Place, hand: Any, encoder: Path, method: str
) -> None:
    model = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    seen = read_extractor(encoder, "text", context=16)
    players = []
    for seed, name in enumerate(("tides", "sums", "third")):
        lines = [json.loads(line) for line in sentences(seed, 14).splitlines()]
        X = seen.inputs(iter([line["text"] for line in lines]))
        y = np.array([int(line["label"] == "sums") for line in lines])
        players.append(PlayerData(name, X, y, EncodedRows(X, y).digest))

    def game(names: tuple[str, ...]) -> Evaluator:
        kept = [player for player in players if player.name in names]
        spec = LearnerSpec("lora", {**INSIDE, "heads": 2})
        test = Rows(players[0].X, players[0].y)
        return Evaluator(Problem(kept, test, 2, spec, seed=3, checkpoint=frozen_weights(seen.weights)))

    full = game(("tides", "sums", "third"))
    adapters = place.checkpoint(None, architecture="lora", base=model, hyper=INSIDE, unlearning=method)
    arrays = full.learner.layout.unpack(full.context.full)
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    record, found = third_forgotten(place, hand, adapters, arrays, read, method)
    if method == "retrain":
        assert record["residual"]["after"]["total_variation"] == 0.0
        alone = game(("tides", "sums"))
        wanted = alone.learner.layout.unpack(alone.context.full)
        assert all(np.array_equal(found[name], array) for name, array in wanted.items())


@pytest.mark.parametrize("method", ["retrain", "unmerge"])
def test_adapters_inside_a_resnet_forget_by_the_owners_method(
    place: Place, hand: Any, resnet: Path, method: str
) -> None:
    base = place.checkpoint(zipped(resnet), architecture="backbone")
    seen = read_extractor(resnet, "image")
    learner = AdaptedEncoder(INSIDE, (3, 32, 32), 2, seen.weights)
    arrays = learner.layout.unpack(learner.start(1))
    for name in arrays:
        arrays[name] += np.float32(0.01)
    adapters = place.checkpoint(None, architecture="lora", base=base, hyper=INSIDE, unlearning=method)
    read = offered(place, pictures, {"target": "label", "modality": "image"})
    record, found = third_forgotten(place, hand, adapters, arrays, read, method)
    if method == "retrain":
        assert record["residual"]["after"]["total_variation"] == 0.0
    assert not np.array_equal(found["layer1.0.conv1.lora_B.weight"], arrays["layer1.0.conv1.lora_B.weight"])


def test_a_text_that_another_job_read_by_its_labels_is_forgotten_as_the_adapters_job_read_it(
    place: Place, hand: Any, base: Path, encoder: Path
) -> None:
    found = read_base(base)
    learner = LanguageModel({**found.hyper, "rank": 2}, (33,), 256, found.weights)
    arrays = learner.layout.unpack(learner.start(1))
    arrays["model.layers.0.mlp.up_proj.lora_B.weight"] += np.float32(0.02)
    _, adapter = adapter_on(place, base, arrays, unlearning="retrain")
    read = offered(place, sentences, {"target": "label", "format": "jsonl"}) | {"metric": "log_loss"}
    one_domain = place.dataset("buyer", (TESTED["tides"] * 12).encode(), format="text")
    finished(place, hand, order(read | {"test_dataset": one_domain}, checkpoint=adapter))
    below = place.checkpoint(zipped(encoder), architecture="encoder", hyper={"context": 16})
    finished(place, hand, order(read, model={"name": "logistic"}, base=below))
    withdraw(place, hand, "sums", read["datasets"][1])
    record = certificate(place, adapter)
    assert (record["method"], record["outcome"], record["reason"]) == ("retrain", "unlearned", None)
