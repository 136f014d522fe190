"""Folders in the Hugging Face layout and PEFT adapters: read exactly, or refused with the file, the rule, the mend."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from contract.errors import InvalidProblem
from worker.engine.learners.causal_lm import LanguageModel
from worker.loading.model_folders import read_adapter, read_base, write_adapter, write_base

SHAPE: dict[str, float | int | str] = {"layers": 1, "width": 32, "heads": 4, "kv_heads": 2, "inner": 64}


def weights(vocabulary: int = 256, **changes: float) -> dict[str, np.ndarray]:
    learner = LanguageModel({**SHAPE, "rank": 0, **changes}, (9,), vocabulary)
    return learner.layout.unpack(learner.start(1))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_base(tmp_path / "base", SHAPE, weights(), 256)
    return tmp_path / "base"


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_base_comes_back_as_it_was_written(base: Path) -> None:
    found = read_base(base)
    assert {name: found.hyper[name] for name in SHAPE} == SHAPE
    assert found.vocabulary == 256
    assert found.encode is None
    assert all(np.array_equal(found.weights[name], array) for name, array in weights().items())


def test_an_adapter_comes_back_as_it_was_written(tmp_path: Path) -> None:
    learner = LanguageModel({**SHAPE, "rank": 3}, (9,), 256, weights())
    arrays = learner.layout.unpack(learner.start(2))
    write_adapter(tmp_path, arrays, 3, 6.0)
    hyper, found = read_adapter(tmp_path)
    assert hyper == {"rank": 3, "alpha": 6.0}
    assert torch.equal(learner.layout.pack(found, torch.float32), learner.start(2))


def test_half_precision_and_shards_are_read(base: Path) -> None:
    arrays = {name: torch.from_numpy(array).bfloat16() for name, array in weights().items()}
    (base / "model.safetensors").unlink()
    names = sorted(arrays)
    parts = {"a.safetensors": names[:4], "b.safetensors": names[4:]}
    for file, own in parts.items():
        safetensors.torch.save_file({name: arrays[name] for name in own}, base / file)
    index = {"weight_map": {name: file for file, own in parts.items() for name in own}}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    found = read_base(base).weights
    assert all(np.array_equal(found[name], arrays[name].float().numpy()) for name in names)


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _torn(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def _reshaped(folder: Path) -> None:
    arrays = {**weights(), "model.norm.weight": np.ones(16, dtype=np.float32)}
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")


def _quantised(folder: Path) -> None:
    arrays = {**weights(), "model.norm.weight": np.ones(32, dtype=np.int8)}
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")


def _outside(folder: Path) -> None:
    _no_weights(folder)
    index = {"weight_map": {"model.norm.weight": "../other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", **changes)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_pickled, "pytorch_model.bin: pickled weights are never opened; save them as safetensors"),
        (_no_weights, "there is no model.safetensors"),
        (_torn, "not a whole safetensors file"),
        (_reshaped, r"'model.norm.weight' has shape \(16,\)"),
        (_quantised, "quantised"),
        (_outside, "outside the folder"),
        (lambda folder: (folder / "config.json").unlink(), "there is no such file"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff{"), "not JSON"),
        (config(auto_map={"AutoModel": "model.Mine"}), "never run"),
        (config(architectures=["GPT2LMHeadModel"]), "only LlamaForCausalLM"),
        (config(rope_scaling={"rope_type": "yarn"}), "rope_scaling"),
        (config(attention_bias=True), "attention_bias"),
        (config(head_dim=64), "head_dim"),
        (config(vocab_size="many"), "vocab_size must be a whole number"),
        (config(vocab_size=300), "no tokenizer.json"),
        (config(num_hidden_layers=2), "missing"),
    ],
)
def test_a_folder_that_cannot_be_computed_exactly_is_refused(
    base: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(base)
    with pytest.raises(InvalidProblem, match=words):
        read_base(base)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "IA3"}, "only LORA"),
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"target_modules": ["q_proj", "v_proj"]}, "all-linear"),
        ({"r": 0}, "r must be a whole number"),
    ],
)
def test_an_adapter_of_another_kind_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    learner = LanguageModel({**SHAPE, "rank": 2}, (9,), 256, weights())
    write_adapter(tmp_path, learner.layout.unpack(learner.start(0)), 2, 4.0)
    edit(tmp_path / "adapter_config.json", **change)
    with pytest.raises(InvalidProblem, match=words):
        read_adapter(tmp_path)


def test_a_pickled_adapter_is_refused(tmp_path: Path) -> None:
    learner = LanguageModel({**SHAPE, "rank": 2}, (9,), 256, weights())
    write_adapter(tmp_path, learner.layout.unpack(learner.start(0)), 2, 4.0)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(InvalidProblem, match=r"adapter_model.bin: pickled"):
        read_adapter(tmp_path)


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
def test_transformers_and_peft_compute_the_same_outputs(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    settings = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        rope_theta=5000.0,
    )
    theirs = transformers.LlamaForCausalLM(settings)
    theirs.save_pretrained(tmp_path / "base")
    adapted = peft.get_peft_model(
        theirs, peft.LoraConfig(r=3, lora_alpha=7, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(tmp_path / "adapter")
    found, (hyper, arrays) = read_base(tmp_path / "base"), read_adapter(tmp_path / "adapter")
    learner = LanguageModel({**found.hyper, **hyper}, (17,), 256, found.weights)
    tokens = torch.randint(0, 256, (3, 17))
    with torch.no_grad():
        wanted = adapted.eval()(tokens[:, :-1]).logits
    ours = learner.logits(learner.layout.pack(arrays, torch.float32).unsqueeze(0), tokens.float())[0]
    assert torch.allclose(ours, wanted, atol=1e-5)
