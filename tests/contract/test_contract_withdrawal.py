"""How a model forgets withdrawn rows: what each architecture can do, and what is done where something is missing."""

import itertools

import pytest

from contract.learning.learners import LEARNERS, Architecture
from contract.learning.withdrawal import METHODS, NEEDS_ALL, WithdrawalMethod, chosen, fault

# frozen models have seen nobody's rows, so nothing is ever withdrawn from one
CASES = [
    (architecture, method, whole, test)
    for architecture in map(Architecture, LEARNERS)
    for method in (None, *sorted(METHODS[architecture]))
    for whole, test in itertools.product((True, False), repeat=2)
]


@pytest.mark.parametrize("architecture", Architecture)
def test_every_model_can_be_erased_and_every_learner_trained_anew(architecture: Architecture) -> None:
    assert {WithdrawalMethod.AUTO, WithdrawalMethod.ERASE} <= METHODS[architecture]
    assert (WithdrawalMethod.RETRAIN in METHODS[architecture]) == (architecture in LEARNERS)


def test_whatever_is_missing_the_chosen_method_is_one_of_the_models_and_can_be_done() -> None:
    for architecture, method, whole, test in CASES:
        done, why = chosen(architecture, method, whole=whole, test=test)
        assert done in METHODS[architecture]
        assert done is not WithdrawalMethod.AUTO
        assert whole or done not in NEEDS_ALL, "rows that are not here cannot be read"
        if done not in NEEDS_ALL and done is not WithdrawalMethod.ERASE:
            assert test, "methods without the other rows go by the owner's test rows"
        if method not in (None, WithdrawalMethod.AUTO, done):
            assert why is not None, "whoever chose another method reads why"


def test_what_was_chosen_is_done_without_a_reason_where_all_is_there() -> None:
    for architecture, method, _, _ in CASES:
        done, why = chosen(architecture, method, whole=True, test=True)
        assert why is None
        assert done is (WithdrawalMethod.RETRAIN if method in (None, WithdrawalMethod.AUTO) else method)


def test_without_the_other_rows_a_linear_model_is_unlearned_and_a_network_is_erased() -> None:
    without = {each: chosen(each, None, whole=False, test=True)[0] for each in map(Architecture, LEARNERS)}
    assert without[Architecture.LOGISTIC] is WithdrawalMethod.TANGENT
    assert without[Architecture.RIDGE] is WithdrawalMethod.STATISTICS
    linear = (Architecture.LOGISTIC, Architecture.RIDGE)
    assert {without[each] for each in without if each not in linear} == {WithdrawalMethod.ERASE}
    _, why = chosen(Architecture.MLP, WithdrawalMethod.RETRAIN, whole=False, test=True)
    assert why == "retrain was asked for, but not every other row that the model has seen is here"


def test_without_the_owners_test_rows_either_the_model_is_erased_with_the_reason() -> None:
    done, why = chosen(Architecture.LOGISTIC, WithdrawalMethod.TANGENT, whole=False, test=False)
    assert done is WithdrawalMethod.ERASE
    assert "your test rows" in (why or "")


def test_a_method_that_an_architecture_lacks_is_refused_with_those_that_it_has() -> None:
    assert fault(Architecture.MLP, None) is None
    assert fault(Architecture.LOGISTIC, WithdrawalMethod.NEWTON) is None
    sentence = fault(Architecture.MLP, WithdrawalMethod.NEWTON)
    assert sentence is not None
    assert sentence.startswith("mlp has no method newton; choose one of auto, erase,")
