"""Learners, methods and their options: what can be ordered, and how a mistake is refused."""

import pytest

from contract.errors import InvalidProblem
from contract.learning.learners import ARCHITECTURES, LEARNERS, LM, LOGISTIC
from contract.learning.methods import METHODS, default_method, method_fault, methods_for, option_faults
from contract.names import nearest, unknown
from contract.orders.estimators import ESTIMATORS
from worker.engine.estimators import LONE
from worker.engine.learners import NAMES
from worker.engine.unlearning import methods_for as engine_methods


def test_defaults_are_within_their_own_rules() -> None:
    for learner in ARCHITECTURES.values():
        for parameter in learner.hyper:
            assert parameter.number(parameter.default) == parameter.default, (learner.name, parameter.name)


def test_the_engine_has_every_learner_method_and_estimator_of_the_vocabulary_and_no_other() -> None:
    assert set(NAMES) == set(LEARNERS)
    assert {"auto", *LONE} == set(ESTIMATORS)
    for learner in LEARNERS:
        ours = {method.name: method for method in engine_methods(learner).values()}
        assert set(ours) == set(methods_for(learner)), learner
        partial = {name for name in ours if ours[name].partial and LEARNERS[learner].kept}
        assert partial == set(methods_for(learner, "partial")), learner
        assert {name for name in ours if ours[name].full} == set(methods_for(learner, "full")), learner
        for name, method in ours.items():
            assert method.kind is METHODS[name]
            assert method.params is not None or method.outputs is not None


def test_a_hyper_parameter_is_refused_with_the_rule_and_the_nearest_spelling() -> None:
    assert "did you mean 'hidden'" in ARCHITECTURES["mlp"].faults({"hiden": 3})["hiden"]
    assert "above 0" in LOGISTIC.faults({"l2": 0})["l2"]
    assert "whole number" in ARCHITECTURES["mlp"].faults({"steps": 1.5})["steps"]
    assert set(LM.faults({"layers": 2})) == {"layers"}, "a size of the base is no order's"
    with pytest.raises(InvalidProblem, match="l2 must be"):
        LOGISTIC.checked({"l2": 0})
    assert LOGISTIC.checked({"iterations": 10.0})["iterations"] == 10


def test_a_method_is_refused_where_it_is_not_written_for_the_learner_or_the_mode() -> None:
    assert "did you mean 'tangent'" in (method_fault("tangnet", "logistic", "full") or "")
    assert method_fault("auto", "lm", "full") is None
    assert "not written for learner mlp" in (method_fault("newton", "mlp", "full") or "")
    assert "no data to repair with" in (method_fault("newton", "logistic", "partial") or "")
    for learner in LEARNERS:
        for mode in ("full", "partial"):
            fault = method_fault(default_method(learner, mode), learner, mode)
            assert (fault is None) == (mode == "full" or LEARNERS[learner].kept), learner


def test_an_unlearning_option_is_refused_with_the_rule_and_the_nearest_spelling() -> None:
    assert option_faults({"tangent.k": 50, "hidden_rows": 10}, "mlp", "full") == {}
    assert "did you mean 'tangent.damping'" in option_faults({"tangent.dampning": 1}, "mlp", "full")["tangent.dampning"]
    assert "at most 1" in option_faults({"shrink_and_repair.shrink": 2}, "mlp", "full")["shrink_and_repair.shrink"]
    assert "tangent.k" in option_faults({"tangent.k": "many"}, "mlp", "full")["tangent.k"]


def test_a_name_that_is_near_nothing_gets_the_list_alone() -> None:
    assert nearest("zzz", ["accuracy"]) is None
    assert unknown("metric", 7, ["a", "b"]) == "metric 7 is unknown; choose one of a, b"
