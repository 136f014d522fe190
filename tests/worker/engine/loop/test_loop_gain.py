"""The test of the gain: noise passes it about as often as its level says, a better model does, and rows decide."""

from dataclasses import replace

import numpy as np
import pytest

from contract.metrics import METRICS, Predicts
from contract.orders.spec import ValuationSpec
from contract.results.baseline import baseline, frequencies
from contract.tasks import PREDICTIONS, Targets
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Player, TableFidelityGame
from worker.engine.games.measured import TestUnits
from worker.engine.games.problem import Rows
from worker.engine.loop import gain as gains
from worker.engine.valuation import recompute, value

CLASSES = PREDICTIONS[Predicts.CLASS]


def units(metric: str, labels: np.ndarray, classes: int) -> TestUnits:
    targets = Targets(labels, None, classes, frequencies(labels, None, classes))
    return TestUnits(CLASSES, METRICS[metric], targets, baseline(CLASSES, METRICS[metric], targets, None, ""), 0)


def outputs(rng: np.random.Generator, labels: np.ndarray, signal: float) -> np.ndarray:
    return (rng.normal(size=(len(labels), 2)) + signal * np.eye(2)[labels] + [0.0, 1.0]).astype(np.float32)


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
@pytest.mark.parametrize("rows", [40, 200])
def test_a_model_that_knows_nothing_is_rarely_a_gain(metric: str, rows: int) -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(1000):
        labels = np.append(rng.integers(0, 2, rows - 2), [0, 1])
        ends = units(metric, labels, 2).ends(outputs(rng, labels, 0.0), None, 0.0, "")
        found.append(gains.tested(ends, 0.95).gained)
    assert np.mean(found) <= 0.065


# a model that harms finds as little at a precision as one that ranks nothing: it stands on the metric's floor
@pytest.mark.parametrize(
    "metric", [each for each in PREDICTIONS[Predicts.CLASS].metrics() if each != "recall_at_precision"]
)
def test_a_model_that_knows_much_is_a_gain_and_one_that_harms_is_none(metric: str) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 150)
    good, bad = (
        gains.tested(units(metric, labels, 2).ends(outputs(rng, labels, signal), None, 0.0, ""), 0.95)
        for signal in (4.0, -4.0)
    )
    assert good.gained
    assert good.difference == pytest.approx(good.full - good.baseline)
    assert 0 < good.lower < good.difference
    assert good.p_value < 0.05
    assert not bad.gained
    assert bad.difference < 0
    assert bad.p_value > 0.95


def test_three_lucky_rows_of_sixty_are_no_gain() -> None:
    labels = np.array([0] * 40 + [1] * 20)
    answers = np.zeros((60, 2), dtype=np.float32)
    answers[:, 0] = 1.0
    answers[40:43] = [0.0, 1.0]
    found = gains.tested(units("accuracy", labels, 2).ends(answers, None, 0.0, ""), 0.95)
    assert found.difference == pytest.approx(3 / 60)
    assert not found.gained


def test_an_evaluators_result_has_the_test_and_a_repeated_one_keeps_it(blobs) -> None:
    result = value(Evaluator(blobs("logistic", n=3)), ValuationSpec(confidence=0.9))
    assert result.gain is not None
    assert result.gain.gained
    assert (result.gain.baseline, result.gain.full) == (result.empty_worth, result.full_worth)
    assert (
        "on 77 test rows against the baseline, the most frequent class (chosen by the same rows)" in result.gain.basis
    )
    assert result.gain.basis.endswith("one-sided at 10 %")
    assert recompute(result) == result


def test_the_baseline_of_partial_mode_is_what_unlearning_leaves_of_the_model(blobs) -> None:
    problem = blobs("logistic", n=3)
    full = Evaluator(problem)
    rest = full.learner.layout.unpack(full.context.full)
    partial = blobs("logistic", n=3, mode="partial", checkpoint=rest, unlearning={"hidden_rows": 100})
    result = value(Evaluator(partial), ValuationSpec(mode="partial"))
    assert result.gain is not None
    assert result.gain.baseline == result.empty_worth
    about = "unlearned" if result.empty_worth > Evaluator(partial).empty_worth else "the most frequent class"
    assert about in result.gain.basis


def test_a_game_of_plain_numbers_has_no_test_units() -> None:
    players = [Player("a", 1, "a"), Player("b", 1, "b")]
    game = TableFidelityGame(players, {"retrain": np.array([0.1, 0.2, 0.3, 0.5])})
    assert value(game, ValuationSpec(fidelity="retrain")).gain is None


def test_rows_that_choose_the_baseline_of_a_large_test_set_measure_nothing(blobs) -> None:
    small = blobs("logistic", n=3)
    rng = np.random.default_rng(0)
    X = np.repeat(small.test.X, 15, axis=0) + rng.normal(size=(77 * 15, 5)).astype(np.float32)
    large = replace(small, test=Rows(X, np.repeat(small.test.y, 15)))
    evaluator = Evaluator(large)
    assert len(evaluator.targets.values) == 77 * 15 - 116
    result = value(evaluator, ValuationSpec())
    assert result.gain is not None
    assert "(chosen by 116 other test rows)" in result.gain.basis
