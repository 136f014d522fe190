"""Metrics of classes against scikit-learn's, and what each unit moves against what it moves when it weighs more."""

import numpy as np
import pytest
from sklearn import metrics as reference

from contract.metrics import METRICS, Metric, Predicts
from contract.metrics.metric import Floats

OF_CLASSES = [each for each in METRICS.values() if Predicts.CLASS in each.predicts]
LINEAR = ("f1", "average_precision", "brier", "log_loss", "accuracy")


def answers(classes: int, rows: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outputs float32[rows, classes] that know something, some of them tied, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, rows, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    outputs = np.round(rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[labels], 1)
    return outputs.astype(np.float32), labels.astype(np.int64)


def probabilities(outputs: np.ndarray) -> Floats:
    logits = np.exp(outputs.astype(np.float64))
    return np.asarray(logits / logits.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_those_of_scikit_learn(classes: int, seed: int) -> None:
    outputs, labels = answers(classes, seed=seed)
    answered, chances = outputs.argmax(axis=1), probabilities(outputs)
    one_hot = np.eye(classes)[labels]
    there = np.unique(labels)
    expected = {
        "balanced_accuracy": reference.balanced_accuracy_score(labels, answered),
        "f1": reference.f1_score(labels, answered, average="macro", labels=there),
        "average_precision": np.mean(
            [reference.average_precision_score(labels == label, np.round(chances[:, label], 9)) for label in there]
        ),
        "brier": -((chances - one_hot) ** 2).sum(axis=1).mean(),
    }
    for name, score in expected.items():
        assert METRICS[name].worth(outputs, labels, None) == pytest.approx(score, abs=2e-3), name


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_unit_moves_the_worth_as_much_as_when_it_weighs_a_little_more(name: str, classes: int) -> None:
    outputs, labels = answers(classes, 40, seed=5)
    metric, count = METRICS[name], len(labels)
    said = metric.influences(outputs, labels, None)
    assert said.sum() == pytest.approx(0.0, abs=1e-9)
    # `influences` are a little larger, so that their squares are not too small on average
    larger = np.sqrt(count / (count - 1))
    for unit in range(0, count, 7):
        weights = np.full(count, 1.0 / count)
        weights[unit] += 1e-6
        moved = (metric.worth(outputs, labels, weights / weights.sum()) - metric.worth(outputs, labels, None)) / 1e-6
        assert said[unit] * count / larger == pytest.approx(moved, abs=1e-4)


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1", "average_precision", "brier"])
def test_the_squares_of_what_units_move_are_the_variance_over_draws_of_units(name: str) -> None:
    metric = METRICS[name]
    outputs, labels = answers(3, 4000, seed=9)
    rng = np.random.default_rng(1)
    worths, said = [], []
    for _ in range(150):
        drawn = rng.integers(0, len(labels), 150)
        worths.append(metric.worth(outputs[drawn], labels[drawn], None))
        said.append((metric.influences(outputs[drawn], labels[drawn], None) ** 2).sum())
    assert np.mean(said) == pytest.approx(np.var(worths), rel=0.35)


@pytest.mark.parametrize("metric", OF_CLASSES, ids=[each.name for each in OF_CLASSES])
def test_no_constant_answer_scores_better_than_the_one_that_the_metric_names(metric: Metric) -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    frequencies = np.array([0.5, 0.3, 0.2])
    best = metric.worth(np.tile(metric.constant(frequencies), (100, 1)), labels, None)
    rng = np.random.default_rng(0)
    others = [*np.eye(3), *np.log(rng.dirichlet([1.0, 1.0, 1.0], 50))]
    for other in others:
        assert metric.worth(np.tile(other.astype(np.float32), (100, 1)), labels, None) <= best + 1e-6


@pytest.mark.parametrize("metric", OF_CLASSES, ids=[each.name for each in OF_CLASSES])
def test_a_perfect_model_reaches_the_best_and_classes_may_change_places(metric: Metric) -> None:
    outputs, labels = answers(3)
    perfect = (60.0 * np.eye(3)[labels]).astype(np.float32)
    most = metric.range[1]
    assert most is not None
    assert metric.worth(perfect, labels, None) == pytest.approx(most, abs=1e-9)
    order = np.array([2, 0, 1])
    moved = np.empty_like(outputs)
    moved[:, order] = outputs + np.linspace(0, 1e-3, outputs.size, dtype=np.float32).reshape(outputs.shape)
    plain = outputs + np.linspace(0, 1e-3, outputs.size, dtype=np.float32).reshape(outputs.shape)
    assert metric.worth(moved, order[labels], None) == pytest.approx(metric.worth(plain, labels, None), abs=1e-9)
