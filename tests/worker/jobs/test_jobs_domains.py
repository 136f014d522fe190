"""Perplexity by domain: how likely a model finds each domain's own tokens; models that predict no tokens have none."""

import numpy as np
import pytest
import torch

from tests.worker.engine import tiny_language
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.jobs.domains import perplexities


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator(tiny_language.problem())


def by_hand(evaluator: Evaluator, model: torch.Tensor, domain: int) -> float:
    X = evaluator.test_X[evaluator.test_y == domain]
    likelihood, present = evaluator.learner.likelihoods(model[None], X)
    return float(np.exp(-float(likelihood.double().sum() / present.sum())))


def test_a_domain_s_perplexity_is_of_its_own_tokens_under_both_models(evaluator: Evaluator) -> None:
    found = perplexities(evaluator, ["one", "three"])
    assert [each.domain for each in found] == ["one", "three"]
    for number, each in enumerate(found):
        assert each.tokens == 20 * tiny_language.CONTEXT
        assert each.base == pytest.approx(by_hand(evaluator, evaluator.context.base, number), rel=1e-4)
        assert each.full == pytest.approx(by_hand(evaluator, evaluator.context.full, number), rel=1e-4)
        assert each.full < each.base, "it was trained on such texts"


def test_a_domain_without_a_row_that_measures_is_left_out(evaluator: Evaluator) -> None:
    assert [each.domain for each in perplexities(evaluator, ["one", "three", "absent"])] == ["one", "three"]


def test_models_that_predict_no_tokens_have_no_perplexity() -> None:
    X, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    problem = Problem([PlayerData("a", X, y)], Rows(X, y), 2, LearnerSpec("logistic"))
    assert perplexities(Evaluator(problem), ["it"]) == []
