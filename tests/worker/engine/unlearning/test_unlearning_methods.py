"""Every unlearning method forgets nothing where nothing is forgotten; the tangent's worths follow retraining's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions, family
from worker.engine.unlearning import method_of, methods_for, source_of

EVERYBODY = np.ones((1, 4), dtype=bool)
STAYS_AT_FULL = [
    "natural_gradient",
    "negation",
    "interpolation",
    "gradient_ascent",
    "kl_to_base",
    "neggrad_plus",
    "paper",
]

METHODS = methods_for("logistic")


@pytest.mark.parametrize("name", STAYS_AT_FULL)
@pytest.mark.parametrize("hyper", [{"steps": 10}, {"steps": 10, "batch": 8}])
def test_forgetting_nobody_leaves_the_full_model_as_it_is(blobs, name: str, hyper: dict[str, int]) -> None:
    context = Evaluator(blobs("mlp", hyper)).context
    method = METHODS[name]
    assert method.params is not None
    assert torch.equal(method.params(context, EVERYBODY)[0], context.full)


def test_merging_nobody_is_the_base_and_merging_one_is_its_own_training(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 10}))
    context = evaluator.context
    merge = METHODS["merge"].params
    assert merge is not None
    assert torch.equal(merge(context, ~EVERYBODY)[0], context.base)
    one = np.eye(4, dtype=bool)[:1]
    trained = evaluator.learner.train(context.base, context.pool, one, 0, lambda: None)
    torch.testing.assert_close(merge(context, one), trained)


def test_interpolation_forgets_everybody_by_going_to_the_base(blobs) -> None:
    context = Evaluator(blobs("mlp", {"steps": 10})).context
    method = METHODS["interpolation"].params
    assert method is not None
    torch.testing.assert_close(method(context, ~EVERYBODY)[0], context.base)


def test_newton_steps_reach_the_retrained_optimum(blobs) -> None:
    problem = blobs("logistic", metric="log_loss", unlearning={"newton.steps": 12, "newton.inner": 30})
    evaluator = Evaluator(problem)
    worths = evaluator.worth("repair:newton", all_coalitions(4))
    np.testing.assert_allclose(worths, evaluator.worth("retrain", all_coalitions(4)), atol=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", "clipped_log_loss"])
def test_the_tangents_worths_follow_retraining(digits, metric: str) -> None:
    evaluator = Evaluator(digits("mlp", metric=metric))
    tangent = evaluator.worth("unlearn:tangent", all_coalitions(6))
    retrained = evaluator.worth("retrain", all_coalitions(6))
    assert np.corrcoef(tangent, retrained)[0, 1] > 0.9
    assert np.sqrt(np.mean((tangent - retrained) ** 2)) < 0.25 * retrained.std()


def test_the_tangent_is_exact_where_the_model_is_linear_least_squares(blobs) -> None:
    """theta_S solves the normal equations of the rows of S: forgetting by subtraction is a fit on what is left. At a
    start of zero every row bends the loss alike, by 1/3 with three classes, and leaves y - 1/3."""
    problem = blobs("logistic", unlearning={"tangent.damping": 1e-3, "tangent.start": 0.0, "tangent.steps": 0})
    evaluator = Evaluator(problem)
    context, coalition = evaluator.context, all_coalitions(4)[[5]]
    outputs = METHODS["tangent"].outputs
    assert outputs is not None
    found = outputs(context, coalition, evaluator.test_X)[0].numpy()
    pool = context.pool

    def features(X: np.ndarray) -> np.ndarray:
        return np.concatenate([X, np.ones((len(X), 1))], axis=1)

    kept = pool.masks(coalition)[0].numpy()
    phi, targets = features(pool.X.numpy()[kept]), np.eye(3)[pool.y.numpy()[kept]] - 1 / 3
    theta = np.linalg.solve(phi.T @ phi / 3 + 1e-3 * kept.sum() * np.eye(phi.shape[1]), phi.T @ targets)
    np.testing.assert_allclose(found, features(evaluator.test_X.numpy()) @ theta, atol=1e-9)


def test_stored_statistics_give_the_same_bits_and_read_no_gradient(blobs, monkeypatch) -> None:
    problem = blobs("mlp", {"steps": 10}, metric="log_loss")
    first = Evaluator(problem)
    expected = first.worth("unlearn:tangent", all_coalitions(4))
    again = Evaluator(replace(problem, statistics=first.player_statistics()), prepared=first.prepared_state())
    rows = []
    from worker.engine.unlearning.tangent_features import Tangents

    compute = Tangents.statistics
    monkeypatch.setattr(Tangents, "statistics", lambda self, X, t, w: rows.append(len(X)) or compute(self, X, t, w))
    assert again.worth("unlearn:tangent", all_coalitions(4)).tobytes() == expected.tobytes()
    assert sum(rows) == 0


def test_statistics_of_another_base_are_not_used(blobs) -> None:
    problem = blobs("mlp", {"steps": 10}, metric="log_loss")
    stale = Evaluator(problem).player_statistics()
    other = replace(problem, seed=1)
    expected = Evaluator(other).worth("unlearn:tangent", all_coalitions(4))
    found = Evaluator(replace(other, statistics=stale)).worth("unlearn:tangent", all_coalitions(4))
    assert found.tobytes() == expected.tobytes()


def test_a_source_names_its_family_and_a_name_its_source() -> None:
    for name, method in METHODS.items():
        assert family(method.source) == method.kind.family
        assert source_of(name) == method.source
        assert method_of(method.source, "logistic") is method
    assert source_of("shrink_and_repair") == "repair"
    assert source_of("retrain") == "retrain"
    with pytest.raises(InvalidProblem, match="tangent"):
        source_of("amnesia")
