"""Memory of language models: planned before a run, refused with the mend, and spared by bfloat16 and recomputing."""

import re

import pytest
import torch

from contract.errors import InvalidProblem
from tests.worker.engine.tiny_language import ADAPTERS, CONTEXT, SHAPE, VOCABULARY, model, moved, problem, texts
from worker.engine.evaluation import memory
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.tensors.batching import Batch, single_threaded


def deep(**hyper: float) -> LanguageModel:
    shape = {**SHAPE, "layers": 4}
    bare = make_learner(LearnerSpec("lm", {**shape, "rank": 0}), (CONTEXT + 1,), VOCABULARY)
    base = bare.layout.unpack(bare.start(3))
    return LanguageModel({**ADAPTERS, **shape, **hyper}, (CONTEXT + 1,), VOCABULARY, base)


def needed(learner: LanguageModel, **settings: bool | int) -> int:
    shared, each = learner.bytes_with(
        **{"batch": learner.batch, "recompute": False, "bf16": False, **settings}  # type: ignore[arg-type]
    )
    return shared + each


def test_the_plan_stacks_what_fits_beside_the_base_and_the_rows() -> None:
    learner = model()
    each = learner.bytes_with(batch=learner.batch, recompute=False, bf16=False)[1]
    free = 20 * (each + learner.bytes_shared())
    plan = memory.plan(learner, 1000, free)
    assert plan.stack > 4
    assert plan.shared + plan.stack * plan.each <= free
    assert memory.plan(learner, 1000, 1 << 60).stack == memory.MOST_STACKED


def test_a_model_that_does_not_fit_is_refused_with_numbers_and_the_mildest_settings_that_would() -> None:
    learner = deep(batch=4096)
    with_less = needed(learner, recompute=True)
    assert with_less < needed(learner)
    with pytest.raises(InvalidProblem) as refused:
        memory.plan(learner, 0, int(1.01 * with_less / 0.8))
    assert re.search(r"one coalition's .* [0-9.]+ GB; [0-9.]+ GB are free", str(refused.value))
    assert "recompute=1 would fit" in str(refused.value)
    assert memory.plan(deep(batch=4096, recompute=1), 0, int(1.01 * with_less / 0.8)).stack == 1


def test_smaller_minibatches_are_named_where_nothing_milder_fits() -> None:
    learner = deep(batch=4096)
    with pytest.raises(InvalidProblem, match=r"batch=[0-9]+ would fit"):
        memory.plan(learner, 0, needed(learner, recompute=True, bf16=True) // 2)


def test_where_no_setting_fits_the_least_that_would_is_said() -> None:
    with pytest.raises(InvalidProblem, match=r"No setting fits: recompute=1, bf16=1 and batch=1 still take [0-9.]+ GB"):
        memory.plan(model(), 0, 1000)


def test_an_evaluator_refuses_before_it_trains_anything() -> None:
    hyper = {**ADAPTERS, "batch": 1 << 30}
    with pytest.raises(InvalidProblem, match="does not fit"):
        Evaluator(problem(learner=LearnerSpec("lm", hyper))).prepare()


def test_free_memory_of_this_machine_is_known() -> None:
    assert memory.free_bytes(torch.device("cpu")) > 1 << 20


def test_recomputed_layers_give_the_same_gradient_bit_for_bit() -> None:
    kept, again = deep(), deep(recompute=1)
    params, rows = moved(kept, 2), torch.from_numpy(texts(4, 2))
    batch = Batch(rows.expand(2, -1, -1), torch.zeros(2, 4, dtype=torch.int64), torch.ones(2, 4))
    with single_threaded():
        assert torch.equal(kept.gradient(params, batch), again.gradient(params, batch))


def test_bfloat16_holds_the_base_in_half_the_bytes_and_changes_answers_little() -> None:
    exact, short = model(), model(bf16=1)
    assert 2 * short.bytes_shared() == exact.bytes_shared()
    params, rows = moved(exact, 1), torch.from_numpy(texts(8, 2))
    outputs = [each.logits(params, rows) for each in (exact, short)]
    assert outputs[1].dtype == torch.float32
    assert not torch.equal(*outputs)
    assert torch.allclose(*outputs, atol=0.02 * float(outputs[0].abs().max()))
    batch = Batch(rows.unsqueeze(0), torch.zeros(1, 8, dtype=torch.int64), torch.ones(1, 8))
    gradients = [each.gradient(params, batch)[0] for each in (exact, short)]
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.99


def test_bfloat16_is_off_unless_asked_for() -> None:
    assert model().inside == torch.float32


def test_a_stack_is_what_the_caller_fixed_or_a_part_of_the_coalitions_for_each_thread() -> None:
    cpu = torch.device("cpu")
    learner = make_learner(LearnerSpec("logistic", {}), (4,), 2)
    assert learner.slots > 1
    assert memory.Slots(learner, cpu, 2, 5, None).stacked(100, 1, 30) == 5
    assert memory.Slots(learner, cpu, 2, None, None).stacked(40, 1, 30) == 20
    assert memory.Slots(learner, cpu, 2, None, None).stacked(2, 1, 30) == learner.slots
    assert memory.Slots(learner, cpu, 1, None, None).stacked(1000, 1, 30) == 64
    network = make_learner(LearnerSpec("mlp", {}), (4,), 2)
    assert memory.Slots(network, cpu, 2, None, None).stacked(100, 16, 30) == 16
