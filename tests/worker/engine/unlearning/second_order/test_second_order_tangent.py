"""The tangent of learners that are linear in their rows is a Newton step; minibatch training offers a second seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.second_order import tangent


@pytest.mark.parametrize("classes", [2, 4])
def test_a_newton_step_from_the_optimum_stays_there(blobs, classes: int) -> None:
    problem = blobs("logistic", {"l2": 0.05}, classes=classes, unlearning={"tangent.start": 1.0})
    context = Evaluator(problem).context
    rows = context.held_out[0]
    found = tangent.outputs(context, np.ones((1, 4), dtype=bool), rows)[0]
    torch.testing.assert_close(found, context.learner.logits(context.full.unsqueeze(0), rows)[0], atol=1e-3, rtol=0)


def test_unlearned_logistic_worths_follow_retrained_ones_closely(blobs) -> None:
    evaluator = Evaluator(blobs("logistic", {"l2": 0.01}, n=4, metric="log_loss"))
    coalitions = all_coalitions(5)[1:-1]
    found, wanted = (evaluator.worth(source, coalitions) for source in ("unlearn:tangent", "retrain"))
    assert np.corrcoef(found, wanted)[0, 1] > 0.9


def test_the_solve_is_never_wider_than_the_rows_and_priced_so(blobs) -> None:
    evaluator = Evaluator(blobs("logistic", n=4))
    assert tangent.solve_width(evaluator.context) == 6
    assert evaluator.cost("unlearn:tangent") < 0.1 * evaluator.cost("retrain")


def test_statistics_of_one_full_model_are_not_taken_for_anothers(blobs) -> None:
    problem = blobs("logistic", {"l2": 0.05}, metric="log_loss")
    kept = Evaluator(problem).player_statistics()
    fewer = replace(problem, players=problem.players[:-1])
    coalitions = all_coalitions(3)
    told = Evaluator(replace(fewer, statistics=kept)).worth("unlearn:tangent", coalitions)
    assert told.tobytes() == Evaluator(fewer).worth("unlearn:tangent", coalitions).tobytes()


@pytest.mark.parametrize(
    ("learner", "hyper", "offered"),
    [("mlp", {"steps": 4, "batch": 8}, True), ("mlp", {"steps": 4}, True), ("logistic", {}, False)],
)
def test_a_second_seed_is_offered_where_training_draws_a_start_or_minibatches(
    blobs, learner, hyper, offered: bool
) -> None:
    evaluator = Evaluator(blobs(learner, hyper, metric="log_loss"))
    assert ("retrain:r1" in evaluator.sources) is offered
    if offered:
        some = all_coalitions(4)[3:5]
        assert (evaluator.scores("retrain:r1", some) != evaluator.scores("retrain", some)).any()
