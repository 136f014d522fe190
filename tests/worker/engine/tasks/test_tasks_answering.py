"""What models answer on test units, by what their learner predicts; the default halves of it that tasks share."""

import numpy as np
import pytest
import torch

from contract.learning.learners import LEARNERS
from contract.metrics import Predicts
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.tasks import ANSWERING, answering_of
from worker.engine.tasks.answering import Answering


def test_every_learner_s_models_are_answered_for_by_what_they_predict() -> None:
    assert set(ANSWERING) == {each for learner in LEARNERS.values() for each in learner.predicts}
    assert all(isinstance(each, Answering) for each in ANSWERING.values())


def test_the_answers_of_models_are_those_of_their_outputs(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 3}))
    learner, X = evaluator.learner, evaluator.test_X
    models = torch.stack([learner.start(1), learner.start(2)])
    answering = answering_of(learner)
    by_outputs = answering.answers(learner, lambda units: learner.logits(models, units), X)
    assert np.array_equal(answering.of_models(learner, models, X), by_outputs)


def test_likelihoods_of_tokens_answer_for_no_other_task(blobs) -> None:
    evaluator = Evaluator(blobs("logistic"))
    with pytest.raises(ValueError, match="models of logistic predict no tokens"):
        ANSWERING[Predicts.CLASS].of_likelihoods(evaluator.learner, lambda X: X, evaluator.test_X)
