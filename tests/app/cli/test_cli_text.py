"""``cherish value --model lm`` and ``cherish demo --text`` on tiny texts: what they write, and what they refuse."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.demonstration import text as demo_text
from app.cli.valuing.request import ValueRequest
from app.cli.valuing.text import Corpora
from app.errors import CherishError, InvalidData
from contract.architectures.decoder import DecoderSizes
from contract.architectures.model_folder import read_sizes
from worker.engine.learners.causal_lm import LanguageModel
from worker.loading.model_folders import read_adapter, read_base, write_adapter, write_base

SHAPE: dict[str, float | int | str] = {"layers": 1, "width": 32, "heads": 2}
MODEL = "lm:context=32,rank=2,steps=6,batch=4"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    learner = LanguageModel({**SHAPE, "rank": 0}, (33,), 256)
    write_base(tmp_path / "base", SHAPE, learner.layout.unpack(learner.start(0)), 256)
    (tmp_path / "test").mkdir()
    for name, line in (("tides", "the sea rose and fell. "), ("sums", "two and two are four; ")):
        (tmp_path / f"{name}.txt").write_text(line * 40)
        (tmp_path / "test" / f"{name}.txt").write_text(line * 12)
    (tmp_path / "third.txt").write_text("neither sea nor sum, " * 30)
    return tmp_path


def arguments(place: Path, *more: str) -> list[str]:
    offers = [f"--provider={name}={place / name}.txt" for name in ("tides", "sums", "third")]
    where = [f"--base={place / 'base'}", f"--test={place / 'test'}", f"--json={place / 'out.json'}"]
    return ["value", *offers, "--model", MODEL, "--metric", "log_loss", *where, "--threads", "1", *more]


def run(arguments: list[str]) -> str:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_providers_texts_are_valued_and_verified_from_the_result_alone(place: Path) -> None:
    output = run(arguments(place))
    assert "Perplexity per token on sums" in output
    found = json.loads((place / "out.json").read_text())
    assert {p["provider"] for p in found["players"]} == {"tides", "sums", "third"}
    total = sum(p["value"] for p in found["players"])
    assert total == pytest.approx(found["full_worth"] - found["empty_worth"], abs=1e-9)
    assert "request" in found
    assert found["spec"]["unlearning"] == "mixture", "what measured best, as nobody named a method"
    run(["verify", str(place / "out.json")])


def test_partial_mode_takes_the_full_models_adapter(place: Path) -> None:
    base = read_base(place / "base")
    learner = LanguageModel({**base.hyper, "rank": 2}, (33,), 256, base.weights)
    adapter = learner.layout.unpack(learner.start(1))
    adapter["model.layers.0.mlp.down_proj.lora_B.weight"] += np.float32(0.02)
    write_adapter(place / "adapter", adapter, 2, 8.0)
    run(arguments(place, "--mode", "partial", "--checkpoint", str(place / "adapter")))
    found = json.loads((place / "out.json").read_text())
    assert found["evaluations"]["retrain"] == 0
    assert (found["spec"]["unlearning"], found["source"]) == ("mixture", "unlearn:mixture")


def test_a_model_without_a_base_a_missing_text_and_an_odd_context_are_refused(place: Path) -> None:
    whole = arguments(place)
    for change, words in (
        ([a for a in whole if not a.startswith("--base")], "adapters need a base model"),
        ([*whole, f"--provider=x={place / 'absent.txt'}"], "there is no file"),
        ([a.replace("context=32", "context=33") for a in whole], "multiple of 8"),
        ([a.replace("context=32", "context=1.5") for a in whole], "whole number"),
    ):
        with pytest.raises(CherishError, match=words):
            run(change)


def test_other_models_still_need_a_target(place: Path) -> None:
    with pytest.raises(CherishError, match="--target is missing"):
        run(["value", f"--provider=a={place / 'tides.txt'}", f"--test={place / 'sums.txt'}"])


def test_the_demonstration_on_a_folder_pays_the_copy_like_its_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    rng = np.random.default_rng(0)
    for author in ("ada", "bo", "cy"):
        words = ["".join(rng.choice(list("abcdefghij"), 4)) for _ in range(20)]
        (texts / f"{author}-one.txt").write_text(" ".join(rng.choice(words, 2500)))
    monkeypatch.setattr(demo_text, "_SHAPE", SHAPE)
    monkeypatch.setattr(demo_text, "_BASE", {**SHAPE, "rank": 0, "steps": 3, "batch": 4, "lr": 0.003})
    monkeypatch.setattr(demo_text, "_ADAPTERS", {**SHAPE, "rank": 4, "steps": 4, "batch": 4, "lr": 0.005})
    monkeypatch.setattr(demo_text, "_RETRAININGS", 6)
    run(["demo", "--text", str(texts), "--home", str(tmp_path / "home")])
    found = json.loads((tmp_path / "home" / "text" / "demo-text.json").read_text())
    assert found["spec"]["unlearning"] == "mixture"
    shares = {p["provider"]: p["value"] for p in found["players"]}
    copy = next(name for name in shares if name.endswith(", copied"))
    assert shares[copy] == shares[copy.removesuffix(", copied")]
    assert read_base(tmp_path / "home" / "text" / "base").vocabulary == 256
    sizes = read_sizes(DecoderSizes, read_base(tmp_path / "home" / "text" / "base").hyper)
    assert read_adapter(tmp_path / "home" / "text" / "adapter", sizes)[0] == {"rank": 4, "alpha": 8.0}


def test_a_folder_with_one_author_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a-one.txt").write_text("word " * 4000)
    with pytest.raises(CherishError, match="at least 2 are needed"):
        run(["demo", "--text", str(tmp_path), "--home", str(tmp_path / "home")])


def test_what_is_declared_of_a_corpus_is_used(tmp_path: Path) -> None:
    texts = tmp_path / "a.txt"
    texts.write_bytes("Köln, Kaffee und Käse".encode("windows-1252"))
    declared = ((str(texts), {"encoding": "windows-1252"}),)
    request = ValueRequest((), "test", "", "lm", "log_loss", "full", 0, readings=declared)
    (blocks,), _ = Corpora(64, None, 256, request).documents(texts, "a")
    assert bytes(int(token) for token in blocks[0] if token >= 0).decode() == "Köln, Kaffee und Käse"
    with pytest.raises(InvalidData, match="declare encoding windows-1252"):
        Corpora(64, None, 256).documents(texts, "a")


def test_each_document_has_a_line_and_a_providers_sum_to_its_value(place: Path) -> None:
    lines = [json.dumps({"text": line}) for line in ("neither sea nor sum, " * 9, "the sea, the sea. " * 5)]
    (place / "third.txt").unlink()
    (place / "third.jsonl").write_text("\n".join(lines) + "\n")
    out = place / "rows.csv"
    changed = [each.replace("third.txt", "third.jsonl") for each in arguments(place, "--rows", str(out))]
    run(changed)
    found = json.loads((place / "out.json").read_text())
    told = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    for player in found["players"]:
        own = [line for line in told if line["provider"] == player["provider"]]
        documents = 2 if player["provider"] == "third" else 1
        assert [int(line["row"]) for line in own] == list(range(1, documents + 1))
        assert sum(float(line["value"]) for line in own) == pytest.approx(player["value"], abs=1e-9)
        assert all(Path(line["file"]).is_file() for line in own)
