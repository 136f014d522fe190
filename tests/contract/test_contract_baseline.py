"""The baseline is the best constant answer, and influences say how far a worth would be off with other test units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.metrics import METRICS, Predicts, TokenSum
from contract.results.baseline import at_least, baseline, chosen_apart, frequencies
from contract.tasks import PREDICTIONS, TOKEN_SUMS, Targets, class_weights

CLASSES, TOKENS = PREDICTIONS[Predicts.CLASS], PREDICTIONS[Predicts.NEXT_TOKEN]


def drawn(seed: int, units: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and labels of a model that knows something."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [np.arange(classes), rng.choice(classes, units - classes, p=rng.dirichlet(np.ones(classes)))]
    )
    outputs = rng.normal(size=(units, classes)) + 1.5 * np.eye(classes)[labels]
    return outputs.astype(np.float32), labels


@pytest.mark.parametrize("name", CLASSES.metrics())
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.sampled_from(["uniform", "balanced", "pooled"]))
def test_no_constant_answer_scores_better_than_the_baseline(name: str, seed: int, classes: int, rule: str) -> None:
    _, labels = drawn(seed, 40, classes)
    rng = np.random.default_rng(seed)
    weights = class_weights(rule, labels, np.append(rng.integers(0, classes, 30), np.arange(classes)), classes)
    targets = Targets(labels, weights, classes, frequencies(labels, weights, classes))
    found = baseline(CLASSES, METRICS[name], targets, None, "")
    others = np.repeat(rng.normal(scale=2.0, size=(20, 1, classes)).astype(np.float32), len(labels), axis=1)
    assert found.worth >= CLASSES.worths(METRICS[name], others, targets).max() - 1e-6
    assert found.about == METRICS[name].constant_is


def test_a_class_that_the_test_set_lacks_is_unlikely_and_not_impossible() -> None:
    often = frequencies(np.array([0, 0, 0, 1]), None, 3)
    assert often.tolist() == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5])


def test_a_model_that_the_buyer_has_is_the_baseline_where_it_is_better() -> None:
    outputs, labels = drawn(0, 50, 3)
    targets = Targets(labels, None, 3, frequencies(labels, None, 3))
    good, bad = (baseline(CLASSES, METRICS["accuracy"], targets, sign * outputs, "its own") for sign in (1, -1))
    assert good.about == "its own"
    assert good.worth == METRICS["accuracy"].worth(outputs, labels, None)
    assert bad.about == "the most frequent class"


def test_a_language_model_has_no_constant_answer_but_its_base() -> None:
    sums = np.zeros((4, len(TOKEN_SUMS)))
    sums[:, TOKEN_SUMS.index(TokenSum.HITS)] = [3, 2, 1, 0]
    targets = Targets(np.array([8, 8, 8, 8]), None, 256)
    assert baseline(TOKENS, METRICS["accuracy"], targets, sums, "the base model").worth == 6 / 32
    with pytest.raises(ValueError, match="base model"):
        baseline(TOKENS, METRICS["accuracy"], targets, None, "")


def test_no_coalition_is_worth_less_than_the_baseline_and_a_failure_stays_one() -> None:
    assert at_least(np.array([0.2, 0.7]), 0.5).tolist() == [0.5, 0.7]
    assert np.isnan(at_least(np.array([np.nan]), 0.5)).all()


def test_only_a_large_test_set_has_rows_that_choose_and_measure_nothing() -> None:
    assert not chosen_apart(999)
    assert chosen_apart(1000)


# recall at a precision jumps, and has a test of its own (metrics/test_metrics_resampled.py)
@pytest.mark.parametrize("name", [each for each in CLASSES.metrics() if each != "recall_at_precision"])
@pytest.mark.parametrize("classes", [2, 3])
def test_influences_say_how_much_a_worth_varies_over_test_sets(name: str, classes: int) -> None:
    """Against 3,000 fresh test sets of 60 units; and a pair of models, whose worths vary together."""
    metric, rng = METRICS[name], np.random.default_rng(4)
    worths, said = [], []
    for _ in range(3000):
        labels = rng.choice(classes, 60, p=[0.3, 0.7] if classes == 2 else [0.2, 0.3, 0.5])
        signal = rng.normal(size=(60, classes)) + 1.2 * np.eye(classes)[labels]
        pair = np.stack([signal, signal + 0.7 * rng.normal(size=signal.shape)]).astype(np.float32)
        targets = Targets(labels, None, classes)
        worths.append(CLASSES.worths(metric, pair, targets))
        moved = CLASSES.influences(metric, pair, targets)
        assert abs(moved.sum(axis=1)).max() < 1e-9
        said.append(moved @ moved.T)
    # for the area under the curve the mix of classes is taken as given: a few per cent of its variance; precision over
    # recall is further from linear on so few units
    within = 0.15 if name == "average_precision" else 0.1
    expected = np.cov(np.array(worths).T).ravel().tolist()
    assert np.mean(said, axis=0).ravel().tolist() == pytest.approx(expected, rel=within)


def test_influences_of_weighted_classes_are_those_of_drawing_within_each_class() -> None:
    rng, rows = np.random.default_rng(5), {0: 50, 1: 10}
    labels = np.repeat([0, 1], [rows[0], rows[1]])
    weights = class_weights("balanced", labels, labels, 2)
    targets, metric = Targets(labels, weights, 2), METRICS["accuracy"]
    worths, said = [], []
    for _ in range(3000):
        right = rng.random(60) < np.where(labels == 0, 0.9, 0.6)
        outputs = np.eye(2)[np.where(right, labels, 1 - labels)].astype(np.float32)[None]
        worths.append(CLASSES.worths(metric, outputs, targets)[0])
        said.append(float((CLASSES.influences(metric, outputs, targets) ** 2).sum()))
    assert np.mean(said) == pytest.approx(np.var(worths), rel=0.1)


def test_influences_of_a_language_model_are_those_of_a_ratio_of_sums() -> None:
    rng = np.random.default_rng(6)
    worths, said = [], []
    for _ in range(3000):
        tokens = rng.integers(2, 30, 40)
        sums = np.zeros((1, 40, len(TOKEN_SUMS)))
        sums[0, :, TOKEN_SUMS.index(TokenSum.LOG_LIKELIHOOD)] = -tokens * (2.0 + rng.normal(size=40) * 0.5)
        targets = Targets(tokens, None, 256)
        worths.append(TOKENS.worths(METRICS["log_loss"], sums, targets)[0])
        said.append(float((TOKENS.influences(METRICS["log_loss"], sums, targets) ** 2).sum()))
    assert np.mean(said) == pytest.approx(np.var(worths), rel=0.1)
