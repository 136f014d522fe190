"""By what coalitions are stacked, and which worths are none."""

import numpy as np
import pytest

from tests.worker.engine.conftest import MakeProblem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.evaluation.work import checked, method_key, same_key
from worker.engine.games.game import EvaluationFailed
from worker.engine.tensors import batching
from worker.engine.unlearning import method_of


def test_stacked_are_coalitions_with_as_many_rows_to_go_through_where_a_method_goes_through_any(
    blobs: MakeProblem,
) -> None:
    evaluator = Evaluator(blobs(hyper={"steps": 2}))
    pool, learner = evaluator.context.pool, evaluator.learner
    solved = method_of("unlearn:tangent", "mlp")
    kept = method_of("repair:finetune_retained", "mlp")
    forgotten = method_of("unlearn:gradient_ascent", "mlp")
    row = np.zeros(len(evaluator.players), dtype=bool)
    row[0] = True
    rows = [len(player) for player in evaluator.problem.players]
    assert method_key(solved, learner, pool) is same_key
    assert method_key(kept, learner, pool)(row) == batching.rung(rows[0])
    assert method_key(forgotten, learner, pool)(row) == batching.rung(sum(rows[1:]))


def test_a_worth_that_is_not_finite_names_its_source_and_who_is_kept(blobs: MakeProblem) -> None:
    problem = blobs()
    coalitions = np.zeros((2, len(problem.players)), dtype=bool)
    coalitions[1, 0] = True
    assert checked(problem, "retrain", coalitions, np.array([0.5, 1.0])).tolist() == [0.5, 1.0]
    with pytest.raises(EvaluationFailed, match=rf"'retrain'.*\(nan\).*{problem.players[0].name}; lower"):
        checked(problem, "retrain", coalitions, np.array([0.5, np.nan]))
