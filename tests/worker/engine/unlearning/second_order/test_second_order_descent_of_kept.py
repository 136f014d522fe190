"""The tangent of logistic models goes on, from its solve, towards the optimum of the rows that are kept."""

from dataclasses import replace

import numpy as np
import pytest

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.second_order.descent_of_kept import steps_taken

TANGENT = "unlearn:tangent"


def error(problem, steps: int) -> float:
    """Root mean square distance of the tangent's scores from retraining's."""
    evaluator = Evaluator(replace(problem, unlearning={"tangent.steps": steps}))
    coalitions = all_coalitions(len(problem.players))[1:]
    found, wanted = (evaluator.scores(source, coalitions) for source in (TANGENT, "retrain"))
    return float(np.sqrt(np.mean((found - wanted) ** 2)))


@pytest.mark.parametrize("classes", [2, 4])
def test_each_step_comes_nearer_to_retraining_and_many_reach_it(blobs, classes: int) -> None:
    problem = blobs("logistic", {"l2": 0.01}, n=4, classes=classes, metric="log_loss")
    errors = [error(problem, steps) for steps in (0, 1, 3, 60)]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[2] < 0.5 * errors[0]
    assert errors[3] < 1e-6


def test_a_coalitions_bits_depend_on_no_other(blobs) -> None:
    evaluator = Evaluator(blobs("logistic", n=4, metric="log_loss"))
    coalitions = all_coalitions(5)
    together = evaluator.scores(TANGENT, coalitions)
    alone = [evaluator.scores(TANGENT, coalitions[[at]])[0] for at in (3, 17, 30)]
    assert [float(together[at]) for at in (3, 17, 30)] == [float(each) for each in alone]


def test_rows_that_all_coalitions_share_are_kept_by_each(blobs) -> None:
    problem = blobs("logistic", {"l2": 0.01}, n=3, metric="log_loss")
    *players, last = problem.players
    problem = replace(problem, players=players, rest=last)
    assert error(problem, 60) < 1e-6


def test_many_coalitions_take_fewer_steps_and_an_order_may_say_how_many(blobs) -> None:
    def steps(n: int, **options) -> int:
        return steps_taken(Evaluator(blobs("logistic", n=n - 1, **options)).context)

    assert [steps(n) for n in (2, 8, 9, 10, 12)] == [3, 3, 1, 0, 0]
    assert steps(8, unlearning={"tangent.steps": 5}) == 5


def test_networks_take_none_and_each_step_is_priced(blobs) -> None:
    assert steps_taken(Evaluator(blobs("mlp", {"steps": 4})).context) == 0
    problem = blobs("logistic", n=4)
    prices = [Evaluator(replace(problem, unlearning={"tangent.steps": s})).seconds(TANGENT) for s in (0, 1, 2)]
    costs = [Evaluator(replace(problem, unlearning={"tangent.steps": s})).cost(TANGENT) for s in (0, 1, 2)]
    assert costs[1] - costs[0] == pytest.approx(costs[2] - costs[1])
    assert costs[0] < costs[1], prices
