"""scikit-learn's estimators by name: their own answers, the same bits in any company, no model that is kept."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS
from contract.learning.methods import default_method, method_fault, methods_for
from tests.worker.engine.same_bits import assert_same_bits
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.by_name import ByName
from worker.engine.learners.outside.estimators import answers
from worker.engine.tensors.batching import Batch

HYPER = {"random_forest": {"trees": 7}, "knn": {"neighbours": 3}, "svm_rbf": {}}


def rows(count: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 4)).astype(np.float32)
    return X, np.clip(np.floor(X[:, 0] + X[:, 1] * X[:, 2] + classes / 2), 0, classes - 1).astype(np.int64)


def problem(name: str, **options) -> Problem:
    players = [PlayerData(f"p{number}", *rows(20 + 9 * number, number)) for number in range(3)]
    players.append(PlayerData("copy", players[0].X[::-1], players[0].y[::-1]))
    return Problem(players, Rows(*rows(60, 9)), 3, LearnerSpec(name, HYPER[name]), "clipped_log_loss", **options)


@pytest.mark.parametrize("classes", [2, 3])
def test_an_estimator_answers_as_scikit_learn_s_own(classes: int) -> None:
    X, y = rows(90, 0, classes)
    X, asked = X.astype(np.float64), rows(30, 1, classes)[0].astype(np.float64)
    forest = RandomForestClassifier(9, random_state=5).fit(X, y).predict_proba(asked)
    found = answers("random_forest", {"trees": 9, "least_rows": 1}, X, y, asked, classes, 5)
    np.testing.assert_allclose(np.exp(found), (90 * forest + 1) / (90 + classes), rtol=1e-12)
    near = KNeighborsClassifier(5, algorithm="brute").fit(X, y).predict_proba(asked)
    found = answers("knn", {"neighbours": 5}, X, y, asked, classes, 0)
    np.testing.assert_allclose(np.exp(found), (5 * near + 1) / (5 + classes), rtol=1e-12)
    machine = SVC(C=2.0).fit(X, y)
    found = answers("svm_rbf", {"c": 2.0, "gamma": 0.0}, X, y, asked, classes, 0)
    theirs = machine.decision_function(asked).argmax(axis=1) if classes > 2 else machine.predict(asked)
    assert np.array_equal(found.argmax(axis=1), theirs)


@pytest.mark.parametrize("name", HYPER)
def test_a_class_that_a_coalition_lacks_is_rare_and_not_impossible(name: str) -> None:
    X, y = rows(60, 0)
    options = LEARNERS[name].checked(HYPER[name])
    for kept in (y != 2, y == 1, np.arange(60) == 0):
        found = answers(name, options, X[kept].astype(np.float64), y[kept], X.astype(np.float64), 3, 0)
        assert found.shape == (60, 3)
        assert np.isfinite(found).all()
        assert (found.argmax(axis=1) != 2).all() or y[kept].max() == 2


@pytest.mark.parametrize("name", HYPER)
def test_a_worth_has_the_same_bits_whatever_stack_threads_and_process(name: str) -> None:
    for source in ("retrain", "unlearn:logit_sum"):
        assert_same_bits(problem(name), source, all_coalitions(4), 4, [(16, None, 2), (5, 1, 1)], mixed=True)


@pytest.mark.parametrize("name", HYPER)
def test_one_player_alone_is_unlearned_exactly_and_everybody_is_trained(name: str) -> None:
    evaluator = Evaluator(problem(name, rest=None))
    alone = np.eye(4, dtype=bool)
    unlearned, retrained = (evaluator.worth(source, alone) for source in ("unlearn:logit_sum", "retrain"))
    np.testing.assert_allclose(unlearned, retrained, atol=1e-6)
    assert evaluator.full_worth > evaluator.empty_worth


def test_only_what_draws_has_seed_noise() -> None:
    assert "retrain:r1" in Evaluator(problem("random_forest")).sources
    assert {"retrain:r1"}.isdisjoint([*Evaluator(problem("knn")).sources, *Evaluator(problem("svm_rbf")).sources])
    evaluator = Evaluator(problem("random_forest"))
    some = all_coalitions(4)[[5, 6]]
    assert not np.array_equal(evaluator.worth("retrain", some), evaluator.worth("retrain:r1", some))


def test_rows_of_the_rest_are_seen_by_every_coalition() -> None:
    X, y = rows(40, 5)
    evaluator = Evaluator(problem("knn", rest=Rows(X, y)))
    context, kept = evaluator.context, all_coalitions(4)[[2]]
    model = context.learner.train(context.base, context.pool, kept, 0, context.check)
    seen = context.pool.indices(kept[0])
    assert torch.equal(torch.nonzero(model[0]).squeeze(1), seen)
    assert len(seen) == 40 + len(evaluator.problem.players[1])
    assert np.isfinite(evaluator.worth("unlearn:mixture", all_coalitions(4))).all()


def test_no_model_is_kept_so_there_is_no_partial_mode_and_no_gradient() -> None:
    for name in HYPER:
        assert set(methods_for(name)) == {"logit_sum", "mixture"}
        assert methods_for(name, "partial") == ()
        assert "choose mode full" in (method_fault(default_method(name, "partial"), name, "partial") or "")
        with pytest.raises(InvalidProblem, match="has no partial mode"):
            problem(name, mode="partial")
    learner = ByName("knn", {}, (4,), 3, 10)
    batch = Batch(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))
    with pytest.raises(InvalidProblem, match="has no gradient"):
        learner.gradient(learner.start(0).unsqueeze(0), batch)
