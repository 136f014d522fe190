"""Ridge regression is the closed form's optimum; its coalitions are unlearned exactly, in any order and unit."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from contract.errors import InvalidProblem
from contract.learning.methods import default_method
from contract.metrics import Predicts
from contract.orders.spec import ValuationSpec
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.ridge import MOST_FEATURES, Ridge
from worker.engine.unlearning.second_order import statistics
from worker.engine.valuation import value

METHOD = "unlearn:statistics"


def drawn(rows: int, seed: int, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features)).astype(np.float32)
    return X, 1000.0 + 50.0 * (X @ np.arange(1, features + 1) / features + 0.5 * rng.normal(size=rows))


def problem(learner: str = "ridge", n: int = 4, unit: float = 1.0, **options: object) -> Problem:
    """Unequal players, the last one a copy of the first."""
    players = [PlayerData(f"p{i}", X, unit * y) for i, (X, y) in ((i, drawn(9 + 8 * i, i)) for i in range(n - 1))]
    players.append(PlayerData("copy", players[0].X[::-1], players[0].y[::-1]))
    X, y = drawn(60, 99)
    settings: dict = {"metric": "rmse", **options}
    return Problem(players, Rows(X, unit * y), 1, LearnerSpec(learner, {}), **settings)


def test_it_is_scikit_learns_with_the_rows_in_its_ridge() -> None:
    asked = problem()
    evaluator = Evaluator(asked)
    learner = evaluator.learner
    assert isinstance(learner, Ridge)
    rows = np.concatenate([p.X for p in asked.players]).astype(np.float64), np.concatenate([p.y for p in asked.players])
    reference = Reference(alpha=learner.l2 * len(rows[1])).fit(*rows)
    answers = learner.logits(evaluator.context.full.unsqueeze(0), evaluator.test_X)[0, :, 0].numpy()
    assert asked.scale is not None
    np.testing.assert_allclose(
        asked.scale.numbers(answers), reference.predict(asked.test.X.astype(np.float64)), rtol=1e-9
    )


def test_unlearned_worths_are_the_retrained_ones_for_every_coalition() -> None:
    evaluator = Evaluator(problem())
    coalitions = all_coalitions(4)
    retrained, unlearned = evaluator.worth("retrain", coalitions), evaluator.worth(METHOD, coalitions)
    np.testing.assert_allclose(unlearned, retrained, rtol=1e-6)
    assert np.ptp(retrained) > 10


def test_with_rows_that_nobody_forgets_they_are_the_retrained_ones_too() -> None:
    rest = Rows(*drawn(30, 77))
    evaluator = Evaluator(problem(rest=rest))
    coalitions = all_coalitions(4)
    np.testing.assert_allclose(evaluator.worth(METHOD, coalitions), evaluator.worth("retrain", coalitions), rtol=1e-6)


def test_a_players_bits_do_not_depend_on_who_is_computed_beside_it() -> None:
    coalitions = all_coalitions(4)[1:]
    for source in ("retrain", METHOD):
        together, alone = Evaluator(problem()), Evaluator(problem(), stack=1)
        whole = together.worth(source, coalitions)
        assert [float(alone.worth(source, each[None])[0]) for each in coalitions[::-1]] == whole[::-1].tolist()
        np.testing.assert_array_equal(together.answers(source, coalitions), alone.answers(source, coalitions))


def test_in_partial_mode_forgetting_is_exact_where_the_hidden_rows_sums_are_stored() -> None:
    rest = Rows(*drawn(80, 55))
    whole = Evaluator(problem(mode="full", rest=rest))
    weights = whole.learner.layout.unpack(whole.context.full)
    asked = {"mode": "partial", "checkpoint": weights, "unlearning": {"anchor_share": 0.3}}
    stored = Evaluator(problem(**asked)).hidden_statistics(rest)
    coalitions = all_coalitions(4)
    # the reference for whoever holds the other rows; retraining keeps them
    reference = Evaluator(problem(**asked, rest=rest)).worth("retrain", coalitions)
    exact = Evaluator(problem(**asked, statistics=stored))
    np.testing.assert_allclose(exact.worth(METHOD, coalitions), reference, rtol=1e-6)
    guessed = Evaluator(problem(**asked | {"unlearning": {"anchor_share": 0.3, "hidden_rows": 80}}))
    assert np.corrcoef(guessed.worth(METHOD, coalitions), reference)[0, 1] > 0.6


@pytest.mark.parametrize("learner", ["ridge", "mlp"])
@pytest.mark.parametrize("metric", ["r2", "mae"])
def test_values_of_a_job_are_those_of_all_coalitions_retrained(learner: str, metric: str) -> None:
    asked = problem(learner, metric=metric)
    spec = ValuationSpec(metric=metric, unlearning=default_method(learner, "full"))
    result = value(Evaluator(asked), spec)
    truth = exact_values(Evaluator(asked).worth("retrain", all_coalitions(4)))
    assert [player.value for player in result.players] == pytest.approx(truth.tolist(), rel=1e-9)
    assert result.gain is not None
    assert result.gain.gained


@pytest.mark.parametrize("learner", ["ridge", "mlp"])
def test_neither_the_order_of_rows_and_players_nor_the_unit_of_the_target_changes_a_share(learner: str) -> None:
    spec = ValuationSpec(metric="rmse", unlearning=default_method(learner, "full"))
    asked = problem(learner)
    turned = Problem(
        [PlayerData(p.name, p.X[::-1], p.y[::-1]) for p in reversed(asked.players)],
        Rows(asked.test.X[::-1], asked.test.y[::-1]),
        1,
        asked.learner,
        "rmse",
    )
    first, second, thousands = (value(Evaluator(each), spec) for each in (asked, turned, problem(learner, unit=1024.0)))
    assert first.players == second.players
    assert {p.provider: p.share for p in first.players} == pytest.approx(
        {p.provider: p.share for p in thousands.players}, abs=1e-6 if learner == "ridge" else 1e-5
    )
    assert thousands.full_worth == pytest.approx(1024 * first.full_worth, rel=1e-6)
    widths = [max(p.share_ci[1] - p.share_ci[0] for p in each.players if p.share_ci) for each in (first, thousands)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)  # by draws, which follow the order of digests
    copies = {p.provider: p.value for p in first.players if p.provider in ("p0", "copy")}
    assert copies["p0"] == copies["copy"]


def test_what_is_no_number_is_refused_with_the_mend() -> None:
    X, y = drawn(20, 1)
    players = [PlayerData("a", X, y), PlayerData("b", X, y + 1)]
    ridge = LearnerSpec("ridge", {})
    with pytest.raises(InvalidProblem, match="every row of the test set has the target 3"):
        Problem(players, Rows(X, np.full(20, 3.0)), 1, ridge, "r2")
    with pytest.raises(InvalidProblem, match="labels must be numbers"):
        Problem([PlayerData("a", X, np.arange(20))], Rows(X, y), 1, ridge, "r2")
    with pytest.raises(InvalidProblem, match="has one output"):
        Problem(players, Rows(X, y), 2, ridge, "r2")
    with pytest.raises(InvalidProblem, match="no classes to weigh"):
        Problem(players, Rows(X, y), 1, ridge, "r2", class_weights="balanced")
    with pytest.raises(
        InvalidProblem, match="accuracy scores predictions of a class, not of a number; choose one of r2"
    ):
        Problem(players, Rows(X, y), 1, ridge, "accuracy")
    with pytest.raises(InvalidProblem, match="targets hold NaN"):
        Rows(X, np.append(y[1:], np.nan))
    with pytest.raises(InvalidProblem, match="more than 2048"):
        Ridge({}, (MOST_FEATURES + 1,), 1)


def test_its_gradient_is_that_of_half_the_squares() -> None:
    evaluator = Evaluator(problem())
    learner, pool = evaluator.learner, evaluator.context.pool
    batch = pool.gather(np.ones((2, 4), dtype=bool), len(pool))
    params = torch.randn(2, learner.layout.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    params.requires_grad_()
    left = learner.logits(params, batch.X)[:, :, 0] - batch.y
    (0.5 * left.square()).sum().backward()
    torch.testing.assert_close(learner.gradient(params.detach(), batch), params.grad)
    assert learner.predicts is Predicts.NUMBER
    assert statistics.METHOD.name == default_method("ridge", "full")
