"""What units do to a worth that jumps: draws of them say it, and models are asked by the same draws."""

import numpy as np
import pytest

from contract.metrics import Predicts, metric_of
from contract.metrics.resampled import draws
from contract.tasks import PREDICTIONS, Targets, class_weights

CLASSES = PREDICTIONS[Predicts.CLASS]


def test_a_worth_that_is_linear_keeps_its_derivative() -> None:
    rng = np.random.default_rng(0)
    labels, derivative = rng.integers(0, 2, 80), rng.normal(size=80)
    drawn = draws(labels, None)
    moved = drawn.influences(derivative @ drawn.weights, np.stack([derivative, rng.normal(size=80)]))
    assert moved == pytest.approx(derivative)


def test_products_of_what_is_not_linear_are_covariances_over_the_draws() -> None:
    rng = np.random.default_rng(1)
    drawn, nothing = draws(rng.integers(0, 2, 1500), None), np.zeros((1, 1500))
    one = np.sign(drawn.weights[:40].mean(axis=0) - 1.0)
    other = one + np.sign(drawn.weights[40:80].mean(axis=0) - 1.0)
    moved = np.stack([drawn.influences(each, nothing) for each in (one, other)])
    assert (moved @ moved.T).ravel() == pytest.approx(np.cov(one, other, bias=True).ravel(), rel=0.15)


def test_each_class_keeps_its_weight_where_classes_are_weighted() -> None:
    labels = np.repeat([0, 1], [90, 10])
    weights = class_weights("balanced", labels, labels, 2)
    drawn = draws(labels, weights)
    assert (drawn.weights * weights[:, None])[labels == 1].sum(axis=0) == pytest.approx(0.5)
    assert np.ptp((draws(labels, None).weights / 100)[labels == 1].sum(axis=0)) > 0.1


@pytest.mark.parametrize("precision", [0.7, 0.9])
@pytest.mark.parametrize("classes", [2, 3])
def test_recall_at_a_precision_varies_over_test_sets_as_is_said(precision: float, classes: int) -> None:
    """Against 400 fresh test sets of 60 units: two models' worths, and what they differ by."""
    metric, rng = metric_of(f"recall_at_precision:precision={precision}"), np.random.default_rng(4)
    worths, said = [], []
    for _ in range(400):
        labels = rng.choice(classes, 60, p=[0.3, 0.7] if classes == 2 else [0.2, 0.3, 0.5])
        signal = rng.normal(size=(60, classes)) + 1.2 * np.eye(classes)[labels]
        pair = np.stack([signal, signal + 0.7 * rng.normal(size=signal.shape)]).astype(np.float32)
        targets = Targets(labels, None, classes)
        worths.append(CLASSES.worths(metric, pair, targets))
        moved = CLASSES.influences(metric, pair, targets)
        assert abs(moved.sum(axis=1)).max() < 1e-9
        said.append(moved @ moved.T)
    both, difference = np.mean(said, axis=0), np.array([1.0, -1.0])
    varied = np.cov(np.array(worths).T)
    assert np.min(np.diag(both) / np.diag(varied)) > 0.65
    assert np.max(np.diag(both) / np.diag(varied)) < 1.2
    assert 0.85 < (difference @ both @ difference) / (difference @ varied @ difference) < 1.6


def test_a_model_that_may_find_something_on_other_units_is_not_certain_of_finding_nothing() -> None:
    labels = np.array([0] * 40 + [1] * 20)
    outputs = np.zeros((60, 2), dtype=np.float32)
    outputs[:, 1] = np.arange(60) % 7
    outputs[3, 1] = 9.0  # of the other class, above all others: no place holds the precision for class 1
    outputs[40:58, 1] = 8.0
    metric = metric_of("recall_at_precision:precision=0.95,of_class=1").resolved(("0", "1"))
    assert metric.worth(outputs, labels, None) == 0.0
    assert (metric.influences(outputs, labels, None) ** 2).sum() > 0.01
