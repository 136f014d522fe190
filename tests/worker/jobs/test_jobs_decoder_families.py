"""Jobs on decoders of every family: a folder as it is published, adapters beside the matrices that it has, money."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.outside_packages import outside_package
from tests.place import Place, finished, order, zipped
from tests.published_decoders import write_published
from tests.tiny_decoders import DECODERS, write_decoder
from tests.worker.jobs.test_jobs_language import corpora


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_decoder_of_each_family_is_valued(place: Place, hand: Any, tmp_path: Path, name: str) -> None:
    base = place.checkpoint(zipped(write_decoder(tmp_path / name, name)))
    model = {"name": "lm", "hyper": {"context": 32, "rank": 2, "steps": 4, "batch": 4}}
    _, values = finished(place, hand, order(corpora(place), model=model, base=base))
    gained = values["full_worth"] - values["empty_worth"]
    assert gained > 0.01, "four steps on such lines lower perplexity"
    assert sum(player["value"] for player in values["players"]) == pytest.approx(gained, abs=1e-9)


@pytest.mark.parametrize("architecture", ["GraniteForCausalLM", "ModernBertDecoderForCausalLM"])
def test_a_decoder_that_transformers_computes_is_valued_and_the_quote_says_what_it_takes(
    place: Place, hand: Any, tmp_path: Path, architecture: str
) -> None:
    transformers = outside_package("transformers", reason="transformers is not installed: nothing computes this")
    write_published(tmp_path / "base", architecture, transformers)
    base = place.checkpoint(zipped(tmp_path / "base"))
    model = {"name": "lm", "hyper": {"context": 32, "rank": 2, "steps": 6, "batch": 4, "lr": 0.02}}
    body = order(corpora(place), model=model, base=base)
    quote = place.client("buyer").post("/v1/valuations/quote", json=body).json()
    assert any(f"The base is a {architecture}, which workers compute by" in note for note in quote["notes"])
    _, values = finished(place, hand, body)
    gained = values["full_worth"] - values["empty_worth"]
    assert gained > 0.01, "six steps on such lines lower perplexity"
    assert sum(player["value"] for player in values["players"]) == pytest.approx(gained, abs=1e-9)


def test_blocks_longer_than_a_base_has_positions_are_refused_before_money_is_held(place: Place, tmp_path: Path) -> None:
    base = place.checkpoint(zipped(write_decoder(tmp_path / "gpt2", "gpt2")))
    body = order(corpora(place), model={"name": "lm", "hyper": {"context": 48}}, base=base)
    for path in ("/v1/valuations/quote", "/v1/valuations"):
        refused = place.client("buyer").post(path, json=body)
        assert refused.status_code == 422
        assert "context is 48, and the base has 40 positions; 40 fit" in refused.text


def test_a_folder_of_an_unknown_architecture_is_refused_by_name(place: Place, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "phi3", "phi3")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["MambaForCausalLM"]}))
    buyer = place.client("buyer")
    made = buyer.post("/v1/checkpoints", json={"name": "mamba", "architecture": "lm"}).json()["id"]
    refused = buyer.put(f"/v1/checkpoints/{made}/content", content=zipped(folder))
    assert refused.status_code == 422
    assert "architectures is ['MambaForCausalLM']; only LlamaForCausalLM" in refused.json()["detail"]
