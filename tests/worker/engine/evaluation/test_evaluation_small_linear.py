"""A game of small linear models is the one that torch plays: the same worths, values and intervals but for rounding."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contract.learning.methods import default_method
from contract.orders.spec import ValuationSpec
from worker.engine.evaluation import held_out, plain_logistic
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.evaluation.measured_rows import measured_rows
from worker.engine.evaluation.small_linear import SmallLinear, fits
from worker.engine.games.game import EvaluationFailed, all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.valuation import value

WORTHS = 1e-9  # of both games, on one processor


def problem(classes: int = 3, test_rows: int = 90, **changes: Any) -> Problem:
    rng = np.random.default_rng(classes)
    weights = rng.normal(size=(5, max(classes, 2)))

    def rows(count: int, flip: float = 0.0) -> tuple[Any, Any]:
        X = rng.normal(size=(count, 5)).astype(np.float32)
        if classes == 1:
            return X, X @ weights[:, 0] + rng.normal(size=count)
        y = (X @ weights).argmax(axis=1)
        return X, np.where(rng.random(count) < flip, (y + 1) % classes, y).astype(np.int64)

    players = [PlayerData(f"p{at}", *rows(20 + 7 * at, 0.2 * (at == 2))) for at in range(4)]
    players.append(PlayerData("copy", players[1].X, players[1].y))
    learner, metric = ("ridge", "r2") if classes == 1 else ("logistic", "log_loss")
    whole = {"learner": LearnerSpec(learner, {}), "metric": metric, "seed": 3} | changes
    return Problem(players, Rows(*rows(test_rows), name="the test set"), classes, **whole)


@pytest.mark.parametrize(
    "made",
    [
        problem(2),
        problem(3),
        problem(3, metric="accuracy", class_weights="balanced"),
        problem(2, test_rows=1100),
        problem(3, learner=LearnerSpec("logistic", {"l2": 0.1, "tol": 1e-8})),
        problem(1),
        problem(1, metric="mae"),
    ],
    ids=["two classes", "three", "accuracy, balanced", "rows kept apart", "hyper", "ridge", "ridge by mae"],
)
def test_worths_values_and_intervals_are_those_of_the_other_game(made: Problem) -> None:
    assert fits(made)
    small, whole = SmallLinear(made), Evaluator(made)
    everyone = all_coalitions(len(made.players))
    gap = np.abs(small.worth("retrain", everyone) - whole.worth("retrain", everyone)).max()
    assert gap <= WORTHS
    moved = np.abs(small.influences("retrain", everyone) - whole.influences("retrain", everyone)).max()
    assert moved <= 1e-6
    assert abs(small.cost("retrain") - whole.cost("retrain")) <= 0.1 * whole.cost("retrain")
    spec = ValuationSpec(metric=made.metric, seed=3, unlearning=default_method(made.learner.name, "full"))
    one, other = value(small, spec), value(whole, spec)
    assert one.stopped_by == other.stopped_by == "enumerated"
    for mine, theirs in zip(one.players, other.players, strict=True):
        assert mine.value == pytest.approx(theirs.value, abs=1e-8)
        assert mine.share_ci == pytest.approx(theirs.share_ci, abs=1e-6)
    assert one.gain is not None
    assert other.gain is not None
    assert one.gain.basis == other.gain.basis
    assert one.gain.p_value == pytest.approx(other.gain.p_value, rel=1e-5)
    assert one.notes == other.notes


def test_what_is_large_or_of_another_kind_is_no_such_game() -> None:
    small = problem(3)
    assert fits(small)
    assert not fits(replace(small, learner=LearnerSpec("mlp", {})))
    assert not fits(replace(small, learner=LearnerSpec("logistic", {"hidden": 3})))
    assert not fits(replace(small, mode="partial", checkpoint={"weight": np.zeros((3, 5)), "bias": np.zeros(3)}))
    many = [PlayerData(f"q{at}", small.players[0].X + at, small.players[0].y) for at in range(13)]
    assert not fits(replace(small, players=many))
    wide = [
        PlayerData(p.name, np.zeros((9, 300), dtype=np.float32), np.zeros(9, dtype=np.int64)) for p in small.players
    ]
    test = Rows(np.zeros((9, 300), dtype=np.float32), np.arange(9) % 3, name="the test set")
    assert not fits(replace(small, players=wide, test=test))


def test_a_model_that_does_not_reach_its_tolerance_is_an_error() -> None:
    made = replace(problem(3), learner=LearnerSpec("logistic", {"iterations": 2}))
    with pytest.raises(EvaluationFailed, match="stopped at gradient norm"):
        SmallLinear(made).prepare()
    rows = plain_logistic.LogisticRows(np.ones((4, 2)), np.array([0, 1, 0, 1]), ((0, 2), (2, 4)))
    found = plain_logistic.train(rows, np.array([[True, False], [True, True]]), 2, 0.1, 1e-9, 100)
    assert np.abs(found.theta).max() < 1e-8  # labels that say nothing


def test_rows_that_measure_and_rows_that_choose_are_disjoint_where_there_are_many() -> None:
    few, many = measured_rows(problem(3)), measured_rows(problem(3, test_rows=1100))
    assert few.apart == 0
    assert many.apart == len(many.choose)
    assert not set(many.measure) & set(many.choose)
    choose, measure = held_out.split(problem(3, test_rows=1100).test.y, 0.1, 3)
    assert measure.tolist() == many.measure.tolist()
    assert choose.tolist() == many.choose.tolist()


def test_a_small_game_needs_no_torch() -> None:
    program = (
        "import sys\n"
        "import worker.engine.evaluation.small_linear, worker.engine.valuation\n"
        "assert 'torch' not in sys.modules, 'torch'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_game_of_a_few_seconds_is_small_and_enumerated_in_the_other_game_as_well() -> None:
    rng = np.random.default_rng(4)

    def rows(count: int) -> tuple[Any, Any]:
        X = rng.normal(size=(count, 8)).astype(np.float32)
        return X, (X[:, 0] + rng.normal(size=count) > 0).astype(np.int64)

    players = [PlayerData(f"p{at}", *rows(60)) for at in range(8)]
    made = Problem(players, Rows(*rows(60)), 2, LearnerSpec("logistic"), metric="accuracy", seed=1)
    assert fits(made)
    assert value(Evaluator(made), ValuationSpec(metric="accuracy", seed=1)).stopped_by == "enumerated"
