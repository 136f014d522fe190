"""A row of a table or an image is answered with the log-odds of each class; a row is one prediction."""

import numpy as np
import pytest
import torch

from contract.metrics import METRICS
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.tasks.classes import ClassAnswers

TASK = ClassAnswers()


@pytest.fixture(scope="module")
def evaluator(blobs) -> Evaluator:
    return Evaluator(blobs("logistic"))


def test_answers_are_outputs_rounded_to_single_precision(evaluator: Evaluator) -> None:
    learner, X = evaluator.learner, evaluator.test_X
    outputs = torch.randn(2, len(X), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = TASK.answers(learner, lambda units: outputs[:, : len(units)], X)
    assert found.dtype == np.float32
    assert np.array_equal(found, outputs.numpy().astype(np.float32))


def test_targets_are_labels_with_their_weights_and_the_number_of_classes(evaluator: Evaluator) -> None:
    weights = np.linspace(0.5, 1.5, len(evaluator.test_y))
    targets = TASK.targets(evaluator.learner, evaluator.test_X, evaluator.test_y.numpy(), weights, None)
    assert np.array_equal(targets.values, evaluator.problem.test.y)
    assert np.array_equal(targets.weights, weights)
    assert targets.classes == 3


def test_worths_follow_from_answers_and_targets_alone(evaluator: Evaluator) -> None:
    right = 10.0 * torch.nn.functional.one_hot(evaluator.test_y, 3)
    answers = TASK.answers(evaluator.learner, lambda _: torch.stack([right, -right]), evaluator.test_X)
    targets = TASK.targets(evaluator.learner, evaluator.test_X, evaluator.test_y.numpy(), None, None)
    assert TASK.prediction.worths(METRICS["accuracy"], answers, targets).tolist() == [1.0, 0.0]


def test_each_row_is_one_prediction_of_itself(evaluator: Evaluator) -> None:
    X, y = evaluator.test_X[:7], evaluator.test_y[:7]
    models = evaluator.learner.start(0).expand(2, -1)
    (found,) = TASK.predicted(evaluator.learner, models, X, y)
    assert found.outputs.shape == (2, 7, 3)
    assert torch.equal(found.labels, y)
    assert found.rows.tolist() == list(range(7))
    assert TASK.places(X) == 1
