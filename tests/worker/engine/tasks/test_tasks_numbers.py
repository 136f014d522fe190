"""A number is answered by the scale of the targets, and measured in the target's own unit."""

import numpy as np
import pytest

from contract.metrics import METRICS
from contract.tasks import TargetScale
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.tasks.numbers import NumberAnswers


def problem(rows: int, **options: object) -> Problem:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, 3)).astype(np.float32)
    y = 5000.0 + 300.0 * X[:, 0]
    return Problem(
        [PlayerData("a", X[:20], y[:20]), PlayerData("b", X[20:40], y[20:40])],
        Rows(X[40:], y[40:]),
        1,
        LearnerSpec("mlp", {"steps": 5}),
        "rmse",
        **options,  # type: ignore[arg-type]  # named by the tests
    )


def test_answers_stand_for_numbers_by_the_scale_of_the_test_set() -> None:
    asked = problem(100)
    evaluator = Evaluator(asked)
    targets = evaluator.targets
    assert targets.scale == TargetScale.of(asked.test.y) == asked.scale
    np.testing.assert_array_equal(targets.values, asked.test.y)
    answers = NumberAnswers().of_models(evaluator.learner, evaluator.context.full[None], evaluator.test_X)
    assert answers.shape == (1, 60, 1)
    assert targets.scale is not None
    error = targets.scale.numbers(answers[0, :, 0]) - asked.test.y
    assert evaluator.context.full_score == pytest.approx(-np.sqrt((error**2).mean()))
    baseline = METRICS["rmse"].worth(np.full((60, 1), asked.test.y.mean()), asked.test.y, None)
    assert evaluator.empty_worth == pytest.approx(baseline)


def test_a_large_test_set_has_rows_that_choose_the_mean_and_measure_nothing() -> None:
    evaluator = Evaluator(problem(1240))
    targets = evaluator.targets
    assert targets.frequencies is not None
    assert len(targets.values) == 1080
    assert len(targets.frequencies) == 120
    assert targets.frequencies.mean() == pytest.approx(targets.values.mean(), abs=30)


def test_weights_of_classes_are_refused() -> None:
    evaluator = Evaluator(problem(100))
    with pytest.raises(ValueError, match="no classes to weigh"):
        NumberAnswers().targets(evaluator.learner, evaluator.test_X, np.ones(2), np.ones(2), None)
