"""The test set on a device: which rows measure, what they weigh, and which metric can be asked of what is predicted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from contract.metrics import METRICS
from contract.orders.spec import ValuationSpec
from tests.worker.engine import tiny_language
from worker.engine.evaluation import held_out
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.evaluation.test_rows import TestRows
from worker.engine.games.problem import Rows
from worker.engine.learners import make_learner
from worker.engine.valuation import value

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


def test_no_group_both_chooses_the_baseline_and_measures() -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 2, 1_200), np.repeat(np.arange(120), 10)
    for share in (0.1, 1 / 3):
        choose, measure = held_out.split(labels, share, 3, groups)
        assert not set(groups[choose]) & set(groups[measure])
        assert len(choose) + len(measure) == 1_200
        assert share * 1_200 <= len(choose) < share * 1_200 + 10
        assert np.bincount(labels[measure], minlength=2).min() >= 0.5 * np.bincount(labels).min()


def test_groups_that_cannot_be_divided_are_refused() -> None:
    labels, groups = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    with pytest.raises(InvalidProblem, match="groups of the test set cannot be divided"):
        held_out.split(labels, 0.5, 0, groups)
    # in full mode the rows that measure then choose the baseline, too
    choose, measure = held_out.chosen_apart(labels, 0.5, 0, groups)
    assert choose.tolist() == measure.tolist() == [0, 1, 2, 3]


def test_an_evaluator_counts_by_the_groups_of_its_test_rows_whatever_order_they_come_in(blobs) -> None:
    problem = blobs("logistic", n=2)
    X, y = problem.test.X, problem.test.y
    groups, order = np.arange(77) // 7, np.random.default_rng(1).permutation(77)
    tests = [Rows(X, y, "t", groups), Rows(X[order], y[order], "t", (10 - groups)[order])]
    first, again = (value(Evaluator(replace(problem, test=test)), ValuationSpec()) for test in tests)
    assert first.chance is not None
    assert (first.chance.units, first.chance.within) == (11, 77)
    assert (first.players, first.chance, first.gain) == (again.players, again.chance, again.gain)
    with pytest.raises(InvalidProblem, match="all rows of the test set are of one group"):
        replace(problem, test=Rows(X, y, "t", np.zeros(77, dtype=np.int64)))
