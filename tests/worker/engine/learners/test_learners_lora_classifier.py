"""Adapters beside the matrices of an encoder: what they compute, that stacks change no bit, and what is refused."""

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from contract.learning.methods import default_method
from contract.metrics import Predicts
from tests.worker.engine.same_bits import assert_same_bits
from tests.worker.engine.tiny_encoders import HYPER, family, model, moved, problem, rows, shape, weights
from worker.engine.evaluation import memory
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.learners.backbones import encoders
from worker.engine.learners.lora_classifier import HEAD, AdaptedEncoder
from worker.engine.tensors.batching import Batch, single_threaded
from worker.engine.unlearning import methods_for

KINDS = ("text", "image")
FULL = sorted(m.source for m in methods_for("lora").values())


def told_apart(learner: AdaptedEncoder, X: np.ndarray, kind: str) -> torch.Tensor:
    """The frozen encoder's own features of rows, computed without stacks and without adapters."""
    of, frozen = family(kind), weights(kind)
    if kind == "image":
        return encoders.vit(of.model, frozen, encoders.patches(frozen, torch.from_numpy(X)))
    tokens = torch.from_numpy(X)
    return encoders.bert(of.model, frozen, tokens.clamp(min=0).long(), tokens >= 0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_zeros_is_the_frozen_encoder(kind: str) -> None:
    X, _ = rows(kind, 9, 3)
    learner = model(kind)
    params = torch.stack([learner.start(0), torch.zeros(learner.layout.width)])
    with torch.no_grad():
        found = learner.encoded(params, torch.from_numpy(X))
        wanted = told_apart(learner, X, kind)
    assert torch.equal(found[0], found[1]), "what A is does not matter while B is zero"
    assert torch.allclose(found[0], wanted, atol=2e-6)
    assert not learner.logits(params, torch.from_numpy(X)).any(), "an untrained head prefers no class"


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_is_the_encoder_whose_matrices_hold_its_product(kind: str) -> None:
    X, _ = rows(kind, 5, 3)
    learner = model(kind, alpha=3)
    params = moved(learner, 1)
    arrays, merged = learner.layout.unpack(params[0]), weights(kind)
    for name in (slot.name.removesuffix(".lora_A.weight") for slot in learner.layout.slots if "lora_A" in slot.name):
        product = torch.from_numpy(arrays[f"{name}.lora_B.weight"] @ arrays[f"{name}.lora_A.weight"])
        merged[f"{name}.weight"] += 3 / 2 * product
    other = AdaptedEncoder(HYPER, shape(kind), 2, merged)
    with torch.no_grad():
        found = learner.encoded(params, torch.from_numpy(X))[0]
        wanted = other.encoded(other.start(0).unsqueeze(0), torch.from_numpy(X))[0]
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not torch.allclose(wanted, told_apart(learner, X, kind), atol=1e-2)
    head = torch.from_numpy(arrays[HEAD])
    outputs = learner.logits(params, torch.from_numpy(X))[0]
    assert torch.allclose(outputs, found @ head.T + torch.from_numpy(arrays["head.bias"]), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_gradients_have_the_same_bits_in_any_stack(kind: str) -> None:
    learner = model(kind)
    params = moved(learner, 5)
    stacks = [rows(kind, 7, seed) for seed in range(5)]
    X, y = (torch.from_numpy(np.stack(part)) for part in zip(*stacks, strict=True))
    batch = Batch(X, y, torch.ones(5, 7))
    with single_threaded():
        outputs, shared = learner.logits(params, X), learner.logits(params, X[0])
        gradient = learner.gradient(params, batch)
        for k in range(5):
            one = slice(k, k + 1)
            assert torch.equal(learner.logits(params[one], X[one]), outputs[one])
            assert torch.equal(learner.logits(params[one], X[0]), shared[one])
            alone = Batch(X[one], y[one], batch.weight[one])
            assert torch.equal(learner.gradient(params[one], alone), gradient[one])


@pytest.mark.parametrize("kind", KINDS)
def test_one_output_of_a_number_has_the_same_bits_in_any_stack(kind: str) -> None:
    learner = AdaptedEncoder(HYPER, shape(kind), 1, weights(kind), Predicts.NUMBER)
    params = moved(learner, 5)
    X = torch.from_numpy(np.stack([rows(kind, 7, seed)[0] for seed in range(5)]))
    y, weight = X.flatten(2).mean(dim=2), torch.ones(5, 7)
    with single_threaded():
        outputs, gradient = learner.logits(params, X), learner.gradient(params, Batch(X, y, weight))
        for k in range(5):
            one = slice(k, k + 1)
            assert torch.equal(learner.logits(params[one], X[one]), outputs[one])
            assert torch.equal(learner.gradient(params[one], Batch(X[one], y[one], weight[one])), gradient[one])


@pytest.mark.parametrize("rank", [1, 5])
def test_odd_ranks_lengths_and_batches_have_the_same_bits_in_any_stack(rank: int) -> None:
    learner = AdaptedEncoder({**HYPER, "rank": rank}, (13,), 2, weights("text"))
    params = moved(learner, 5)
    for count in (1, 3):
        tokens = np.random.default_rng(count).integers(4, 30, (5, count, 13)).astype(np.float32)
        X, y = torch.from_numpy(tokens), torch.zeros(5, count, dtype=torch.int64)
        weight = torch.ones(5, count)
        with single_threaded():
            outputs, gradient = learner.logits(params, X), learner.gradient(params, Batch(X, y, weight))
            for k in range(5):
                one = slice(k, k + 1)
                assert torch.equal(learner.logits(params[one], X[one]), outputs[one])
                alone = learner.gradient(params[one], Batch(X[one], y[one], weight[one]))
                assert torch.equal(alone, gradient[one])


@pytest.mark.parametrize(("kind", "source"), [*(("text", s) for s in ("retrain", *FULL)), ("image", "retrain")])
def test_worths_are_the_same_bits_for_one_coalition_and_for_four_at_a_time(kind: str, source: str) -> None:
    assert_same_bits(problem(kind), source, all_coalitions(4), 4, ((1, 1, 1), (4, 4, 2), (16, 3, 1)))


def test_the_gradient_is_the_derivative_of_the_weighted_sum_of_cross_entropies() -> None:
    learner = model()
    params = moved(learner, 1)
    X, y = rows("text", 40, 3)  # more rows than are computed at a time
    weight = torch.linspace(0.5, 2.0, 40)

    def loss(at: torch.Tensor) -> float:
        outputs = learner.logits(at, torch.from_numpy(X))[0].double()
        each = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y), reduction="none")
        return float((each * weight).sum())

    batch = Batch(torch.from_numpy(X)[None], torch.from_numpy(y)[None], weight[None])
    gradient = learner.gradient(params, batch)
    for seed in range(3):
        way = torch.randn(learner.layout.width, generator=torch.Generator().manual_seed(seed)) * 1e-3
        difference = (loss(params + way) - loss(params - way)) / 2
        assert difference == pytest.approx(float((gradient[0] * way).sum()), rel=2e-2, abs=1e-4)
    again = model(recompute=1)
    assert torch.equal(again.gradient(params, batch), gradient), "layers computed again have the same bits"


def test_what_follows_a_text_changes_nothing() -> None:
    learner = model()
    X, _ = rows("text", 6, 2)
    longer = AdaptedEncoder(HYPER, (16,), 2, weights("text"))
    wide = np.concatenate([X, np.full((6, 4), -1.0, dtype=np.float32)], axis=1)
    params = moved(learner, 1)
    short, long = learner.logits(params, torch.from_numpy(X)), longer.logits(params, torch.from_numpy(wide))
    assert torch.allclose(short, long, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_training_tells_the_kinds_apart_and_moves_every_adapter(kind: str) -> None:
    players = [PlayerData("many", *rows(kind, 160, 1))]
    settings = {"learner": LearnerSpec("lora", {**HYPER, "steps": 50, "batch": 16}), "metric": "log_loss"}
    frozen = {f"frozen.{name}": array for name, array in weights(kind).items()}
    evaluator = Evaluator(Problem(players, Rows(*rows(kind, 60, 9)), 2, checkpoint=frozen, **settings))
    untrained = evaluator.learner.logits(evaluator.context.base[None], evaluator.test_X)
    assert float(untrained.abs().max()) < 1e-6, "the head starts at zero"
    assert evaluator.full_worth > evaluator.empty_worth + 0.2
    arrays = evaluator.learner.layout.unpack(evaluator.context.full)
    assert all(np.abs(array).max() > 0 for name, array in arrays.items() if "lora_B" in name), "every adapter learnt"


@pytest.mark.parametrize("source", FULL)
def test_every_method_keeps_m_full_where_nothing_is_forgotten_and_starts_at_the_base(source: str) -> None:
    evaluator = Evaluator(problem())
    ends = evaluator.worth(source, np.array([[False] * 4, [True] * 4]))
    assert list(ends) == [evaluator.empty_worth, evaluator.full_worth]
    inner = evaluator.scores(source, all_coalitions(4)[1:-1])
    assert np.isfinite(inner).all()
    assert len(np.unique(inner)) > 3
    # the copies stand for each other
    one = np.array([[p.name == "p1" for p in evaluator.players], [p.name == "copy" for p in evaluator.players]])
    assert evaluator.worth(source, one)[0] == evaluator.worth(source, one)[1]


def test_partial_mode_starts_at_the_given_adapters_and_needs_no_retained_row() -> None:
    whole = Evaluator(problem())
    arrays = whole.learner.layout.unpack(whole.context.full)
    evaluator = Evaluator(problem(mode="partial", checkpoint=arrays, unlearning={"hidden_rows": 20}))
    assert set(evaluator.sources) == {
        f"unlearn:{name}"
        for name in ("mixture", "unmerge", "negation", "interpolation", "gradient_ascent", "kl_to_base")
    }
    assert torch.equal(evaluator.context.full, whole.context.full)
    worths = evaluator.worth("unlearn:unmerge", all_coalitions(4))
    assert worths[-1] == evaluator.full_worth
    for mode in ("full", "partial"):
        assert default_method("lora", mode) in methods_for("lora")


def test_adding_answers_is_the_models_own_answers_for_one_player() -> None:
    evaluator = Evaluator(problem())
    alone = np.zeros((1, 4), dtype=bool)
    alone[0, 2] = True
    (merged,) = evaluator.worth("unlearn:merge", alone)
    (added,) = evaluator.worth("unlearn:logit_sum", alone)
    assert added == pytest.approx(merged, abs=1e-6)


@pytest.mark.parametrize(
    ("hyper", "at", "words"),
    [
        ({"heads": 5}, None, "5 heads do not divide"),
        ({"heads": 0}, None, "heads must be above 0"),
        ({"rank": 0}, None, "rank must be a whole number above 0"),
        ({"ranks": 3}, None, "no hyper-parameter 'ranks'"),
        ({}, (99,), "2 to 16 token numbers"),
        ({}, (3, 8, 8), "2 to 16 token numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_rule(hyper: dict, at: tuple[int, ...] | None, words: str) -> None:
    with pytest.raises(InvalidProblem, match=words):
        AdaptedEncoder({**HYPER, **hyper}, at or shape("text"), 2, weights("text"))


def test_an_unknown_model_none_at_all_and_other_images_are_refused_by_name() -> None:
    with pytest.raises(InvalidProblem, match="no encoder that it knows"):
        AdaptedEncoder(HYPER, (12,), 2, {"model.embed_tokens.weight": torch.zeros(3, 3)})
    with pytest.raises(InvalidProblem, match="needs a frozen encoder"):
        make_learner(LearnerSpec("lora", {}), (12,), 2)
    with pytest.raises(InvalidProblem, match=r"images of shape \[3, 16, 16\]"):
        AdaptedEncoder(HYPER, (3, 8, 8), 2, weights("image"))
    odd = weights("text")
    odd["encoder.layer.0.intermediate.dense.weight"] = torch.zeros(42, 24)
    with pytest.raises(InvalidProblem, match="adapters need multiples of 4"):
        AdaptedEncoder(HYPER, (12,), 2, odd)
    missing = weights("text")
    del missing["encoder.layer.1.output.dense.bias"]
    with pytest.raises(InvalidProblem, match=r"no encoder.layer.1.output.dense"):
        AdaptedEncoder(HYPER, (12,), 2, missing)


def test_a_run_that_cannot_fit_is_refused_before_it_begins_with_the_settings_that_would() -> None:
    learner = model(batch=32)
    shared, each = learner.bytes_with(batch=32, recompute=False)
    less = learner.bytes_with(batch=32, recompute=True)[1]
    assert less < each
    assert memory.plan(learner, 1000, int((shared + 1000 + 3 * each) / 0.8) + 1).stack == 3
    with pytest.raises(InvalidProblem, match=r"learner 'lora': memory .* recompute=1 would fit"):
        memory.plan(learner, 1000, int((shared + 1000 + less) / 0.8) + 1)
    with pytest.raises(InvalidProblem, match="recompute=1 and batch=1 still take"):
        memory.plan(learner, 1000, 1000)
