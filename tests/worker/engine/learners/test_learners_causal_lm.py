"""Language models in the engine: bits, adapters, token worths, and the methods written for them, on tiny models."""

import math

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from contract.metrics import METRICS
from contract.rows.token_blocks import NO_TOKEN
from tests.worker.engine.tiny_language import (
    ADAPTERS,
    CONTEXT,
    SHAPE,
    VOCABULARY,
    base_weights,
    model,
    moved,
    problem,
    texts,
)
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import EvaluationFailed, all_coalitions
from worker.engine.games.problem import LearnerSpec, Problem
from worker.engine.learners import make_learner
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.tasks.tokens import TokenAnswers
from worker.engine.tensors.batching import Batch, single_threaded
from worker.engine.unlearning import methods_for


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_models_outputs_and_gradients_have_the_same_bits_in_any_stack(rank: int) -> None:
    learner, rows = model(rank=rank), torch.from_numpy(texts(8, 2))
    params = moved(learner, 5)
    with single_threaded():
        together = learner.logits(params, rows)
        batch = Batch(rows.expand(5, -1, -1), torch.zeros(5, 8, dtype=torch.int64), torch.ones(5, 8))
        gradients = learner.gradient(params, batch)
        for k in range(5):
            one = Batch(rows.unsqueeze(0), batch.y[:1], batch.weight[:1])
            assert torch.equal(together[k], learner.logits(params[k : k + 1], rows)[0])
            assert torch.equal(gradients[k], learner.gradient(params[k : k + 1], one)[0])


def test_outputs_without_a_gradient_have_the_same_bits_in_any_stack_and_are_those_with_one() -> None:
    learner, rows = model(), torch.from_numpy(texts(8, 2))
    params = moved(learner, 5)
    with single_threaded():
        beside = learner.logits(params, rows)
        with torch.no_grad():
            added = learner.logits(params, rows)
            for k in range(5):
                assert torch.equal(added[k], learner.logits(params[k : k + 1], rows)[0])
    assert torch.allclose(added, beside, atol=1e-5, rtol=1e-5)
    assert not torch.equal(added, beside), "this compares one way with itself"


def test_worths_are_the_same_bits_whatever_the_stack_the_threads_and_the_order() -> None:
    coalitions = all_coalitions(4)
    one = Evaluator(problem(), stack=1)
    many = Evaluator(problem(), stack=5, threads=2)
    for source in ("retrain", "unlearn:tangent", "unlearn:merge", "unlearn:npo"):
        forwards = one.worth(source, coalitions)
        backwards = many.worth(source, coalitions[::-1])[::-1]
        assert np.array_equal(forwards, backwards), source


def test_copies_are_interchangeable() -> None:
    evaluator = Evaluator(problem())
    names = [p.name for p in evaluator.players]
    only = lambda name: np.array([[each == name for each in names]])  # noqa: E731
    for source in evaluator.sources:
        assert evaluator.worth(source, only("p0")) == evaluator.worth(source, only("copy")), source


def test_the_untrained_adapter_is_the_base_model_bit_for_bit() -> None:
    learner, rows = model(), torch.from_numpy(texts(4, 2))
    whole = LanguageModel({**SHAPE, "rank": 0}, (CONTEXT + 1,), VOCABULARY)
    weights = whole.layout.pack(base_weights(), torch.float32).unsqueeze(0)
    assert torch.equal(learner.logits(learner.start(9).unsqueeze(0), rows), whole.logits(weights, rows))


def test_the_gradient_is_the_derivative_of_the_negative_log_likelihood_per_token() -> None:
    learner, rows = model(), torch.from_numpy(texts(3, 2))
    params = moved(learner, 1)
    weight = torch.tensor([[1.0, 0.0, 2.0]])
    found = learner.gradient(params, Batch(rows.unsqueeze(0), torch.zeros(1, 3, dtype=torch.int64), weight))[0]

    def loss(shift: torch.Tensor) -> float:
        likelihood, _ = learner.likelihoods(params + shift, rows)
        return -float((likelihood.double().sum(dim=2) * weight).sum()) / CONTEXT

    direction = found / found.norm()
    slope = (loss(1e-2 * direction) - loss(-1e-2 * direction)) / 2e-2
    assert slope == pytest.approx(float(found.norm()), rel=2e-2)


def test_no_output_depends_on_a_later_token() -> None:
    learner, rows = model(), torch.from_numpy(texts(2, 2))
    changed = rows.clone()
    changed[:, 9:] = 0
    params = moved(learner, 1)
    assert torch.equal(learner.logits(params, rows)[..., :9, :], learner.logits(params, changed)[..., :9, :])


def worths(learner: LanguageModel, metric: str, params: torch.Tensor, X: torch.Tensor) -> np.ndarray:
    """Worths of models [K, P] on blocks, from what is stored of them."""
    tokens = TokenAnswers()
    answers = tokens.of_models(learner, params, X)
    return tokens.prediction.worths(METRICS[metric], answers, tokens.targets(learner, X, X[:, 0], None))


def test_absent_tokens_neither_train_nor_count() -> None:
    learner = model()
    params, rows = moved(learner, 1), torch.from_numpy(texts(1, 2))
    short = rows.clone()
    short[:, 9:] = NO_TOKEN
    worth = worths(learner, "log_loss", params, short)[0]
    likelihood, there = learner.likelihoods(params, rows)
    assert int(learner.likelihoods(params, short)[1].sum()) == 8
    assert float(worth) == pytest.approx(float(likelihood[0, 0, :8].double().mean()), rel=1e-5)
    assert bool(there.all())


def test_worth_is_the_mean_over_tokens_in_each_metric() -> None:
    loud = {n: a * (60 if n == "model.norm.weight" else 1) for n, a in base_weights().items()}
    learner, rows = LanguageModel(ADAPTERS, (CONTEXT + 1,), VOCABULARY, loud), torch.from_numpy(texts(21, 2))
    params = moved(learner, 2)
    outputs, targets = learner.logits(params, rows), rows[:, 1:].long()
    log_p = torch.log_softmax(outputs.double(), dim=3).gather(3, targets.expand(2, -1, -1).unsqueeze(3)).squeeze(3)
    floor = -2 * math.log(VOCABULARY)
    assert bool((log_p < floor).any())
    wanted = {
        "log_loss": log_p.mean(dim=(1, 2)),
        "clipped_log_loss": log_p.clamp(min=floor).mean(dim=(1, 2)),
        "accuracy": (outputs.argmax(dim=3) == targets).double().mean(dim=(1, 2)),
    }
    for metric, expected in wanted.items():
        assert np.allclose(worths(learner, metric, params, rows), expected, atol=1e-4), metric


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "clipped_log_loss"])
def test_a_broken_model_is_never_a_score(metric: str) -> None:
    broken = {f"frozen.{n}": a for n, a in base_weights().items()}
    adapter = model().layout.unpack(model().start(0))
    # their product overflows on any processor; either one alone may stay finite
    names = [f"model.layers.0.mlp.down_proj.lora_{half}.weight" for half in "AB"]
    broken |= {**adapter, **{name: np.full_like(adapter[name], 3e38) for name in names}}
    with pytest.raises(EvaluationFailed, match="not finite"):
        Evaluator(problem(metric=metric, checkpoint=broken)).prepare()


def test_training_on_a_corpus_makes_its_own_test_text_likelier() -> None:
    evaluator = Evaluator(problem())
    assert evaluator.full_worth > evaluator.empty_worth + 0.02


def test_every_method_keeps_m_full_where_nothing_is_forgotten_and_the_base_where_all_is() -> None:
    evaluator = Evaluator(problem())
    ends = np.array([[True] * 4, [False] * 4])
    for source in evaluator.sources:
        # a second seed has a full model of its own: that is the noise it is there to measure
        if not source.startswith("retrain:"):
            assert evaluator.worth(source, ends).tolist() == [evaluator.full_worth, evaluator.empty_worth], source


def test_the_tangents_two_ends_are_exact_by_construction_not_by_the_anchor() -> None:
    evaluator = Evaluator(problem())
    unlearn = methods_for("lm")["tangent"].params
    assert unlearn is not None
    found = unlearn(evaluator.context, np.array([[True] * 4, [False] * 4]))
    assert torch.allclose(found[0], evaluator.context.full, atol=1e-5)
    assert torch.allclose(found[1], evaluator.context.base, atol=1e-6)


def test_merging_products_of_one_player_returns_its_own_adapter() -> None:
    evaluator = Evaluator(problem())
    merge = methods_for("lm")["adapter_sum"].params
    separate = methods_for("lm")["merge"].params
    assert merge is not None
    assert separate is not None
    alone = np.array([[True, False, False, False]])
    rows = torch.from_numpy(texts(4, 2))
    learner = evaluator.learner
    outputs = [learner.logits(each(evaluator.context, alone), rows) for each in (merge, separate)]
    assert torch.allclose(*outputs, atol=1e-4)


def test_partial_mode_offers_no_method_that_needs_retained_rows() -> None:
    evaluator = Evaluator(problem(mode="partial"))
    assert "unlearn:tangent" in evaluator.sources
    assert not any(s.startswith(("repair", "retrain")) for s in evaluator.sources)
    assert not {"unlearn:merge", "unlearn:adapter_sum", "unlearn:logit_sum"} & set(evaluator.sources)
    worths = evaluator.worth("unlearn:tangent", all_coalitions(4))
    assert np.isfinite(worths).all()
    assert len(set(worths.tolist())) > 4


def test_a_prepared_game_needs_no_training() -> None:
    first = Evaluator(problem())
    again = Evaluator(problem(), prepared=first.prepared_state())
    coalitions = all_coalitions(4)[:6]
    assert np.array_equal(first.worth("unlearn:tangent", coalitions), again.worth("unlearn:tangent", coalitions))


def test_methods_of_labels_are_not_offered_for_tokens_nor_the_other_way() -> None:
    assert not {"newton", "paper"} & set(methods_for("lm"))
    assert not {"npo", "simnpo", "adapter_sum"} & set(methods_for("mlp"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learner": LearnerSpec("lm", {**ADAPTERS, "width": 48})}, "multiple of 32"),
        ({"learner": LearnerSpec("lm", {**ADAPTERS, "layers": 2})}, "missing"),
        ({"learner": LearnerSpec("lm", {**ADAPTERS, "inner": 64})}, "has shape"),
        ({"learner": LearnerSpec("lm", {**ADAPTERS, "steps": 0})}, "steps must be a whole number above 0"),
        ({"learner": LearnerSpec("lm", {**ADAPTERS, "rank": 0})}, "trains all weights"),
        ({"checkpoint": None}, "needs a base model"),
        ({"learner": LearnerSpec("mlp", {})}, "takes no frozen weights"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(change: dict[str, object], words: str) -> None:
    settings = {**problem().__dict__, **change}
    with pytest.raises(InvalidProblem, match=words):
        Evaluator(Problem(**settings))


def test_a_context_that_would_misalign_the_stack_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="multiple of 8"):
        make_learner(LearnerSpec("lm", ADAPTERS), (20,), VOCABULARY, base_weights())
