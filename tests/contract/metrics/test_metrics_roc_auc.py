"""ROC AUC is the share of pairs that are ranked right, for tables, texts and images alike, and no language model's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.learning.learners import LEARNERS
from contract.metrics import METRICS, Predicts
from contract.metrics.roc_auc import area

AUC = METRICS["roc_auc"]


def by_pairs(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    right = total = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            pair = weights[i] * weights[j]
            total += pair
            right += pair * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return right / total


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.integers(1, 4)), min_size=2, max_size=25))
def test_the_area_is_the_weighted_share_of_pairs_that_are_ranked_right(rows: list[tuple[int, bool, int]]) -> None:
    scores = np.array([score for score, _, _ in rows], dtype=np.float64)
    positive, weights = np.array([flag for _, flag, _ in rows]), np.array([float(w) for _, _, w in rows])
    if positive.all() or not positive.any():
        assert np.isnan(area(scores, positive, weights))
    else:
        assert area(scores, positive, weights) == pytest.approx(by_pairs(scores, positive, weights))


def test_of_two_classes_only_the_order_counts() -> None:
    outputs = np.array([[0, 2], [0, 1], [0, -1], [0, -3]], dtype=np.float32)
    labels = np.array([1, 0, 1, 0])
    assert AUC.worth(outputs, labels, None) == 0.75
    assert AUC.worth(outputs * 100 + np.float32(7), labels, None) == 0.75
    assert AUC.worth(np.zeros((4, 2), dtype=np.float32), labels, None) == 0.5, "knowing nothing"


def test_of_more_classes_it_is_one_against_the_rest_averaged_alike() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 80)
    outputs = (np.eye(4)[labels] * 2 + rng.normal(size=(80, 4))).astype(np.float32)
    p = np.exp(outputs.astype(np.float64)) / np.exp(outputs.astype(np.float64)).sum(axis=1, keepdims=True)
    expected = [by_pairs(p[:, each], labels == each, np.ones(80)) for each in range(3)]
    assert AUC.worth(outputs, labels, None) == pytest.approx(np.mean(expected)), "a class that is not there counts not"


def test_it_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 2, 200), rng.normal(size=200).round(1)
    outputs = np.stack([np.zeros(200), scores], axis=1).astype(np.float32)
    assert AUC.worth(outputs, labels, None) == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_every_learner_of_classes_can_be_scored_and_a_language_model_is_refused_with_the_reason() -> None:
    refused = {name for name, learner in LEARNERS.items() if learner.predicted(AUC) is None}
    assert refused == {"lm", "ridge"}
    assert "not of a next_token" in (AUC.why_not(Predicts.NEXT_TOKEN) or "")
