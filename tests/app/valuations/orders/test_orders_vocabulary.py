"""What may be named together: everything wrong is told at once, by field, with what is allowed."""

from typing import Any

import pytest

from app.checkpoints.tables import Checkpoint
from app.errors import InvalidInput
from app.valuations.orders.model_choice import Chosen
from app.valuations.orders.refusals import refused
from app.valuations.orders.vocabulary import check_vocabulary
from app.valuations.schemas import Model, NewValuation
from contract.learning.learners import LEARNERS, Architecture
from contract.learning.methods import METHODS, method_fault, mode_fault
from contract.metrics import METRICS

TOLD: dict[str, Any] = {"precision": 0.9, "costs": {"a": {"b": 1.0}, "b": {"a": 1.0}}}


def check(learner: str = "logistic", base: Architecture | None = None, **changes: Any) -> None:
    ids = [f"ds_{number:032x}" for number in range(3)]
    body = {"datasets": ids[:2], "test_dataset": ids[2], "pool": "1.00", "model": {"name": learner}} | changes
    below = None if base is None else Checkpoint(architecture=base)
    check_vocabulary(NewValuation.model_validate(body), Chosen(Model(name=learner), None, below))


def faults(*args: Any, **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        check(*args, **changes)
    assert refusal.value.detail == refusal.value.errors[0].detail
    return {error.pointer: error.detail for error in refusal.value.errors}


def test_what_goes_together_is_admitted() -> None:
    check()
    check("mlp", unlearning={"method": "tangent", "options": {"tangent.k": 50}}, class_weights="balanced")
    check("lm", Architecture.LM, metric="log_loss", unlearning={"method": "mixture"})


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = faults(
        "lm",
        Architecture.LM,
        metric="roc_auc",
        class_weights="balanced",
        payout={"shards": 10},
        unlearning={"method": "newton", "options": {"tangent.dampning": 1}},
    )
    assert set(wrong) == {
        "/metric",
        "/unlearning/method",
        "/unlearning/options/tangent.dampning",
        "/payout/shards",
        "/class_weights",
    }
    assert "choose one of accuracy, clipped_log_loss, log_loss" in wrong["/metric"]
    assert "did you mean 'tangent.damping'" in wrong["/unlearning/options/tangent.dampning"]


@pytest.mark.parametrize("mode", ["full", "partial"])
@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_a_method_is_admitted_exactly_where_it_is_written_for_the_learner_and_the_mode(learner: str, mode: str) -> None:
    base = Architecture.LM if learner == "lm" else Architecture.ENCODER if learner == "lora" else None
    for method in METHODS:
        metric = LEARNERS[learner].metrics()[-1 if learner == "ridge" else 2]
        order: dict[str, Any] = {"mode": mode, "metric": metric, "unlearning": {"method": method}}
        if method_fault(method, learner, mode) is None:
            check(learner, base, **order)
        else:
            refused = "/unlearning/method" if mode_fault(learner, mode) is None else "/mode"
            assert list(faults(learner, base, **order)) == [refused]


def test_a_metric_is_refused_exactly_where_it_cannot_score_the_model() -> None:
    for name, metric in METRICS.items():
        if LEARNERS["lm"].predicted(metric) is not None:
            check("lm", Architecture.LM, metric=name)
        else:
            told = {name: TOLD[name] for name in metric.needs}
            assert list(faults("lm", Architecture.LM, metric=name, metric_options=told or None)) == ["/metric"]


def test_shards_are_cut_where_no_frozen_model_reads_the_files() -> None:
    check(payout={"shards": 10})
    assert list(faults("mlp", Architecture.ENCODER, payout={"shards": 10})) == ["/payout/shards"]


def test_a_refusal_names_its_field_once_in_the_sentence_and_once_in_the_list() -> None:
    refusal = refused("/pool", "it is empty")
    assert refusal.detail == "it is empty"
    assert [(error.pointer, error.detail) for error in refusal.errors] == [("/pool", "it is empty")]
