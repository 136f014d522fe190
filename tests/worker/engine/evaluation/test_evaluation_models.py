"""What every worth starts from: the base and M_full, given, stored or trained, never anything in between."""

import numpy as np
import pytest
import torch

from tests.worker.engine.tiny_language import base_weights, problem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.evaluation.models import frozen_arrays, stored_state
from worker.engine.games.game import EvaluationFailed
from worker.engine.games.problem import FROZEN

HYPER = {"steps": 5}


def test_frozen_weights_are_those_under_their_prefix_and_no_model() -> None:
    found = frozen_arrays(problem())
    assert found.keys() == base_weights().keys()
    assert all(not name.startswith(FROZEN) for name in found)


def test_without_a_checkpoint_the_base_is_the_seed_s_start_and_m_full_is_trained_on_everybody(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", HYPER))
    context = evaluator.context
    assert torch.equal(context.base, evaluator.learner.start(evaluator.problem.seed))
    everybody = np.ones((1, 4), dtype=bool)
    again = evaluator.learner.train(context.base, context.pool, everybody, context.seed("retrain"), lambda: None)
    assert torch.equal(context.full, again[0])


def test_a_stored_state_is_both_models_and_comes_back_bit_for_bit(blobs) -> None:
    first = Evaluator(blobs("mlp", HYPER))
    state = stored_state(first.context)
    assert {name.partition(".")[0] for name in state} == {"base", "full"}
    again = Evaluator(first.problem, prepared=state).context
    assert torch.equal(again.base, first.context.base)
    assert torch.equal(again.full, first.context.full)
    assert again.full_worth == first.context.full_worth


def test_rows_of_no_player_make_nobody_s_model_more_than_the_base(blobs) -> None:
    plain, rest = Evaluator(blobs("mlp", HYPER)), Evaluator(blobs("mlp", HYPER, rest=blobs().test))
    assert plain.context.empty_worth == plain.empty_worth
    assert rest.context.empty_worth != plain.context.empty_worth
    assert len(rest.context.pool) == len(plain.context.pool) + 77
    partial = Evaluator(blobs("mlp", HYPER, rest=blobs().test, mode="partial")).context
    assert len(partial.pool) == len(plain.context.pool), "in partial mode the rest is out of reach"
    assert partial.hidden_rows == 77


@pytest.mark.parametrize(("options", "hidden"), [({"hidden_rows": 12}, 12), ({"hidden_rows": 0}, 0)])
def test_hidden_rows_are_as_many_as_the_job_says(blobs, options: dict[str, float], hidden: int) -> None:
    evaluator = Evaluator(blobs("mlp", HYPER, mode="partial", unlearning=options))
    assert evaluator.context.hidden_rows == hidden
    assert evaluator.notes == []


def test_hidden_rows_that_nobody_knows_are_assumed_and_said(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", HYPER, mode="partial"))
    assert evaluator.context.hidden_rows == len(evaluator.context.pool)
    (note,) = evaluator.notes
    assert "Give the unlearning option hidden_rows to say." in note


def test_a_model_that_is_worth_no_number_fails_by_name(blobs) -> None:
    diverging = blobs("mlp", HYPER | {"lr": 1e30}, metric="log_loss")
    with pytest.raises(EvaluationFailed, match=r"the full model has a worth that is not finite .* lower lr"):
        Evaluator(diverging).prepare()
