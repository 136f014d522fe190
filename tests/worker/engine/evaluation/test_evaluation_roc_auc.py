"""ROC AUC is right for tables, texts and images alike: the worth is that of scikit-learn on what the models answer."""

import numpy as np
import pytest

from contract.errors import InvalidProblem
from tests.worker.engine import tiny_encoders, tiny_language
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import Problem
from worker.engine.unlearning import methods_for

SOME = all_coalitions(4)[[3, 6, 13]]


def agrees(problem: Problem) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    evaluator = Evaluator(problem, keep_answers=True)
    unlearned = next(source for source in evaluator.sources if source.startswith("unlearn:"))
    assert methods_for(evaluator.learner.name)
    for source in ("retrain", unlearned):
        worths = evaluator.scores(source, SOME)
        scores = evaluator.answers(source, SOME).astype(np.float64)
        labels = evaluator.targets.values
        exact = [metrics.roc_auc_score(labels, one[:, 1] - one[:, 0]) for one in scores]
        assert worths.tolist() == pytest.approx(exact), source


def test_of_a_table(blobs) -> None:
    agrees(blobs("logistic", n=3, classes=2, metric="roc_auc"))


def test_of_images_by_a_network(blobs) -> None:
    agrees(blobs("cnn", {"steps": 6, "batch": 8, "channels": 4}, n=3, classes=2, features=(8, 8), metric="roc_auc"))


@pytest.mark.parametrize("kind", ["text", "image"])
def test_of_texts_and_images_on_a_frozen_model(kind: str) -> None:
    agrees(tiny_encoders.problem(kind, metric="roc_auc"))


def test_a_language_model_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidProblem, match="roc_auc scores predictions of a class, not of a next_token; choose one"):
        Evaluator(tiny_language.problem(metric="roc_auc"))
