"""A method is named, and limited to modes, by the vocabulary; its code says what it returns and what it costs."""

import pytest

from contract.learning.learners import LEARNERS
from contract.learning.methods import METHODS
from worker.engine.unlearning import methods_for
from worker.engine.unlearning.method import Method

ALL = [method for learner in LEARNERS for method in methods_for(learner).values()]


def test_name_source_and_mode_are_the_vocabulary_s() -> None:
    for name in ("tangent", "shrink_and_repair", "newton"):
        kind = METHODS[name]
        method = Method(kind, cost=lambda _context: 1.0)
        assert (method.name, method.source, method.partial) == (name, kind.source, kind.partial)


@pytest.mark.parametrize("method", {id(method): method for method in ALL}.values(), ids=lambda each: each.name)
def test_a_method_returns_models_or_outputs_and_its_stacks_share_a_known_number(method: Method) -> None:
    assert (method.params is None) != (method.outputs is None)
    assert method.likelihoods is None or method.outputs is not None
    assert method.shape in ("fixed", "kept", "forgotten")


def test_a_method_that_needs_retained_rows_is_not_for_partial_mode() -> None:
    for name in ("finetune_retained", "shrink_and_repair", "neggrad_plus"):
        assert not methods_for("mlp")[name].partial
