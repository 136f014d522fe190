"""The test set on a device: which rows measure, what they weigh, and which metric can be asked of what is predicted."""

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from contract.metrics import METRICS
from tests.worker.engine import tiny_language
from worker.engine.evaluation.test_rows import TestRows
from worker.engine.learners import make_learner

CPU = torch.device("cpu")


def rows_of(problem) -> TestRows:
    return TestRows(problem, make_learner(problem.learner, problem.feature_shape, problem.classes), CPU)


def test_in_full_mode_every_row_measures_in_the_problem_s_order_and_none_anchors(blobs) -> None:
    problem = blobs("mlp")
    rows = rows_of(problem)
    assert rows.anchor is None
    assert np.array_equal(rows.X.numpy(), problem.test.X)
    assert np.array_equal(rows.targets.values, problem.test.y)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_in_partial_mode_each_row_anchors_or_measures_by_the_share(blobs, share: float) -> None:
    problem = blobs("mlp", mode="partial", unlearning={"anchor_share": share})
    rows = rows_of(problem)
    assert rows.anchor is not None
    assert len(rows.anchor[1]) + len(rows.y) == len(problem.test)
    assert len(rows.anchor[1]) == pytest.approx(share * len(problem.test), abs=3)
    together = sorted(map(bytes, torch.cat([rows.anchor[0], rows.X]).numpy()))
    assert together == sorted(map(bytes, problem.test.X))


def test_worths_are_the_metric_of_the_stored_answers(blobs) -> None:
    rows = rows_of(blobs("mlp", metric="accuracy"))
    learner = make_learner(blobs("mlp").learner, (5,), 3)
    answers = rows.answers_of(torch.stack([learner.start(1), learner.start(2)]))
    assert answers.shape[:2] == (2, len(rows.y))
    right = answers.argmax(axis=2) == rows.y.numpy()
    np.testing.assert_allclose(rows.scores(answers), right.mean(axis=1))
    assert rows.metric is METRICS["accuracy"]


def test_balanced_classes_weigh_alike_in_a_worth_however_many_rows_they_have(blobs) -> None:
    rows = rows_of(blobs("mlp", metric="accuracy", class_weights="balanced"))
    one_class = np.zeros((1, len(rows.y), 3), dtype=np.float32)
    one_class[..., 0] = 1.0
    assert rows.scores(one_class)[0] == pytest.approx(1 / 3)


def test_a_metric_that_what_is_predicted_cannot_be_scored_by_is_refused_with_those_that_can() -> None:
    with pytest.raises(InvalidProblem, match=r"choose one of .*log_loss"):
        tiny_language.problem(metric="roc_auc")
