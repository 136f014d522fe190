"""Decoders by transformers' own code: its outputs, the same bits in every stack, and refusals by name."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.checkpoints.lora_shapes import lora_shapes
from contract.architectures.model_folder import ModelFacts
from contract.architectures.published import CONFIG_ARRAY, PUBLISHED
from contract.errors import InvalidProblem
from contract.learning.learners import LORA
from tests.outside_packages import outside_package
from tests.published_decoders import ENCODER_CLASSES, write_published, write_published_encoder
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.lora_classifier import AdaptedEncoder
from worker.engine.learners.outside.published import PublishedDecoder
from worker.engine.tensors.batching import Batch
from worker.loading.extractor import read_extractor
from worker.loading.model_folders import Pretrained, read_adapter, read_base, write_adapter

# rotary and learned positions, ALiBi, windows, longrope, one matrix for queries, keys and values
_SOME = ["BloomForCausalLM", "GraniteForCausalLM", "ModernBertDecoderForCausalLM", "OPTForCausalLM", "Phi3ForCausalLM"]
_REST = sorted(PUBLISHED.keys() - set(_SOME))
_LONG = [pytest.param(architecture, marks=pytest.mark.long) for architecture in _REST]


@pytest.fixture(scope="module")
def transformers() -> Any:
    return outside_package("transformers", reason="transformers is not installed: nothing computes these models")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _learner(base: Pretrained, **hyper: int) -> LanguageModel:
    return LanguageModel({**base.hyper, "rank": 2, **hyper}, (33,), base.vocabulary, base.weights)


def _drawn(learner: LanguageModel) -> tuple[Tensor, Tensor]:
    """Three models with adapters at work, and four blocks of each."""
    generator = torch.Generator().manual_seed(0)
    models = learner.start(0) + 0.05 * torch.randn(3, learner.layout.width, generator=generator)
    return models, torch.randint(3, 256, (3, 4, 33), generator=generator).float()


def _batch(X: Tensor) -> Batch:
    return Batch(X, torch.zeros(X.shape[:2], dtype=torch.int64), torch.ones(X.shape[:2]))


@pytest.mark.parametrize("architecture", [*_SOME, *_LONG])
def test_outputs_are_transformers_and_a_model_s_bits_do_not_depend_on_the_stack(
    transformers: Any, tmp_path: Path, architecture: str
) -> None:
    theirs = write_published(tmp_path / "base", architecture, transformers)
    base = read_base(tmp_path / "base")
    learner = _learner(base)
    assert set(learner.adapters) == {name for name, _ in base.sizes.projections()}
    models, X = _drawn(learner)
    with torch.no_grad():
        expected = theirs(input_ids=X[0, :, :-1].long(), use_cache=False).logits
        plain = learner.logits(learner.start(0).unsqueeze(0), X[:1])[0]
        together = learner.logits(models, X)
    torch.testing.assert_close(plain, expected, rtol=0, atol=1e-5)
    gradients = learner.gradient(models, _batch(X))
    for at in range(3):
        with torch.no_grad():
            assert torch.equal(learner.logits(models[at : at + 1], X[at : at + 1])[0], together[at])
        assert torch.equal(learner.gradient(models[at : at + 1], _batch(X[at : at + 1]))[0], gradients[at])
    assert gradients.abs().max() > 0
    assert torch.equal(_learner(base, recompute=1).gradient(models, _batch(X)), gradients)


@pytest.mark.parametrize("name", sorted(ENCODER_CLASSES))
def test_an_encoder_s_features_are_transformers_and_its_adapters_have_the_same_bits_in_every_stack(
    transformers: Any, tmp_path: Path, name: str
) -> None:
    theirs = write_published_encoder(tmp_path / "encoder", name, transformers)
    extractor = read_extractor(tmp_path / "encoder", "text", context=16)
    texts = ["the sea and the ship", "two plus two", "salt of a tide"] * 3
    features = extractor.features(iter(texts))
    for text, row in zip(texts, features, strict=True):
        tokens = torch.tensor([list(extractor.encode(text))])
        with torch.no_grad():
            states = theirs(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
        torch.testing.assert_close(torch.from_numpy(row), states.mean(dim=1)[0], rtol=0, atol=1e-5)

    def made(**hyper: int) -> AdaptedEncoder:
        sizes = LORA.of_base(extractor.family.sizes)
        return AdaptedEncoder({**sizes, "rank": 2, **hyper}, (16,), 2, extractor.weights)

    learner = made()
    facts = ModelFacts(family=extractor.family.name, sizes=extractor.family.sizes)
    assert lora_shapes(facts, 2, 2) == {slot.name: slot.shape for slot in learner.layout.slots}
    X = torch.from_numpy(extractor.inputs(iter(texts))).view(3, 3, 16)
    generator = torch.Generator().manual_seed(0)
    models = learner.start(0) + 0.05 * torch.randn(3, learner.layout.width, generator=generator)
    batch = Batch(X, torch.tensor([[0, 1, 0]] * 3), torch.ones(3, 3))
    outputs, gradients = learner.logits(models, X), learner.gradient(models, batch)
    assert torch.equal(made(recompute=1).gradient(models, batch), gradients)
    for at in range(3):
        alone = Batch(X[at : at + 1], batch.y[at : at + 1], batch.weight[at : at + 1])
        assert torch.equal(learner.logits(models[at : at + 1], alone.X)[0], outputs[at])
        assert torch.equal(learner.gradient(models[at : at + 1], alone)[0], gradients[at])


def test_kinds_of_projections_are_told_apart_within_a_layer(transformers: Any, tmp_path: Path) -> None:
    write_published(tmp_path / "base", "ModernBertDecoderForCausalLM", transformers)
    base = read_base(tmp_path / "base")
    learner = LanguageModel({**base.hyper, "rank": 2, "rank@attn_Wo": 0}, (33,), base.vocabulary, base.weights)
    assert not any(name.endswith("attn.Wo") for name in learner.adapters)
    assert any(name.endswith("mlp.Wo") for name in learner.adapters)


def test_threads_that_share_a_model_do_not_meet(transformers: Any, tmp_path: Path) -> None:
    write_published(tmp_path / "base", "GraniteForCausalLM", transformers)
    learner = _learner(read_base(tmp_path / "base"), recompute=1)
    models, X = _drawn(learner)
    alone = [learner.gradient(models[: at + 1], _batch(X[: at + 1])) for at in range(3)]
    with ThreadPoolExecutor(3) as threads:
        work = [threads.submit(learner.gradient, models[: n + 1], _batch(X[: n + 1])) for n in (0, 1, 2) * 4]
        for at, future in enumerate(work):
            assert torch.equal(future.result(), alone[at % 3])


def test_arrays_that_the_configuration_does_not_make_are_refused_by_name(transformers: Any, tmp_path: Path) -> None:
    write_published(tmp_path / "base", "GraniteForCausalLM", transformers)
    weights = dict(read_base(tmp_path / "base").weights)
    config = weights.pop(CONFIG_ARRAY).tobytes()
    views = {name: torch.from_numpy(array).unsqueeze(0) for name, array in weights.items()}
    name = "model.layers.1.mlp.down_proj.weight"
    wrong = {
        rf"{name}' is missing; .* it is \[64, 96\]": {k: v for k, v in views.items() if k != name},
        rf"{name}' has shape \[64, 95\]": {**views, name: views[name][..., 1:]},
        "'model.extra' has shape": {**views, "model.extra": torch.ones(1, 3)},
    }
    for words, arrays in wrong.items():
        with pytest.raises(InvalidProblem, match=words):
            PublishedDecoder(config, arrays)
    with pytest.raises(InvalidProblem, match="of model_type 'granite'; it is not computed here"):
        PublishedDecoder(json.dumps({**json.loads(config), "architectures": ["MambaForCausalLM"]}).encode(), views)
    with pytest.raises(InvalidProblem, match="transformers cannot build this GraniteForCausalLM"):
        PublishedDecoder(json.dumps({**json.loads(config), "hidden_act": "none such"}).encode(), views)


def test_a_configuration_gets_no_code_kernels_or_answers_of_its_own_choice(transformers: Any, tmp_path: Path) -> None:
    write_published(tmp_path / "base", "GraniteForCausalLM", transformers)
    plain = _learner(read_base(tmp_path / "base"))
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    wishes = {
        "_attn_implementation": "kernels-community/none",
        "attn_implementation": "kernels-community/none",
        "_name_or_path": "a/name",
        "return_dict": False,
        "torchscript": True,
        "output_hidden_states": True,
        "use_kernels": True,
        "dtype": "float16",
        "torch_dtype": "float16",
        "gradient_checkpointing": True,
    }
    (tmp_path / "base" / "config.json").write_text(json.dumps(config | wishes))
    wishing = _learner(read_base(tmp_path / "base"))
    models, X = _drawn(plain)
    assert torch.equal(wishing.logits(models, X), plain.logits(models, X))


@pytest.mark.filterwarnings("ignore")  # theirs, not ours
def test_a_peft_adapter_is_computed_as_peft_does_and_what_is_written_peft_reads(
    transformers: Any, tmp_path: Path
) -> None:
    peft = outside_package("peft", reason="peft is not installed: nothing to compare with")
    theirs = write_published(tmp_path / "base", "GraniteForCausalLM", transformers)
    targets = peft.LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], rank_pattern={"down_proj": 2}
    )
    adapted = peft.get_peft_model(theirs, targets)
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(tmp_path / "adapter")
    base = read_base(tmp_path / "base")
    hyper, arrays = read_adapter(tmp_path / "adapter", base.sizes)
    learner = LanguageModel({**base.hyper, **hyper}, (33,), base.vocabulary, base.weights)
    X = torch.randint(3, 256, (2, 33)).float()
    with torch.no_grad():
        expected = adapted.eval()(X[:, :-1].long()).logits
    ours = learner.logits(learner.layout.pack(arrays, torch.float32).unsqueeze(0), X)[0]
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)

    trained = _learner(base)
    model = _drawn(trained)[0][:1]
    write_adapter(tmp_path / "delivered", trained.layout.unpack(model[0]), 2, 8.0)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    with torch.no_grad():
        read = peft.PeftModel.from_pretrained(again, tmp_path / "delivered").eval()(X[:, :-1].long()).logits
    torch.testing.assert_close(trained.logits(model, X)[0], read, rtol=0, atol=1e-5)


def test_without_the_package_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    config = json.dumps({"architectures": ["GraniteForCausalLM"], "model_type": "granite"}).encode()
    with pytest.raises(InvalidProblem, match=r"GraniteForCausalLM is computed by the package transformers.*\[models\]"):
        PublishedDecoder(config, {"model.norm.weight": torch.ones(1, 4)})
