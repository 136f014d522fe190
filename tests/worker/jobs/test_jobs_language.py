"""Jobs on language models through the real API and the real worker: base folder, corpora, domains, adapters, money."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from typer.testing import CliRunner

from app.cli import app as cli
from app.http.ids import public_id
from app.valuations.results import certificates
from tests.app.erasure.forgetting import step
from tests.place import Place, finished, order, zipped
from worker.engine.learners.causal_lm import LanguageModel
from worker.loading.model_folders import read_base, write_adapter, write_base

SHAPE: dict[str, float | int | str] = {"layers": 1, "width": 32, "heads": 2}
HYPER = {"context": 32, "rank": 2, "steps": 4, "batch": 4}
TEXTS = {"tides": "the sea rose and fell. ", "sums": "two and two are four; ", "third": "neither sea nor sum, "}
# no block of these is among the providers', where it would count for nobody
TESTED = {"tides": "the sea rose, then it fell. ", "sums": "two and two make four; "}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    learner = LanguageModel({**SHAPE, "rank": 0}, (33,), 256)
    write_base(tmp_path / "base", SHAPE, learner.layout.unpack(learner.start(0)), 256)
    return tmp_path / "base"


def corpora(place: Place) -> dict[str, Any]:
    """Providers' corpora as text, JSON lines and a zip, and a test set of two domains."""
    lines = {name: line * 40 for name, line in TEXTS.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", lines["third"][:400])
        archive.writestr("b.txt", lines["third"][400:])
    tests = io.BytesIO()
    with zipfile.ZipFile(tests, "w") as archive:
        for domain in ("tides", "sums"):
            archive.writestr(f"{domain}/one.txt", TESTED[domain] * 12)
    datasets = [
        place.dataset("tides", lines["tides"].encode(), format="text"),
        place.dataset("sums", json.dumps({"text": lines["sums"]}).encode() + b"\n", format="jsonl"),
        place.dataset("third", packed.getvalue(), format="zip"),
    ]
    return {"datasets": datasets, "test_dataset": place.dataset("buyer", tests.getvalue(), target="label")}


def test_corpora_are_valued_on_a_base_folder_and_the_result_says_everything(
    place: Place, hand: Any, base: Path, tmp_path: Path
) -> None:
    model = place.checkpoint(zipped(base, "my model/"))
    again = place.checkpoint(zipped(base))
    read = corpora(place)
    body = order(read, model={"name": "lm", "hyper": HYPER}, base=model)
    quote = place.client("buyer").post("/v1/valuations/quote", json=body).json()
    assert quote["players"] == 3
    assert quote["device_seconds"] > 0

    path, values = finished(place, hand, body)
    spec = place.client("buyer").get(path).json()["spec"]
    assert spec["unlearning"]["method"] == "mixture", "nobody named one, and the job says which it was"
    worths = [player["value"] for player in values["players"]]
    assert sum(worths) == pytest.approx(values["full_worth"] - values["empty_worth"], abs=1e-9)
    told = {each["domain"]: each for each in values["domains"]}
    assert sorted(told) == ["sums", "tides"]
    assert all(each["full"] < each["base"] for each in told.values()), "training on such lines lowers perplexity"
    tokens = sum(each["tokens"] for each in told.values())
    assert tokens == sum(12 * len(TESTED[domain]) - 1 for domain in told)

    buyer = place.client("buyer")
    digest = buyer.get(f"/v1/checkpoints/{model}").json()["digest"]
    assert buyer.get(f"/v1/checkpoints/{again}").json()["digest"] == digest, "the same files are the same model"
    signed = buyer.get(f"{path}/certificate").json()
    assert certificates.is_genuine(signed, signed["public_key"])
    assert signed["certificate"]["digests"]["base"] == digest
    page = buyer.get(f"{path}/report").text
    assert "Perplexity" in page
    assert f"{told['sums']['full']:.2f}" in page

    # the same texts on the command line are the same game, to the last digit
    (tmp_path / "test").mkdir()
    for name, line in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(line * 40)
    offers = [f"--provider={name}={tmp_path / name}.txt" for name in ("tides", "sums")]
    (tmp_path / "parts").mkdir()
    for file, text in (("a", (TEXTS["third"] * 40)[:400]), ("b", (TEXTS["third"] * 40)[400:])):
        (tmp_path / "parts" / f"{file}.txt").write_text(text)
    for domain in ("sums", "tides"):
        (tmp_path / "test" / f"{domain}.txt").write_text(TESTED[domain] * 12)
    hyper = ",".join(f"{name}={value}" for name, value in HYPER.items())
    out = tmp_path / "out.json"
    asked = [f"--model=lm:{hyper}", "--metric=log_loss", "--seed=3", f"--base={base}", f"--test={tmp_path / 'test'}"]
    result = CliRunner().invoke(
        cli, ["value", *offers, f"--provider=third={tmp_path / 'parts'}", *asked, f"--json={out}", "--threads=1"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(out.read_text())
    local = {p["digest"]: p["value"] for p in document["players"]}
    assert {p["digest"]: p["value"] for p in values["players"]} == local
    assert values["chance"]["units"] == document["chance"]["units"]


def test_an_adapter_on_its_base_is_the_full_model_of_a_partial_job(place: Place, hand: Any, base: Path) -> None:
    found = read_base(base)
    # beside two kinds of projections, of unlike ranks, scaled by the root of the rank: as PEFT trains them
    some = {f"rank@{kind}": 0 for kind in ("k_proj", "o_proj", "gate_proj", "up_proj", "down_proj")}
    learner = LanguageModel({**found.hyper, "rank": 2, "rank@v_proj": 3} | some, (33,), 256, found.weights)
    arrays = learner.layout.unpack(learner.start(1))
    for name in arrays:
        if "lora_B" in name:
            arrays[name] += 0.02
    write_adapter(base.parent / "adapter", arrays, 2, 8.0)
    file = base.parent / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text())
    assert config["target_modules"] == ["q_proj", "v_proj"]
    file.write_text(json.dumps(config | {"rank_pattern": {"v_proj": 3}, "use_rslora": True}))
    below = place.checkpoint(zipped(base))
    said = {"base": below, "hyper": {"context": 32, "steps": 4}, "unlearning": "auto"}
    adapter = place.checkpoint(zipped(base.parent / "adapter"), **said)
    told = place.client("buyer").get(f"/v1/checkpoints/{adapter}").json()
    assert (told["base"], told["hyper"]["rank"], told["hyper"]["rank@v_proj"]) == (below, 2, 3)
    assert told["hyper"]["alpha@v_proj"] == pytest.approx(8 * 3**0.5)
    body = order(corpora(place), checkpoint=adapter, mode="partial")
    _, values = finished(place, hand, body)
    assert values["evaluations"]["retrain"] == 0
    assert values["source"] == "unlearn:mixture"
    assert {"base", "checkpoint"} <= values["digests"].keys()
    seen = place.client("buyer").get(f"/v1/checkpoints/{adapter}/lineage").json()["items"]
    assert {each["dataset_id"] for each in seen} == set(body["datasets"])

    # a partial job says that there is more than its rows: unless its owner says otherwise the adapter is erased when a
    # dataset that it has seen is withdrawn, and its base stays
    withdrawn = place.client("tides").post(f"/v1/datasets/{body['datasets'][0]}/withdraw")
    assert withdrawn.status_code == 200, withdrawn.text
    assert "unlearn" in step(hand)
    buyer = place.client("buyer")
    assert buyer.get(f"/v1/checkpoints/{adapter}").json()["digest"] is None
    assert buyer.get(f"/v1/checkpoints/{below}").json()["digest"] is not None
    (duty,) = buyer.get(f"/v1/checkpoints/{adapter}/unlearnings").json()["items"]
    signed = buyer.get(f"/v1/checkpoints/{adapter}/unlearnings/{duty['id']}/certificate").json()
    assert "not every other row that the model has seen is here" in signed["certificate"]["reason"]


def test_a_qwen_with_stretched_rotations_is_valued_as_it_is_published(place: Place, hand: Any, base: Path) -> None:
    arrays = safetensors.numpy.load_file(base / "model.safetensors")
    for part in ("q_proj", "k_proj", "v_proj"):
        out = len(arrays[f"model.layers.0.self_attn.{part}.weight"])
        arrays[f"model.layers.0.self_attn.{part}.bias"] = np.linspace(-0.5, 0.5, out, dtype=np.float32)
    safetensors.numpy.save_file(arrays, base / "model.safetensors")
    file = base / "config.json"
    stretch = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope = {"rope_scaling": stretch | {"original_max_position_embeddings": 16}}
    file.write_text(json.dumps(json.loads(file.read_text()) | rope | {"architectures": ["Qwen2ForCausalLM"]}))
    model = place.checkpoint(zipped(base))
    _, values = finished(place, hand, order(corpora(place), model={"name": "lm", "hyper": HYPER}, base=model))
    assert values["full_worth"] > values["empty_worth"]
    assert place.client("buyer").get(f"/v1/checkpoints/{model}").json()["facts"]["sizes"]["qkv_bias"] == 1
    hyper = hand.runtime.games._games.popitem()[1][0].problem.learner.hyper
    assert (hyper["qkv_bias"], hyper["rope_factor"], hyper["rope_original"]) == (1, 8.0, 16)


def test_a_qwen3_with_heads_of_their_own_size_is_valued_as_it_is_published(place: Place, hand: Any, base: Path) -> None:
    arrays, file, rng = (
        safetensors.numpy.load_file(base / "model.safetensors"),
        base / "config.json",
        np.random.default_rng(0),
    )
    config = json.loads(file.read_text()) | {"architectures": ["Qwen3ForCausalLM"], "head_dim": 16}
    heads, width = config["num_attention_heads"], config["hidden_size"]
    for at in (f"model.layers.{layer}.self_attn" for layer in range(config["num_hidden_layers"])):
        for part, (out, into) in {
            "q": (heads * 16, width),
            "k": (config["num_key_value_heads"] * 16, width),
            "v": (config["num_key_value_heads"] * 16, width),
            "o": (width, heads * 16),
        }.items():
            arrays[f"{at}.{part}_proj.weight"] = (rng.normal(size=(out, into)) * 0.1).astype(np.float32)
        for part in "qk":
            arrays[f"{at}.{part}_norm.weight"] = np.linspace(0.5, 1.5, 16, dtype=np.float32)
    safetensors.numpy.save_file(arrays, base / "model.safetensors")
    file.write_text(json.dumps(config))
    model = place.checkpoint(zipped(base))
    _, values = finished(place, hand, order(corpora(place), model={"name": "lm", "hyper": HYPER}, base=model))
    assert values["full_worth"] > values["empty_worth"]
    sizes = place.client("buyer").get(f"/v1/checkpoints/{model}").json()["facts"]["sizes"]
    assert (sizes["head"], sizes["qk_norm"], sizes["qkv_bias"]) == (16, 1, 0)


def test_two_games_on_one_base_hold_its_weights_once(place: Place, hand: Any, base: Path) -> None:
    model = place.checkpoint(zipped(base))
    read = corpora(place)
    for seed in (1, 2):
        body = order(read, model={"name": "lm", "hyper": HYPER}, base=model, fidelity="unlearn", max_retrains=0)
        finished(place, hand, body | {"seed": seed})
    games = hand.runtime.games
    evaluators = [evaluator for evaluator, _ in games._games.values()]
    assert len(evaluators) == 2
    places = {e.learner._frozen["model.embed_tokens.weight"].data_ptr() for e in evaluators}  # type: ignore[attr-defined]
    assert len(places) == 1


def test_an_order_that_does_not_fit_its_base_is_refused_and_nothing_is_held(place: Place, base: Path) -> None:
    model = place.checkpoint(zipped(base))
    read = corpora(place)
    whole = order(read, model={"name": "lm", "hyper": HYPER}, base=model)
    for change, pointer, says in (
        ({"base": None}, "/base", "lm needs a base"),
        ({"model": {"name": "lm", "hyper": {"context": 33}}}, "/model/hyper/context", "multiple of 8"),
        ({"model": {"name": "lm", "hyper": {"layers": 2}}}, "/model/hyper/layers", "no hyper-parameter"),
        ({"model": {"name": "lm", "hyper": {"rank@q": 2}}}, "/model/hyper/rank@q", "write rank@PROJECTION"),
        ({"model": {"name": "lm", "hyper": {"rank@9.q_proj": 2}}}, "/model/hyper", "the base has layers 0 to 0"),
        ({"model": {"name": "lm", "hyper": {"rank": 0}}}, "/model/hyper/rank", "give a rank above 0"),
        ({"model": {"name": "logistic"}}, "/base", "takes encoder or backbone"),
        ({"model": {"name": "cnn"}}, "/base", "takes none at all"),
        ({"model": None, "base": None, "checkpoint": model}, "/checkpoint", "give it as base"),
    ):
        refused = place.client("buyer").post("/v1/valuations", json=whole | change)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["pointer"] == pointer
        assert says in refused.json()["detail"]
    rows = public_id("ds", place.market.datasets[0])
    refused = place.client("buyer").post("/v1/valuations", json=whole | {"datasets": [*read["datasets"], rows]})
    assert "has no column `text` of texts" in refused.json()["detail"]
    assert refused.json()["errors"][0]["pointer"] == "/datasets/3"
    place.app.state.settings = place.market.settings.model_copy(update={"worker_max_memory_bytes": 100_000})
    refused = place.client("buyer").post("/v1/valuations", json=whole)
    assert "half of them for a model" in refused.json()["detail"]
    assert place.market.scalar("SELECT count(*) FROM valuations") == 0
