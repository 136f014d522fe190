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

from contract.architectures.decoder import DecoderSizes
from contract.architectures.model_folder import read_sizes
from contract.errors import InvalidProblem
from tests.outside_packages import outside_package
from tests.tiny_decoders import write_decoder
from worker.engine.learners.backbones.transformer import _stretched
from worker.engine.learners.causal_lm import LanguageModel
from worker.loading.model_folders import read_adapter, read_adapter_arrays, read_base, write_adapter, write_base

SHAPE: dict[str, float | int | str] = {"layers": 1, "width": 32, "heads": 4, "kv_heads": 2, "inner": 64}


def sizes() -> DecoderSizes:
    return LanguageModel({**SHAPE, "rank": 0}, (9,), 256).sizes


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
    hyper, found = read_adapter(tmp_path, sizes())
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
        (config(architectures=["MambaForCausalLM"]), "only LlamaForCausalLM"),
        (config(architectures=["GPT2LMHeadModel"]), "n_embd must be a whole number"),
        (config(rope_scaling={"rope_type": "yarn"}), "rope_scaling"),
        (config(rope_scaling={"rope_type": "llama3", "factor": 8.0}), "rope_scaling"),
        (config(architectures=["MistralForCausalLM"], sliding_window=-1), "sliding_window must be a whole number"),
        (
            config(quantization_config={"bits": 4}),
            "quantization_config is set: quantised weights are not read",
        ),
        (
            config(architectures=["Qwen2ForCausalLM"], use_sliding_window=True),
            "sliding_window is not the plain Qwen2's.*model_type is 'llama'",
        ),
        (config(architectures=["Qwen2ForCausalLM"]), r"k_proj.bias"),
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
        ({"init_lora_weights": "pissa"}, "PiSSA"),
        ({"init_lora_weights": "olora"}, "OLoRA"),
        ({"r": 3}, r"has shape \[2, 64\]; in an adapter of this configuration it is \[3, 64\]"),
        ({"r": 0}, "r must be a whole number"),
    ],
)
def test_an_adapter_of_another_kind_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    learner = LanguageModel({**SHAPE, "rank": 2}, (9,), 256, weights())
    write_adapter(tmp_path, learner.layout.unpack(learner.start(0)), 2, 4.0)
    edit(tmp_path / "adapter_config.json", **change)
    with pytest.raises(InvalidProblem, match=words):
        read_adapter(tmp_path, sizes())


def test_a_folder_that_was_stored_before_its_kind_was_refused_is_not_read_as_another(tmp_path: Path) -> None:
    learner = LanguageModel({**SHAPE, "rank": 2}, (9,), 256, weights())
    write_adapter(tmp_path, learner.layout.unpack(learner.start(0)), 2, 4.0)
    assert read_adapter_arrays(tmp_path).keys() == {slot.name for slot in learner.layout.slots}
    edit(tmp_path / "adapter_config.json", init_lora_weights="pissa")
    with pytest.raises(InvalidProblem, match="PiSSA"):
        read_adapter_arrays(tmp_path)


def test_an_array_that_is_missing_is_named(tmp_path: Path) -> None:
    learner = LanguageModel({**SHAPE, "rank": 2}, (9,), 256, weights())
    arrays = learner.layout.unpack(learner.start(0))
    arrays.pop("model.layers.0.mlp.up_proj.lora_B.weight")
    write_adapter(tmp_path, arrays, 2, 4.0)
    with pytest.raises(InvalidProblem, match=r"up_proj\.lora_B\.weight' is missing"):
        read_adapter(tmp_path, sizes())


def test_adapters_of_all_placements_compute_the_base_plus_their_scaled_products(tmp_path: Path) -> None:
    """PEFT's rule, written again in numpy: W + alpha / r B A, of rsLoRA W + alpha / sqrt(r) B A."""
    rng, base = np.random.default_rng(0), weights()
    q, v = ("model.layers.0.self_attn.q_proj", 4, 32), ("model.layers.0.self_attn.v_proj", 3, 16)
    arrays = {}
    for name, rank, out in (q, v):
        arrays[f"{name}.lora_A.weight"] = rng.normal(size=(rank, 32)).astype(np.float32) * 0.2
        arrays[f"{name}.lora_B.weight"] = rng.normal(size=(out, rank)).astype(np.float32) * 0.2
    write_adapter(tmp_path, arrays, 4, 6.0)
    changes = {"rank_pattern": {"v_proj": 3}, "alpha_pattern": {"self_attn.v_proj": 5.0}}
    blocks = torch.from_numpy(rng.integers(0, 256, (3, 17)).astype(np.float32))
    for rslora in (False, True):
        edit(tmp_path / "adapter_config.json", use_rslora=rslora, **changes)
        hyper, found = read_adapter(tmp_path, sizes())
        learner = LanguageModel({**SHAPE, **hyper}, (17,), 256, base)
        ours = learner.logits(learner.layout.pack(found, torch.float32).unsqueeze(0), blocks)
        merged = dict(base)
        for (name, rank, _), alpha in ((q, 6.0), (v, 5.0)):
            scale = alpha / rank**0.5 if rslora else alpha / rank
            product = arrays[f"{name}.lora_B.weight"] @ arrays[f"{name}.lora_A.weight"]
            merged[f"{name}.weight"] = base[f"{name}.weight"] + np.float32(scale) * product
        whole = LanguageModel({**SHAPE, "rank": 0}, (17,), 256)
        expected = whole.logits(whole.layout.pack(merged, torch.float32).unsqueeze(0), blocks)
        assert torch.allclose(ours, expected, atol=1e-5)
        with torch.enable_grad():  # in training the products are not merged
            apart = learner.logits(learner.layout.pack(found, torch.float32).unsqueeze(0), blocks)
        assert torch.allclose(apart, expected, atol=1e-5)


def test_a_pickled_adapter_is_refused(tmp_path: Path) -> None:
    learner = LanguageModel({**SHAPE, "rank": 2}, (9,), 256, weights())
    write_adapter(tmp_path, learner.layout.unpack(learner.start(0)), 2, 4.0)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(InvalidProblem, match=r"adapter_model.bin: pickled"):
        read_adapter(tmp_path, sizes())


STRETCHED = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def test_slow_rotations_are_stretched_as_llama_3_s_and_fast_ones_are_not(base: Path) -> None:
    edit(base / "config.json", rope_scaling={name: value for name, value in STRETCHED.items() if name != "rope_theta"})
    hyper = read_base(base).hyper
    assert (hyper["rope_factor"], hyper["rope_original"]) == (8.0, 64)
    speeds = torch.tensor([1.0, 2 * np.pi * 4 / 64, 2 * np.pi * 2.5 / 64, 2 * np.pi / 64, 1e-3], dtype=torch.float64)
    found = _stretched(read_sizes(DecoderSizes, hyper), speeds) / speeds
    # turns in 64 tokens: ten, four, two and a half, one, hardly any
    expected = torch.tensor([1.0, 1.0, 0.5 + 0.5 / 8, 1 / 8, 1 / 8], dtype=torch.float64)
    assert torch.allclose(found, expected, atol=1e-12)


_COMMON: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}


_GEMMA: dict[str, Any] = {"head_dim": 24, "query_pre_attn_scalar": 20, "sliding_window": 40, "num_hidden_layers": 3}
_ROTATED = {"rope_type": "default", "rope_theta": 300.0}
_FAMILIES: list[tuple[str, str, dict[str, Any]]] = [
    ("Llama", "LlamaForCausalLM", {"rope_parameters": STRETCHED, "max_position_embeddings": 2048}),
    ("Mistral", "MistralForCausalLM", {"sliding_window": None}),
    ("Mistral", "MistralForCausalLM", {"sliding_window": 40}),
    ("Qwen2", "Qwen2ForCausalLM", {}),
    ("Qwen3", "Qwen3ForCausalLM", {"head_dim": 24}),
    ("Phi3", "Phi3ForCausalLM", {"sliding_window": 100, "pad_token_id": 0}),
    (
        "Phi3",
        "Phi3ForCausalLM",
        {"pad_token_id": 0, "rope_parameters": {**_ROTATED, "partial_rotary_factor": 0.5}, "tie_word_embeddings": True},
    ),
    ("Olmo2", "Olmo2ForCausalLM", {"rope_parameters": _ROTATED}),
    ("Gemma2", "Gemma2ForCausalLM", {**_GEMMA, "attn_logit_softcapping": 0.5, "final_logit_softcapping": 2.0}),
    ("Gemma2", "Gemma2ForCausalLM", {**_GEMMA, "tie_word_embeddings": True, "sliding_window": 4096}),
    (
        "Gemma3Text",
        "Gemma3ForCausalLM",
        {
            **_GEMMA,
            "sliding_window_pattern": 2,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                "sliding_attention": _ROTATED,
            },
        },
    ),
    ("GPT2", "GPT2LMHeadModel", {"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 136}),
    ("GPTNeoX", "GPTNeoXForCausalLM", {"num_key_value_heads": None}),
]


def _drawn_otherwise(model: Any) -> None:
    """Draws weights so large that scores of attention differ, and moves what starts at 0 or 1."""
    with torch.no_grad():
        for parameter in model.parameters():
            drawn = 0.1 * torch.randn(parameter.shape)
            parameter.copy_(drawn if parameter.dim() == 2 else parameter + drawn)


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize(("family", "architecture", "more"), _FAMILIES)
def test_transformers_computes_the_same_outputs_of_each_family(
    tmp_path: Path, family: str, architecture: str, more: dict[str, Any]
) -> None:
    transformers = outside_package("transformers", reason="transformers is not installed: nothing to compare with")
    torch.manual_seed(0)
    own = {name: value for name, value in _COMMON.items() if family != "GPT2" or name in ("vocab_size",)}
    theirs = getattr(transformers, architecture)(getattr(transformers, f"{family}Config")(**{**own, **more}))
    _drawn_otherwise(theirs)
    theirs.save_pretrained(tmp_path)
    found = read_base(tmp_path)
    learner = LanguageModel({**found.hyper, "rank": 2}, (129,), 256, found.weights)
    tokens = torch.randint(0, 256, (2, 129))
    with torch.no_grad():
        expected = theirs.eval()(tokens[:, :-1]).logits
    assert expected.std() > 0.3
    assert torch.allclose(learner.logits(learner.start(0).unsqueeze(0), tokens.float())[0], expected, atol=1e-5)


_PEFT: list[dict[str, Any]] = [
    {"target_modules": "all-linear", "r": 3, "lora_alpha": 7},
    {"r": 4},  # the default: q_proj and v_proj
    {"target_modules": r".*layers\.[01]\..*(q|k)_proj", "r": 2, "init_lora_weights": "gaussian"},
    {
        "target_modules": "all-linear",
        "r": 4,
        "use_rslora": True,
        "rank_pattern": {"q_proj": 6, "^model.layers.0.self_attn.v_proj": 3},
        "alpha_pattern": {"layers.1.self_attn.o_proj": 5, "k_proj": 1},
    },
]


_PEFT_KIN: list[tuple[str, str, dict[str, Any]]] = [
    ("GPT2", "GPT2LMHeadModel", {"r": 3}),  # the default: c_attn
    ("GPT2", "GPT2LMHeadModel", {"r": 3, "target_modules": ["c_proj"], "rank_pattern": {"mlp.c_proj": 2}}),
    ("GPTNeoX", "GPTNeoXForCausalLM", {"r": 3, "target_modules": "all-linear", "use_rslora": True}),
    ("Phi3", "Phi3ForCausalLM", {"r": 3, "target_modules": r".*(qkv|down)_proj"}),
    ("Gemma2", "Gemma2ForCausalLM", {"r": 3}),
]


def assert_same_outputs(theirs: Any, settings: dict[str, Any], folder: Path) -> None:
    """What we read of a model of transformers', saved with an adapter of PEFT's, computes what both compute."""
    peft = outside_package("peft", reason="peft is not installed: nothing to compare with")
    theirs.save_pretrained(folder / "base")
    adapted = peft.get_peft_model(theirs, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(folder / "adapter")
    found = read_base(folder / "base")
    hyper, arrays = read_adapter(folder / "adapter", read_sizes(DecoderSizes, found.hyper))
    learner = LanguageModel({**found.hyper, **hyper}, (17,), 256, found.weights)
    tokens = torch.randint(0, 256, (3, 17))
    with torch.no_grad():
        wanted = adapted.eval()(tokens[:, :-1]).logits
    params = learner.layout.pack(arrays, torch.float32).unsqueeze(0)
    assert torch.allclose(learner.logits(params, tokens.float())[0], wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize(("family", "architecture", "settings"), _PEFT_KIN)
def test_peft_computes_the_same_outputs_of_other_families(
    tmp_path: Path, family: str, architecture: str, settings: dict[str, Any]
) -> None:
    transformers = outside_package("transformers", reason="transformers is not installed: nothing to compare with")
    outside_package("peft", reason="peft is not installed: nothing to compare with")
    torch.manual_seed(0)
    more = next(more for name, kind, more in _FAMILIES if (name, kind) == (family, architecture))
    own = {name: value for name, value in _COMMON.items() if family != "GPT2" or name == "vocab_size"}
    theirs = getattr(transformers, architecture)(getattr(transformers, f"{family}Config")(**{**own, **more}))
    _drawn_otherwise(theirs)
    assert_same_outputs(theirs, settings, tmp_path)


def test_a_gpt2_folder_without_its_prefix_and_with_its_masks_is_read(tmp_path: Path) -> None:
    """As OpenAI's own is published."""
    folder = write_decoder(tmp_path / "gpt2", "gpt2")
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    older = {name.removeprefix("transformer."): array for name, array in arrays.items()}
    older |= {"h.0.attn.bias": np.ones((1, 1, 4, 4), np.float32), "h.1.attn.masked_bias": np.ones((), np.bool_)}
    safetensors.numpy.save_file(older, folder / "model.safetensors")
    found = read_base(folder)
    assert found.weights.keys() == arrays.keys()
    assert all(np.array_equal(found.weights[name], array) for name, array in arrays.items())


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize("settings", _PEFT)
def test_transformers_and_peft_compute_the_same_outputs(tmp_path: Path, settings: dict[str, Any]) -> None:
    transformers = outside_package("transformers", reason="transformers is not installed: nothing to compare with")
    outside_package("peft", reason="peft is not installed: nothing to compare with")
    torch.manual_seed(0)
    sizes = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        rope_theta=5000.0,
    )
    theirs = transformers.LlamaForCausalLM(sizes)
    assert_same_outputs(theirs, settings, tmp_path)
