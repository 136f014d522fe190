"""The evaluator: known ends, shared preparation, memory that runs out, stops, failures that stay failures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import EvaluationFailed, all_coalitions
from worker.engine.games.problem import Rows
from worker.engine.tensors import batching
from worker.engine.tensors.batching import Stopped

NONE = np.zeros((1, 4), dtype=bool)


def test_every_source_knows_the_empty_and_the_full_worth_exactly(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 10}, metric="clipped_log_loss"))
    ends = all_coalitions(4)[[0, -1]]
    for source in evaluator.sources:
        if source == "retrain:r1":
            continue  # another start has another model of everybody
        assert evaluator.worth(source, ends).tolist() == [evaluator.empty_worth, evaluator.full_worth], source


def test_sources_come_cheapest_first_and_retraining_last(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 100}))
    costs = [evaluator.cost(source) for source in evaluator.sources]
    assert evaluator.sources[-2:] == ["retrain", "retrain:r1"]
    assert costs[:-2] == sorted(costs[:-2])
    assert 0.5 <= evaluator.cost("retrain") < 1.0, "half of the rows, and what does not depend on rows"


def test_a_logistic_game_has_newton_and_other_games_have_not(blobs) -> None:
    assert "repair:newton" in Evaluator(blobs("logistic")).sources
    mlp = Evaluator(blobs("mlp", {"steps": 5}))
    assert "repair:newton" not in mlp.sources
    with pytest.raises(InvalidProblem, match="cannot be used with learner 'mlp'"):
        mlp.worth("repair:newton", all_coalitions(4))


def test_an_unknown_source_lists_what_there_is(blobs) -> None:
    with pytest.raises(InvalidProblem, match=r"unlearn:tangent.*retrain"):
        Evaluator(blobs()).worth("unlearn:magic", all_coalitions(4))


def test_coalitions_of_another_shape_or_type_are_refused(blobs) -> None:
    evaluator = Evaluator(blobs())
    for wrong in (all_coalitions(3), all_coalitions(4).astype(int), all_coalitions(4)[0]):
        with pytest.raises(ValueError, match=r"bool\[m, 4\]"):
            evaluator.worth("retrain", wrong)


def test_prepared_state_replaces_training(blobs, monkeypatch) -> None:
    problem = blobs("mlp", {"steps": 10}, metric="log_loss")
    first = Evaluator(problem)
    state = first.prepared_state()
    second = Evaluator(problem, prepared=state)
    monkeypatch.setattr(second.learner, "train", None)
    second.prepare()
    assert (second.empty_worth, second.full_worth) == (first.empty_worth, first.full_worth)


def test_a_checkpoint_is_the_full_model_and_its_base_part_the_base(blobs) -> None:
    problem = blobs("mlp", {"steps": 10}, metric="log_loss")
    trained = Evaluator(problem)
    state = trained.prepared_state()
    full = {name.removeprefix("full."): array for name, array in state.items() if name.startswith("full.")}
    bad = {name: 2 * array for name, array in state.items() if name.startswith("base.")}
    good = {f"base.{name}": 0.5 * array for name, array in full.items()}
    for base in (bad, good):
        given = Evaluator(replace(problem, checkpoint=full | base))
        assert given.full_worth == trained.full_worth
        used = given.learner.layout.unpack(given.context.base)
        assert all((used[name] == base[f"base.{name}"]).all() for name in used)
        # the buyer has its own base and the constant answer, and uses the better one
        assert given.empty_worth == max(trained.empty_worth, float(given.scores("retrain", NONE)[0]))
    assert given.empty_worth > trained.empty_worth


def test_a_checkpoint_that_does_not_fit_is_named(blobs) -> None:
    problem = blobs("mlp", {"steps": 10})
    with pytest.raises(InvalidProblem, match="missing"):
        Evaluator(replace(problem, checkpoint={"0.weight": np.zeros((64, 5))})).prepare()


def test_rows_of_no_player_are_in_every_coalition(blobs) -> None:
    problem = blobs("mlp", {"steps": 25}, metric="log_loss")
    rest = Rows(problem.test.X[:40], problem.test.y[:40])
    alone, together = Evaluator(problem), Evaluator(replace(problem, rest=rest))
    assert together.empty_worth > alone.empty_worth
    assert (together.worth("retrain", all_coalitions(4)) != alone.worth("retrain", all_coalitions(4))).all()


def test_a_batch_that_does_not_fit_is_halved_and_goes_on_without_a_changed_bit(blobs, monkeypatch) -> None:
    problem = blobs("mlp", {"steps": 8, "batch": 16}, metric="log_loss")
    expected = Evaluator(problem).worth("retrain", all_coalitions(4))
    evaluator = Evaluator(problem)
    evaluator.prepare()
    train, sizes = evaluator.learner.train, []

    def tight(start, pool, coalitions, seeds, check):
        sizes.append(len(coalitions))
        if len(sizes) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return train(start, pool, coalitions, seeds, check)

    monkeypatch.setattr(evaluator.learner, "train", tight)
    worths = evaluator.worth("retrain", all_coalitions(4))
    assert sizes[1] == sizes[0] // 2
    assert worths.tobytes() == expected.tobytes()


def test_memory_that_does_not_hold_one_coalition_is_a_failure(blobs, monkeypatch) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 8}))
    evaluator.prepare()

    def never(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory (simulated)")

    monkeypatch.setattr(evaluator.learner, "train", never)
    with pytest.raises(EvaluationFailed, match="single coalition"):
        evaluator.worth("retrain", all_coalitions(4)[1:2])


def test_a_stop_inside_a_training_ends_it_and_keeps_what_was_finished(blobs) -> None:
    problem = blobs("mlp", {"steps": 50, "batch": 8}, metric="log_loss")
    evaluator = Evaluator(problem, stack=2)
    evaluator.prepare()
    asked = iter(range(10_000))
    with pytest.raises(Stopped):
        evaluator.worths_with_seconds("retrain", all_coalitions(4), lambda: next(asked) > 120)
    kept = len([key for key in evaluator._computed if key[0] == "retrain"])
    assert 2 < kept < 12
    again = evaluator.worth("retrain", all_coalitions(4))
    assert again.tobytes() == Evaluator(problem).worth("retrain", all_coalitions(4)).tobytes()


def test_a_worth_that_is_not_finite_fails_and_names_source_and_coalition(blobs, monkeypatch) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 8}))
    evaluator.prepare()

    def broken(start, pool, coalitions, seeds, check):
        return torch.full((len(coalitions), len(start)), np.nan)

    monkeypatch.setattr(evaluator.learner, "train", broken)
    name = evaluator.players[0].name
    with pytest.raises(EvaluationFailed, match=rf"'retrain' gave a worth that is not finite.*{name}"):
        evaluator.worth("retrain", all_coalitions(4)[1:2])
    assert not [key for key in evaluator._computed if key[0] == "retrain"]


def test_a_diverging_full_model_fails_the_preparation(blobs) -> None:
    with pytest.raises(EvaluationFailed, match="full model"):
        Evaluator(blobs("mlp", {"steps": 60, "lr": 1e30}, metric="log_loss")).prepare()


def test_seconds_are_recorded_once_per_worth(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 8}))
    _, seconds = evaluator.worths_with_seconds("retrain", all_coalitions(4))
    assert (seconds[1:-1] > 0).all()
    spent = evaluator.seconds("retrain")
    evaluator.worth("retrain", all_coalitions(4))
    assert evaluator.seconds("retrain") == spent


def test_equal_requests_are_trained_once(blobs, monkeypatch) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 8}))
    evaluator.prepare()
    train, seen = evaluator.learner.train, []

    def counted(start, pool, coalitions, seeds, check):
        seen.append(len(coalitions))
        return train(start, pool, coalitions, seeds, check)

    monkeypatch.setattr(evaluator.learner, "train", counted)
    evaluator.worth("retrain", np.concatenate([all_coalitions(4)] * 3))
    # 16 coalitions, four of them the mirror image of another through the copy, two known ends.
    assert sum(seen) == 10


def test_another_replicate_is_another_training_only_where_training_is_random(blobs) -> None:
    random, fixed = Evaluator(blobs("mlp", {"steps": 8, "batch": 8}, metric="log_loss")), Evaluator(blobs("logistic"))
    coalitions = all_coalitions(4)[1:-1]
    assert (random.scores("retrain", coalitions) != random.scores("retrain:r1", coalitions)).any()
    assert (fixed.scores("retrain", coalitions) == fixed.scores("retrain:r1", coalitions)).all()


def test_a_replicate_begins_at_another_start_unless_the_buyer_gave_one(blobs) -> None:
    problem = blobs("mlp", {"steps": 8}, metric="log_loss")
    drawn = Evaluator(problem)
    coalitions = all_coalitions(4)[1:-1]
    assert (drawn.scores("retrain", coalitions) != drawn.scores("retrain:r1", coalitions)).all()
    base = {name: array for name, array in drawn.prepared_state().items() if name.startswith("base.")}
    given = Evaluator(replace(problem, checkpoint=base))
    assert "retrain:r1" not in given.sources
    assert (given.scores("retrain", coalitions) == given.scores("retrain:r1", coalitions)).all()


def test_row_counts_climb_a_fixed_ladder() -> None:
    for rows in range(1, 5000):
        rung = batching.rung(rows)
        assert rung >= rows
        assert rung % 32 == 0
        assert rung <= max(rows * 1.125 + 32, 32)


def test_nobodys_replicate_is_the_baseline_too(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"steps": 5, "batch": 10}, n=3, metric="log_loss"))
    nobody = np.zeros((1, len(evaluator.players)), dtype=bool)
    assert evaluator.worth("retrain:r1", nobody)[0] == evaluator.empty_worth
