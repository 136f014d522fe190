"""Metrics are functions of stored answers: what each one says, and that nothing broken is a score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidProblem
from contract.metrics import METRICS, Predicts, TokenSum, metric_of
from contract.tasks import PREDICTIONS, TOKEN_SUMS, Targets, class_weights

CLASSES, TOKENS = PREDICTIONS[Predicts.CLASS], PREDICTIONS[Predicts.NEXT_TOKEN]
OUTPUTS = np.array([[3.0, 0.0], [0.0, 9.0], [0.0, 0.0]], dtype=np.float32)
LABELS = np.zeros(3, dtype=np.int64)
MIXED = np.array([0, 1, 0])


def probabilities(outputs: np.ndarray) -> np.ndarray:
    raised = np.exp(outputs.astype(np.float64))
    return raised / raised.sum(axis=1, keepdims=True)


def test_metrics_are_what_their_names_say() -> None:
    likelihoods = np.log(probabilities(OUTPUTS)[:, 0])
    floored = likelihoods.clip(min=-2 * np.log(2))
    assert METRICS["accuracy"].worth(OUTPUTS, LABELS, None) == pytest.approx(2 / 3), "a tie goes to the first class"
    assert METRICS["log_loss"].worth(OUTPUTS, LABELS, None) == pytest.approx(likelihoods.mean())
    assert METRICS["clipped_log_loss"].worth(OUTPUTS, LABELS, None) == pytest.approx(floored.mean())
    assert floored.min() > likelihoods.min()


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_a_worth_has_the_same_bits_whatever_is_measured_beside_it(models: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.normal(size=(models, 37, classes)).astype(np.float32)
    labels = rng.integers(0, classes, 37)
    targets = Targets(labels, class_weights("balanced", labels, labels, classes), classes)
    for metric in METRICS.values():
        if Predicts.CLASS in metric.predicts:
            together = CLASSES.worths(metric, answers, targets)
            alone = [CLASSES.worths(metric, answers[k : k + 1], targets)[0] for k in range(models)]
            assert together.tolist() == alone


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("name", CLASSES.metrics())
def test_answers_that_are_not_finite_are_never_a_score(name: str, broken: float) -> None:
    answers = np.stack([OUTPUTS, OUTPUTS])
    answers[1, 0, 1] = broken
    worths = CLASSES.worths(METRICS[name], answers, Targets(MIXED, None, 2))
    assert np.isfinite(worths[0])
    assert np.isnan(worths[1])


def test_a_language_model_is_worth_the_mean_over_tokens_not_over_blocks() -> None:
    sums = np.zeros((1, 2, len(TOKEN_SUMS)))
    sums[0, :, TOKEN_SUMS.index(TokenSum.HITS)] = [6, 1]
    assert TOKENS.worths(METRICS["accuracy"], sums, Targets(np.array([8, 2]), None, 256)).tolist() == [0.7]


def test_weights_of_classes_add_up_to_one_and_follow_their_rule() -> None:
    labels, pooled = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1])
    assert class_weights("uniform", labels, pooled, 3) is None
    balanced, by_pool = (class_weights(rule, labels, pooled, 3) for rule in ("balanced", "pooled"))
    assert balanced is not None
    assert by_pool is not None
    assert balanced.tolist() == pytest.approx([1 / 6] * 3 + [1 / 2])
    assert by_pool.tolist() == pytest.approx([1 / 12] * 3 + [3 / 4])
    with pytest.raises(ValueError, match="no class in common"):
        class_weights("pooled", labels, np.array([2]), 3)


def test_an_unknown_metric_is_told_the_nearest_right_spelling() -> None:
    with pytest.raises(InvalidProblem, match="did you mean 'accuracy'"):
        metric_of("acuracy")


def test_every_metric_says_what_it_scores_and_stays_in_its_range() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 60)
    for metric in METRICS.values():
        assert metric.title
        assert metric.about
        if Predicts.CLASS not in metric.predicts:
            continue
        low, high = metric.range
        for _ in range(20):
            worth = metric.worth(rng.normal(size=(60, 2)).astype(np.float32) * 5, labels, None)
            assert low is None or worth >= low, metric.name
            assert high is None or worth <= high, metric.name
