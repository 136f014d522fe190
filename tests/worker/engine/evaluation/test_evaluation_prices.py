"""What worths cost counts what answering the test rows takes, and what a method prepares once."""

import numpy as np

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.evaluation.prices import model_cost
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.valuation import ValuationSpec, recompute, value


def game(players: int, test: int, learner: str = "logistic", rows: int = 30, **hyper: float) -> Evaluator:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=4)

    def some(count: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(count, 4)).astype(np.float32)
        return X, (X @ direction + 0.5 * rng.normal(size=count) > 0).astype(np.int64)

    owned = [PlayerData(f"p{at}", *some(rows)) for at in range(players)]
    return Evaluator(Problem(owned, Rows(*some(test)), 2, LearnerSpec(learner, hyper), metric="log_loss", seed=1))


def test_test_rows_are_part_of_what_a_merge_costs() -> None:
    few, many = (game(3, test, "mlp", steps=5) for test in (40, 40_000))
    assert many.cost("unlearn:merge") > 2 * few.cost("unlearn:merge")
    scored = model_cost(many.problem, many.learner).scoring(40_000)
    assert many.cost("unlearn:merge") * many.unit_seconds > scored


def test_a_coalition_is_foretold_by_everybodys_iterations_where_it_was_trained_here() -> None:
    evaluator = game(3, 40)
    fresh = make_learner(evaluator.problem.learner, (4,), 2)
    evaluator.prepare()
    assert evaluator.learner.taken > 0
    assert model_cost(evaluator.problem, fresh) != model_cost(evaluator.problem, evaluator.learner)


def test_a_small_game_is_enumerated_and_its_result_repeats_without_data() -> None:
    evaluator = game(8, 60)
    result = value(evaluator, ValuationSpec(metric="log_loss"))
    assert (result.estimator, result.stopped_by, result.evaluations["retrain"]) == ("exact", "enumerated", 256)
    assert any("too little" in note for note in result.notes)
    again = recompute(result.to_json())
    assert [p.share for p in again.players] == [p.share for p in result.players]
    named = value(evaluator, ValuationSpec(metric="log_loss", max_retrains=36))
    assert named.evaluations["retrain"] <= 36, "an order that names a number of retrainings gets an audit of so many"
    assert named.unit_seconds == evaluator.unit_seconds
