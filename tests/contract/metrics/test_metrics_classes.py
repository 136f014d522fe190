"""Each metric in its own words, as a property of outputs and labels, and what they are all made of."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.metrics.accuracy import Accuracy
from contract.metrics.clipped_log_loss import ClippedLogLoss, floor
from contract.metrics.log_loss import LogLoss
from contract.metrics.metric import Metric, Predicts, log_likelihoods, mean


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Outputs, labels and weights (or none) of some test units."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    units, classes = draw(st.integers(1, 9)), draw(st.integers(2, 5))
    outputs = (rng.normal(size=(units, classes)) * draw(st.sampled_from([0.1, 3.0, 40.0]))).astype(np.float32)
    weights = rng.dirichlet(np.ones(units)) if draw(st.booleans()) else None
    return outputs, rng.integers(0, classes, units), weights


@given(scored())
def test_accuracy_is_the_weight_of_the_units_whose_largest_output_is_the_label(case: tuple) -> None:
    outputs, labels, weights = case
    weights_or_alike = np.full(len(labels), 1 / len(labels)) if weights is None else weights
    right = sum(w for w, row, label in zip(weights_or_alike, outputs, labels, strict=True) if row.argmax() == label)
    assert Accuracy().worth(outputs, labels, weights) == pytest.approx(right)


@given(scored())
def test_log_likelihoods_are_logarithms_of_probabilities_that_add_up_to_one(case: tuple) -> None:
    outputs, labels, _ = case
    every = np.stack([log_likelihoods(outputs, np.full(len(labels), label)) for label in range(outputs.shape[1])])
    assert np.exp(every).sum(axis=0).tolist() == pytest.approx([1.0] * len(labels))
    assert log_likelihoods(outputs, labels).tolist() == [every[label, at] for at, label in enumerate(labels)]


@given(scored(), st.floats(-50, 50))
def test_a_constant_added_to_all_outputs_of_a_unit_changes_no_likelihood(case: tuple, shift: float) -> None:
    outputs, labels, _ = case
    moved = (outputs.astype(np.float64) + shift).astype(np.float32)
    before, after = (log_likelihoods(each, labels).tolist() for each in (outputs, moved))
    assert after == pytest.approx(before, abs=1e-4, rel=1e-4)


@given(scored())
def test_clipping_bounds_each_unit_from_below_and_changes_no_other(case: tuple) -> None:
    outputs, labels, weights = case
    least = floor(outputs.shape[1])
    units = log_likelihoods(outputs, labels)
    assert LogLoss().worth(outputs, labels, weights) == pytest.approx(mean(units, weights))
    clipped = mean(np.maximum(units, least), weights)
    assert ClippedLogLoss().worth(outputs, labels, weights) == pytest.approx(clipped)
    assert clipped >= mean(units, weights) - 1e-12


def test_one_over_confident_unit_decides_log_loss_and_cannot_decide_the_clipped_one() -> None:
    outputs, labels = np.array([[0, 1000], [5, 0], [5, 0]], dtype=np.float32), np.zeros(3, dtype=np.int64)
    assert LogLoss().worth(outputs, labels, None) < -300
    assert ClippedLogLoss().worth(outputs, labels, None) >= -2 * math.log(2)
    assert floor(10) == pytest.approx(-2 * math.log(10))


def test_a_metric_refuses_predictions_that_it_cannot_score_with_both_kinds_in_the_sentence() -> None:
    class OfClassesOnly(Accuracy):
        name = "of_classes_only"
        token_sum = None

    assert Accuracy.why_not(Predicts.NEXT_TOKEN) is None, "it names the sum over tokens that it is made of"
    assert OfClassesOnly.why_not(Predicts.CLASS) is None
    sentence = "metric of_classes_only scores predictions of a class, not of a next_token"
    assert OfClassesOnly.why_not(Predicts.NEXT_TOKEN) == sentence
    assert issubclass(OfClassesOnly, Metric)
